from __future__ import annotations

import subprocess
import sys

from benchmarks.do_nothing_trial import outcome


def test_a_trial_of_the_global_search() -> None:
    report = outcome({"s1l0": 1, "s1l1": 1024, "_uid": 7}, "abc", ["s1l0", "s1l1"])
    # 1 and 11 binary digits, of 12 each.
    assert (report.uid, report.trial, report.metrics) == (7, "abc", {"default": 50.0})
    assert (report.structure, report.probabilities) == ({"s1l0": 1, "s1l1": 1024}, None)


def test_a_trial_of_the_local_search_learns_nothing() -> None:
    parameters = {"s1l0": 1, "s1l1": 100, "chain": 0, "seed": 5, "_branching": "4,0.1,1,2048", "_uid": 0}
    report = outcome(parameters, "abc", ["s1l0", "s1l1"])
    # Around 1 lie 1, 2 and 3: h is 2, and -1 and 0.33 move to the bound.
    assert report.structure == {"s1l0": 1, "s1l1": 100}
    assert report.probabilities == {"s1l0": [1 / 3] * 3, "s1l1": [1 / 4] * 4}


def test_a_trial_imports_neither_nni_nor_numpy() -> None:
    program = "import sys, benchmarks.do_nothing_trial; print({'nni', 'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
