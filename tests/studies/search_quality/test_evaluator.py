from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nas_space.structure import Structure
from studies.search_quality import evaluator as evaluator_module
from studies.search_quality.evaluator import Evaluator
from tests.studies.search_quality.conftest import NETWORK, play_trainings
from trials.data.fingerprint import DataRecord
from trials.nni_trial import NniTrial
from trials.search_trial import train_and_report
from trials.training.metrics import METRICS
from trials.trial_arguments import SEARCH_TRIAL

HAND = Structure.hand(NETWORK)
NewEvaluator = Callable[..., Evaluator]


def test_a_judgement_is_what_a_trial_reports(new_evaluator: NewEvaluator, tmp_path: Path) -> None:
    data = ["--data-root", str(tmp_path / "data"), "--dataset", "small", "--split", "1", "--device", "cpu"]
    how = ["--epochs", "2", "--batch-size", "1", "--objective", "mean", "--seed", "3", "--threads", "1"]
    trial: Any = SimpleNamespace(
        parameters={},
        tensorboard_folder=None,
        report_epoch=lambda _: None,
        data_record=lambda dataset, split, videos: DataRecord(dataset, split, videos, "", ""),
    )
    reported = train_and_report(SEARCH_TRIAL.parse([*data, *how]), HAND, cast(NniTrial, trial))
    judged = new_evaluator(seed=3).evaluate(HAND)
    assert [{name: epoch[name] for name in METRICS} for epoch in reported] == list(judged.epochs)
    assert judged.objective == reported[-1]["default"]


def test_a_structure_is_trained_once(new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = play_trainings(monkeypatch)
    # Dilations 1 + 2 + 4 twice: 100 / 15, and one more in the second epoch.
    first = new_evaluator().evaluate(HAND)
    assert first.objective == pytest.approx(100 / 15 + 1)
    assert new_evaluator().evaluate(HAND) == first
    assert trained == [HAND]


def test_what_differs_is_trained_for_itself(new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = play_trainings(monkeypatch)
    for evaluator in (new_evaluator(), new_evaluator(split=2), new_evaluator(epochs=3), new_evaluator(seed=1)):
        evaluator.evaluate(HAND)
    new_evaluator().evaluate(Structure((1,) * 6, NETWORK))
    assert len(trained) == 5


def test_a_line_that_a_kill_cut_short_is_trained_again(
    new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = play_trainings(monkeypatch)
    evaluator, other = new_evaluator(), Structure((1,) * 6, NETWORK)
    evaluator.evaluate(HAND)
    whole = evaluator.file.read_bytes()
    evaluator.evaluate(other)
    evaluator.file.write_bytes(evaluator.file.read_bytes()[:-20])
    evaluator.evaluate(other)
    assert trained == [HAND, other, other]
    for structure in (HAND, other):
        evaluator.evaluate(structure)
    assert len(trained) == 3
    assert evaluator.file.read_bytes().startswith(whole)


def test_a_kill_before_the_line_loses_one_training(
    new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = play_trainings(monkeypatch)

    def kill(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluator_module, "_append_line", kill)
        with pytest.raises(KeyboardInterrupt):
            new_evaluator().evaluate(HAND)
    new_evaluator().evaluate(HAND)
    new_evaluator().evaluate(HAND)
    assert trained == [HAND, HAND]
