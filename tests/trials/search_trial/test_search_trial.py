"""One trial of a search: what it reports to NNI, and which videos it looks at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trials.conftest import Command, Exit, Trial, tree
from tests.trials.search_trial.conftest import EPOCHS, LABELS, bundle
from trials import search_trial, train
from trials.data.dataset import Dataset, Video
from trials.data.device_videos import DeviceVideos
from trials.search_trial import main
from trials.training import epochs, scoring, training
from trials.training.metrics import METRICS

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
        run, load, score = training.Training.run_epoch, Dataset.load, scoring.score_network
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

        def watched_score(network: Any, videos: DeviceVideos, names: Any, *others: Any) -> dict[str, float]:
            self.scored |= set(names)
            return score(network, videos, names, *others)

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
