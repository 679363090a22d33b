from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from experiments.command_check import shell_replaces


@pytest.mark.parametrize(
    "command",
    ["x $D", 'x "$D"', "x `y`", "x ~/data", "D=~/data x", "x *", "x a?", "x [ab]", "x {a,b}", "x # y", "x 'a'$D"],
)
def test_what_a_shell_replaces_is_noticed(command: str) -> None:
    assert shell_replaces(command)


@pytest.mark.parametrize(
    "command", ["x a~ f1@10 a#", "x '$D ~ *'", "x \"a * 'b' ~\"", r"x \$D \*", "x --group 'S(\\d+)_'"]
)
def test_other_words_stay(command: str) -> None:
    assert not shell_replaces(command)


# Each example starts a shell, and most random texts are none that it leaves as they are.
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text("ab '\"\\$~*?[]{},#=^!%@", max_size=12))
def test_words_that_a_shell_does_not_replace_are_those_that_were_read(text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError:
        assume(False)
    assume(not shell_replaces(text))
    told = subprocess.run(["/bin/bash", "-c", f"printf '%s\\0' {text}"], capture_output=True, text=True, check=True)
    assert told.stdout.split("\0")[:-1] == (words or [""])
