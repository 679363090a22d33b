"""Functions are timed in turn, in alternating order, and not beyond the limit."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.gpu.rounds import measure

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


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_what_fails_is_told_once_and_the_others_are_timed(good: int, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    def fails() -> None:
        calls.append("fails")
        if len(calls) > good:
            raise RuntimeError("the memory is full")

    measured = measure({"fails": fails, "works": lambda: None}, CPU, rounds=3, limit=1e9)
    assert len(calls) == good + 1
    assert [math.isnan(each) for each in measured["fails"].seconds] == [index + 2 >= good for index in range(3)]
    assert all(each >= 0 for each in measured["works"].seconds)
    error = capsys.readouterr().err
    assert error.count("RuntimeError: the memory is full") == 1
    assert error.count("fails failed:\nTraceback") == 1
