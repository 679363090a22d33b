"""One trial of a search: what it reports to NNI, and which videos it looks at."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nni_api.trial_report import TrialReport
from tests.conftest import write_dataset
from tests.forked import shell
from tests.trials.changes import CHANGES
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, Trial, tree
from trials import search_trial, train
from trials.data.dataset import Dataset, Video
from trials.search_trial import main
from trials.training import epochs, training
from trials.training.metrics import METRICS
from trials.training.training import NonFiniteLoss, Training

EPOCHS = 3
LABELS = TINY_STRUCTURE.by_label()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight videos of four persons to train and validate on, four to test on."""
    return write_dataset(tmp_path / "data" / "small", train=8, test=4)


@pytest.fixture
def words(folder: Path) -> list[object]:
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    return [*data, *TINY, "--epochs", EPOCHS, "--learning-rate", 0.005]


def bundle(folder: Path, part: str) -> set[str]:
    return {line.removesuffix(".txt") for line in (folder / "splits" / f"{part}.split1.bundle").read_text().split()}


# What is reported.


def test_reports_after_every_epoch_and_at_the_end(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words)
    assert [list(row) for row in trial.intermediate] == [["default", *METRICS]] * EPOCHS
    (final,) = trial.final
    assert list(final) == ["default", *METRICS, "_uid", "_sec", "_trained"]
    assert {name: final[name] for name in trial.intermediate[-1]} == trial.intermediate[-1]
    assert all(type(value) is float for row in trial.intermediate for value in row.values())


def test_tuner_learns_what_was_trained(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words)
    report = trial.report
    assert (report.uid, report.trial, report.structure, report.failure) == (42, "Ab3dE", LABELS, None)
    assert report.metrics == report.epochs[-1]
    assert report.epochs == trial.intermediate
    assert report.seconds is not None
    assert 0 < report.seconds < 60


@pytest.mark.parametrize("objective", [*METRICS, "mean"])
def test_default_is_the_objective(trial: Trial, words: list[object], objective: str, command: Command) -> None:
    command(main, *words, "--objective", objective, "--epochs", 1)
    (row,) = trial.intermediate
    expected = np.mean([row[name] for name in METRICS]) if objective == "mean" else row[objective]
    assert row["default"] == expected


def test_objective_without_a_word_is_f1_at_10(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words, "--epochs", 1)
    assert trial.intermediate[0]["default"] == trial.intermediate[0]["f1@10"]


def test_a_trial_added_by_hand_has_no_uid(trial: Trial, words: list[object], command: Command) -> None:
    trial.parameter_id = None
    command(main, *words, "--epochs", 1)
    assert trial.report.uid is None
    assert trial.report.structure == LABELS


def test_a_confirmation_is_a_training_with_another_seed(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words, "--seed", 5)
    trial.parameters["_confirmation"] = 2
    command(main, *words, "--seed", 3)
    assert trial.intermediate[:EPOCHS] == trial.intermediate[EPOCHS:]
    assert TrialReport.from_nni(trial.final[1], None, None).structure == LABELS


def test_the_seed_decides_the_numbers(trial: Trial, words: list[object], command: Command) -> None:
    for seed in (1, 1, 2):
        command(main, *words, "--seed", seed)
    one, same, other = (trial.intermediate[start : start + EPOCHS] for start in range(0, 3 * EPOCHS, EPOCHS))
    assert one == same
    assert one != other


@pytest.mark.parametrize("share", [0, 0.6])
def test_equals_the_validation_scores_of_the_train_command(
    trial: Trial, words: list[object], tmp_path: Path, share: float, command: Command
) -> None:
    validation = ("--validation-fraction", 0.25, "--validation-seed", 3, "--sample-rate", 2, "--background", "class_1")
    words += [*validation, "--average-last", share]
    command(main, *words)
    command(train.main, *words, "--structure", "hand", "--output", tmp_path / "out")
    history = json.loads((tmp_path / "out" / "metrics.json").read_text())["history"]
    assert [{name: row[name] for name in METRICS} for row in history] == [
        {name: row[name] for name in METRICS} for row in trial.intermediate
    ]


# Event files.


@pytest.mark.parametrize(("options", "judged"), [((), "validation"), (("--select-on", "test"), "test")], ids=str)
@pytest.mark.filterwarnings("ignore:--select-on test")
def test_event_files_hold_every_epoch_where_nni_looks_for_them(
    trial: Trial, words: list[object], options: tuple[object, ...], judged: str, command: Command
) -> None:
    command(main, *words, *options, "--tensorboard", "--objective", "mean", "--decay-epochs", 2)
    scalars = trial.scalars
    assert set(scalars) == {"loss", "learning_rate", *(f"{judged}/{name}" for name in (*METRICS, "mean"))}
    assert [step for step, _ in scalars["loss"]] == [1, 2, 3]
    assert [rate for _, rate in scalars["learning_rate"]] == pytest.approx([0.005, 0.005, 0.0005])
    for name, tag in (*((name, name) for name in METRICS), ("default", "mean")):
        values = [row[name] for row in trial.intermediate]
        assert [value for _, value in scalars[f"{judged}/{tag}"]] == pytest.approx(values)


def test_event_files_change_no_number(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words)
    assert not trial.events.exists()
    command(main, *words, "--tensorboard")
    assert trial.intermediate[:EPOCHS] == trial.intermediate[EPOCHS:]


def test_a_trial_that_is_started_again_shows_each_epoch_once(
    trial: Trial, words: list[object], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> dict[str, float]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(search_trial, "with_objective", lambda *_: {} if len(trial.intermediate) < 2 else kill())
        with pytest.raises(KeyboardInterrupt):
            command(main, *words, "--tensorboard")
    assert [step for step, _ in trial.scalars["loss"]] == [1, 2]
    command(main, *words, "--tensorboard")
    assert [step for step, _ in trial.scalars["loss"]] == [1, 2, 3]


def test_event_files_without_the_package_are_refused_and_reported(
    trial: Trial, words: list[object], exit_of: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = exit_of(main, *words, "--tensorboard")
    assert outcome.code == 2
    assert outcome.err == f"error: {trial.report.failure}\n"
    assert str(trial.report.failure).startswith("--tensorboard needs tensorboard")


# Which videos it looks at.


class Seen:
    """The videos that are trained on, scored, and loaded at all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: set[str] = set()
        self.scored: set[str] = set()
        run, load, score = training.Training.run_epoch, Dataset.load, training.score_network
        training_now = False

        def watched_epoch(*arguments: Any) -> float:
            nonlocal training_now
            training_now = True
            loss = run(*arguments)
            training_now = False
            return loss

        def watched_load(dataset: Dataset, name: str) -> Video:
            if training_now:
                self.trained.add(name)
            return load(dataset, name)

        def watched_score(network: Any, dataset: Dataset, videos: Any, *others: Any) -> dict[str, float]:
            self.scored |= set(videos)
            return score(network, dataset, videos, *others)

        monkeypatch.setattr(training.Training, "run_epoch", watched_epoch)
        monkeypatch.setattr(Dataset, "load", watched_load)
        monkeypatch.setattr(epochs, "score_network", watched_score)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


def test_judged_on_training_videos_that_it_never_trains_on(
    trial: Trial, folder: Path, words: list[object], seen: Seen, command: Command
) -> None:
    command(main, *words)
    assert seen.trained | seen.scored == bundle(folder, "train")
    assert not seen.trained & seen.scored
    assert len(seen.scored) == 2  # a quarter of 8
    assert len(trial.final) == 1


def test_the_test_videos_need_not_exist(trial: Trial, folder: Path, words: list[object], command: Command) -> None:
    for video in bundle(folder, "test"):
        (folder / "features" / f"{video}.npy").unlink()
        (folder / "groundTruth" / f"{video}.txt").unlink()
    command(main, *words)
    assert trial.report.failure is None


def test_groups_stay_together(trial: Trial, words: list[object], seen: Seen, command: Command) -> None:
    command(main, *words, "--group", r"p(\d+)-", "--validation-fraction", 0.4, "--epochs", 1)
    assert trial.report.failure is None
    assert len(seen.scored) == 4
    assert not {video[:3] for video in seen.scored} & {video[:3] for video in seen.trained}


def test_select_on_test_warns_and_uses_the_test_videos(
    trial: Trial, folder: Path, words: list[object], seen: Seen, command: Command
) -> None:
    with pytest.warns(UserWarning, match="structures are chosen on the TEST videos"):
        command(main, *words, "--select-on", "test")
    assert (seen.trained, seen.scored) == (bundle(folder, "train"), bundle(folder, "test"))
    assert trial.report.failure is None


def test_data_is_not_touched(trial: Trial, folder: Path, words: list[object], command: Command) -> None:
    before = tree(folder)
    command(main, *words, "--epochs", 1)
    assert tree(folder) == before
    assert trial.final


# Failures are reported, and fail.


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
