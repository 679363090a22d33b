"""Files of structures that need not be there yet when an experiment is checked: a search before it will write them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class NotYet:
    """Which files may be missing.

    Args:
        results: what earlier steps of a pipeline write.
        starting: the experiment is about to start: nothing else may be missing. Otherwise what the pipeline writes
            (``.../split1/global.json``) may be, and is noted.
    """

    results: Collection[Path] = ()
    starting: bool = False
    noted: list[Path] = field(default_factory=list)

    def excuses(self, path: Path) -> bool:
        """Whether a file that is missing may be."""
        if path in self.results:
            return True
        known = re.fullmatch(r"split\d+", path.parent.name) and path.name in ("global.json", "local.json")
        if self.starting or not known:
            return False
        if path not in self.noted:
            self.noted.append(path)
        return True
