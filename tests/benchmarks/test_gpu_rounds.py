"""Functions are timed in turn, in alternating order, and not beyond the limit."""

from __future__ import annotations

import torch

from benchmarks.gpu_rounds import measure

CPU = torch.device("cpu")


def test_rounds_alternate_after_two_to_warm_up() -> None:
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    measured = measure(functions, CPU, rounds=3, limit=1e9)
    assert "".join(calls) == "abcabcabccbaabc"
    assert [len(measured[name].seconds) for name in "abc"] == [3, 3, 3]
    assert all(second >= 0 for each in measured.values() for second in each.seconds)
    assert {each.peak_bytes for each in measured.values()} == {None}


def test_after_the_limit_there_is_no_other_round() -> None:
    measured = measure({"a": lambda: None}, CPU, rounds=10, limit=0)
    assert len(measured["a"].seconds) == 1
