"""A clock that can be made to jump, for the processes of an experiment and not for the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PYTHON = """
import os
import time

now = time.time
time.time = lambda: now() + float(open(os.environ["CLOCK_OFFSET"]).read())
"""
NODE = """
const fs = require('fs');
const offset = () => 1000 * Number(fs.readFileSync(process.env.CLOCK_OFFSET));
const RealDate = Date;
globalThis.Date = class extends RealDate {
    constructor(...words) { super(...(words.length ? words : [RealDate.now() + offset()])); }
    static now() { return RealDate.now() + offset(); }
};
"""


class JumpingClock:
    """The clock of all Python and node processes that are started with its environment."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "clock_offset"
        self._python, self._node = folder / "clock" / "sitecustomize.py", folder / "clock" / "clock.js"
        self._python.parent.mkdir(parents=True)
        self._python.write_text(PYTHON)
        self._node.write_text(NODE)
        self.jump(0)

    def jump(self, seconds: float) -> None:
        """From now on it shows the true time and so many seconds."""
        new = self._offset.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._offset)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to see this clock."""
        paths = {"PYTHONPATH": str(self._python.parent), "NODE_OPTIONS": f'--require "{self._node}"'}
        return {**paths, "CLOCK_OFFSET": str(self._offset)}
