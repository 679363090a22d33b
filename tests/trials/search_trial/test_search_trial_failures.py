"""A trial of a search that fails says so to NNI, and fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from tests.forked import shell
from tests.trials.changes import CHANGES
from tests.trials.conftest import Command, Exit, Trial
from tests.trials.search_trial.conftest import LABELS
from trials.search_trial import main
from trials.training.training import NonFiniteLoss, Training


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"s2l2": -1}, "the dilation of layer 's2l2' must be at least 0, not -1"),
        ({"s1l0": 1.5}, "the dilation of layer 's1l0' must be a whole number, not 1.5"),
        ({"s1l1": None}, "the dilation of layer 's1l1' must be a whole number"),
    ],
    ids=str,
)
def test_bad_structure_is_reported(
    trial: Trial, words: list[object], change: dict[str, Any], reason: str, exit_of: Exit
) -> None:
    trial.parameters |= change
    outcome = exit_of(main, *words)
    assert outcome.code == 2
    assert reason in outcome.err
    report = trial.report
    assert report.failure is not None
    assert reason in report.failure
    assert (report.uid, report.structure, report.metrics) == (42, {**LABELS, **change}, {})
    assert trial.intermediate == []


def test_parameters_that_are_no_layers_are_left_alone(trial: Trial, words: list[object], command: Command) -> None:
    trial.parameters |= {"number": 7, "s9l0": 1}
    command(main, *words)
    assert (trial.report.structure, trial.report.failure) == (LABELS, None)


def test_missing_layer_is_reported(trial: Trial, words: list[object], command: Command) -> None:
    del trial.parameters["s1l2"]
    with pytest.raises(BadInput, match="layer 's1l2' has no dilation"):
        command(main, *words)
    assert "layer 's1l2' has no dilation" in str(trial.report.failure)


def spoil(folder: Path) -> None:
    for path in (folder / "features").iterdir():
        features = np.load(path)
        features[0, 0] = np.nan
        np.save(path, features)


def test_nan_features_are_reported(trial: Trial, folder: Path, words: list[object], exit_of: Exit) -> None:
    spoil(folder)
    outcome = exit_of(main, *words)
    assert outcome.code == 2
    assert str(trial.report.failure).endswith(".npy: NaN or infinity (channel 0, frame 0)")
    assert str(trial.report.failure) in outcome.err


def test_exploding_training_is_reported(trial: Trial, words: list[object], command: Command) -> None:
    with pytest.raises(NonFiniteLoss):
        command(main, *words, "--learning-rate", 1e30)
    assert "the loss is" in str(trial.report.failure)


@pytest.mark.parametrize("fault", [RuntimeError, KeyError])
def test_whatever_goes_wrong_is_reported(
    trial: Trial, words: list[object], fault: type[Exception], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Callable[..., float]:
        raise fault("the machine is on fire")

    monkeypatch.setattr(Training, "step", fail)
    with pytest.raises(fault):
        command(main, *words)
    assert "the machine is on fire" in str(trial.report.failure)


def test_a_full_gpu_is_reported_in_one_line(
    trial: Trial, words: list[object], exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Callable[..., float]:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 9.31 GiB. GPU 0 has a total capacity of 79.11 GiB of which 3.22 GiB "
            "is free. Of the allocated memory 70.00 GiB is allocated by PyTorch.\nSee documentation (https://x.org)"
        )

    monkeypatch.setattr(Training, "step", fail)
    outcome = exit_of(main, *words)
    assert outcome.code == 1
    assert str(trial.report.failure) == (
        "the GPU's memory is full; lower --batch-size, let fewer trials share a GPU (trialConcurrency), or use "
        "--device cpu: CUDA out of memory. Tried to allocate 9.31 GiB. GPU 0 has a total capacity of 79.11 GiB of "
        "which 3.22 GiB is free."
    )
    assert outcome.err.splitlines()[-1] == f"error: {trial.report.failure}"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--split", 7), "no such split"),
        (("--dataset", "nowhere"), "no such data set folder"),
        (("--group", "x(\\d)"), "does not match video"),
        (("--background", "nothing"), "background class 'nothing'"),
        (("--device", "cuda:99"), "is not there"),
    ],
    ids=str,
)
def test_bad_options_are_reported(
    trial: Trial, words: list[object], options: tuple[object, ...], reason: str, command: Command
) -> None:
    with pytest.raises(BadInput, match=reason):
        command(main, *words, *options)
    assert reason in str(trial.report.failure)


def test_a_search_needs_validation_videos(trial: Trial, words: list[object], command: Command) -> None:
    with pytest.raises(BadInput, match="--validation-fraction must be above 0"):
        command(main, *words, "--validation-fraction", 0)
    assert trial.intermediate == []


def test_without_nni_a_shell_sees_one_line(words: list[object]) -> None:
    outcome = shell("trials.search_trial", *words)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error: NNI starts this command")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.filterwarnings("ignore:.*packed again")
@pytest.mark.parametrize("name", CHANGES)
def test_a_trial_that_reads_other_data_ends_the_search(
    name: str, trial: Trial, folder: Path, words: list[object], exit_of: Exit
) -> None:
    assert exit_of(main, *words).code == 0
    assert not trial.report.ends_search
    trial.final.clear()
    CHANGES[name](folder)
    outcome = exit_of(main, *words)
    assert outcome.code == 2
    reason = f"{folder / name}: has changed since experiment expid started; "
    assert trial.report.failure == reason + "restore it, then resume, or start a new experiment"
    assert trial.report.ends_search
    assert outcome.err.splitlines()[-1] == f"error: {trial.report.failure}"
