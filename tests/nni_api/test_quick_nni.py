"""NNI is imported without scipy.stats and pandas, and works with both as it does otherwise."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nni

from nni_api import quick_nni

PROGRAM = """
import sys

import nni
from nni.mutable import Numerical

assert __name__ == "__main__" and sys.argv[1:] == ["a word"] and sys.path[0] == sys.path[1]
assert not {"scipy.stats", "pandas"} & sys.modules.keys()

spaces = [{"low": 1, "high": 9}, {"low": 1, "high": 9, "log_distributed": True}]
spaces += [{"mu": 1, "sigma": 2}, {"mu": 1, "sigma": 2, "log_distributed": True}]
late = [Numerical(**space, label="x").distribution for space in spaces]
from scipy.stats import loguniform, lognorm, norm, uniform

now = [uniform(loc=1, scale=8), loguniform(a=1, b=9), norm(loc=1, scale=2), lognorm(s=2, scale=2.718281828459045)]
assert [each.ppf(0.3) for each in late] == [each.ppf(0.3) for each in now]

import pandas

table = pandas.DataFrame({"a": [1, 2]})
assert nni.load(nni.dump(table)).equals(table)
print("as always")
"""


def test_what_nni_needs_seldom_is_imported_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, quick_nni.__file__, "program", "a word"]
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"}  # of json_tricks
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("as always\n", "")


def test_a_version_is_told_without_importing_nni() -> None:
    module = "nni.tools.nni_manager_scripts.collect_version_info"
    quick = [sys.executable, "-X", "importtime", quick_nni.__file__, module]
    told = subprocess.run(quick, capture_output=True, text=True, check=True)
    here = {"nniVersion": nni.__version__, "nniPath": nni.__path__[0]}
    python = {"pythonVersion": "{}.{}.{}-{}-{}".format(*sys.version_info), "pythonPath": sys.executable}
    assert json.loads(told.stdout) == {**here, **python}
    assert not re.search(r"\b(numpy|nni\.(experiment|runtime))\b", told.stderr)
