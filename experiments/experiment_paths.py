"""Where the experiment files of a new data set lie, and the paths that they name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLAIN = re.compile(r"[A-Za-z/][\w./ -]*[\w./-]", re.ASCII)


@dataclass(frozen=True)
class ExperimentPaths:
    """The folder of the files, and the paths in them."""

    folder: Path
    """Folder of the files, absolute."""
    absolute: bool
    """Whether paths are absolute, so that the files may be anywhere; else relative to ``experiments/``."""
    data_root: Path | None = None
    """Absolute, for the commands; None: trials use ``$G2L_DATA_ROOT``, else ``./data``."""

    def code(self) -> str:
        """The working directory of trials."""
        return quoted(str(ROOT)) if self.absolute else ".."

    def space(self, file: str) -> str:
        """A search space."""
        return quoted(str(self.folder / "spaces" / file)) if self.absolute else quoted(f"spaces/{file}")

    def run(self, path: str) -> str:
        """A result of a run, below ``runs/`` of the repository or of the folder of the files."""
        return str(self.folder / "runs" / path) if self.absolute else f"runs/{path}"


def quoted(text: str) -> str:
    """A string as a YAML scalar that is valid anywhere, also between brackets."""
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
