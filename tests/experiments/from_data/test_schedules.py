from __future__ import annotations

import pytest

from common.command_options import option, option_values
from experiments.config_file import read_config
from experiments.from_data.schedules import Schedule, differentiable, final, genetic, local
from experiments.plan import FOLDER


def committed(name: str) -> Schedule:
    """What an experiment's YAML file says."""
    words = read_config(FOLDER / name)["trialCommand"].split()
    epochs, size, rate = (option(words, f"--{each}") or "" for each in ("epochs", "batch-size", "learning-rate"))
    return Schedule(int(epochs), int(size), rate, " ".join(option_values(words, "--decay-epochs") or []))


def test_they_are_those_of_the_committed_files() -> None:
    assert genetic(30) == Schedule(10, 1, "5e-4")
    assert local(30) == committed("50salads_mid_svm_local.yml")
    assert final(1300) == committed("breakfast_final.yml")
    assert genetic(970) == committed("breakfast_paper.yml")
    assert local(970) == committed("breakfast_local.yml")
    assert (final(40).epochs, final(40).batch_size) == (40, 2)  # its file names a decay that it never reaches
    assert differentiable(30) == Schedule(30, 1, "1e-3")
    assert differentiable(970) == Schedule(30, 8, "5e-4")


@pytest.mark.parametrize("videos", [1, 2, 7, 16, 81, 108, 239, 240, 5000])
def test_there_are_enough_steps_with_as_large_a_batch_as_leaves_them(videos: int) -> None:
    for of_phase, steps in ((differentiable, 900), (genetic, 300), (local, 90), (final, 800)):
        schedule = of_phase(videos)
        assert schedule.steps(videos) >= steps
        assert schedule.batch_size in (1, 2, 4, 8)
        if schedule.batch_size == 1:
            assert schedule.steps(videos) < steps + videos or schedule.epochs in (30, 5, 3, 40)
