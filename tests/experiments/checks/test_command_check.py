from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from experiments.checks.command_check import TrialCommand, read_trial_command, shell_replaces, split_command
from tests.conftest import REPOSITORY


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


OPTIONS = "trials.search_trial --dataset small --split 1 --epochs 7 --data-root /data"


def test_a_trial_on_another_machine_is_the_trial() -> None:
    commands = (f"python3 -m {OPTIONS}", f"python3 -m machines.trial {OPTIONS}")
    here, there = (read_trial_command(command, split_command(command), REPOSITORY) for command in commands)
    assert isinstance(there, TrialCommand)
    assert here == there
    assert (there.module, there.arguments.epochs) == ("trials.search_trial", 7)


@pytest.mark.parametrize("module", ["machines.trial", "machines.trial machines.trial", "machines.host", "mine"])
def test_no_other_module_starts_trials(module: str) -> None:
    command = f"python3 -m {module}" if module == "machines.trial" else f"python3 -m {module} {OPTIONS}"
    assert read_trial_command(command, split_command(command), REPOSITORY) == "the trial command is not one of ours"
