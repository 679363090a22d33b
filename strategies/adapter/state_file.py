"""The saved state of a tuner: written whole at every event, read after a resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.atomic_file import write_text
from common.bad_input import BadInput
from common.read_file import read_json

STATE_FILE = "state.json"


class StateFile:
    """``state.json`` in the folder that NNI gives a tuner."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / STATE_FILE

    def read(self) -> dict[str, Any] | None:
        """The saved state; None where nothing was saved yet. Raises BadInput where the file cannot be read."""
        if not self.path.exists():
            return None
        try:
            return read_json(self.path)
        except BadInput as fault:
            raise BadInput(f"{fault}; start a new experiment") from None

    def write(self, state: dict[str, Any]) -> None:
        """Save the state. Raises OSError where that fails; what was saved before is kept."""
        write_text(self.path, json.dumps(state))

    @contextmanager
    def refusing_damage(self) -> Iterator[None]:
        """Turn what damaged content raises while it is loaded into a BadInput."""
        try:
            yield
        except BadInput:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as fault:
            raise BadInput(f"{self.path}: damaged ({fault!r}): start a new experiment") from None
