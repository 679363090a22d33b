"""NNI without scipy.stats and pandas, which take four fifths of the time that it takes to import.

``python quick_nni.py MODULE [WORD ...]`` runs one of NNI's modules like that, otherwise as ``python -m MODULE`` does.
"""

from __future__ import annotations

import importlib
import importlib.util
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

DISTRIBUTIONS = ("norm", "lognorm", "uniform", "loguniform")
"""What NNI takes from scipy.stats, and calls for spaces of numbers."""

SCRIPTS = "nni.tools.nni_manager_scripts."
"""Modules that NNI's manager runs for what they print; of NNI, they use its version and its folder only."""


def import_nni() -> None:
    """Import NNI; scipy.stats and pandas follow when they are first used, by NNI or by anyone else."""
    stand_ins = {"scipy.stats": ModuleType("scipy.stats"), "pandas": ModuleType("pandas")}
    for name in DISTRIBUTIONS:
        setattr(stand_ins["scipy.stats"], name, _imported_when_called("scipy.stats", name))
    added = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(added)
    try:
        importlib.import_module("nni")
    finally:
        for name in added:
            del sys.modules[name]


def _imported_when_called(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    return call


def name_nni() -> None:
    """Let ``nni`` be a module that knows its version and its folder, and imports nothing else."""
    spec = importlib.util.find_spec("nni")
    assert spec is not None
    sys.modules["nni"] = bare = importlib.util.module_from_spec(spec)
    vars(bare)["__version__"] = importlib.import_module("nni.version").__version__


def main() -> None:
    """Run the module that the command line names."""
    del sys.argv[0]
    sys.path[0] = str(Path.cwd())  # as -m has it, instead of this file's folder
    (name_nni if sys.argv[0].startswith(SCRIPTS) else import_nni)()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
