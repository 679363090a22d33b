"""The trial of a final training, with NNI played by the test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from tests.trials.changes import CHANGES
from tests.trials.conftest import Trial
from trials import final_trial
from trials.data.dataset import Dataset
from trials.data.holdout import hold_out


@pytest.fixture
def trial(trial: Trial) -> Trial:
    """The trial of one final training."""
    trial.parameters = {"structure": "hand", "split": 1, "seed": 3}
    return trial


def run(monkeypatch: pytest.MonkeyPatch, dataset: Path, output: Path, *options: str) -> None:
    size = ["--network", "ms-tcn:stages=2,layers=2", "--epochs", "1", "--device", "cpu"]
    data = ["--data-root", str(dataset.parent), "--dataset", dataset.name]
    monkeypatch.setattr(sys, "argv", ["final_trial", *data, *size, "--output", str(output), *options])
    final_trial.main()


def test_the_test_metrics_are_reported_once_at_the_end(
    trial: Trial, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, small_dataset, tmp_path / "final")
    written = json.loads((tmp_path / "final" / "hand" / "split1" / "seed3" / "metrics.json").read_text())
    assert written["run"]["settings"]["seed"] == 3
    (reported,) = trial.final
    assert {name: reported[name] for name in written["test"]} == written["test"]
    assert reported["default"] == pytest.approx(sum(written["test"].values()) / 5)


def test_event_files_lie_where_nni_looks_for_them(
    trial: Trial, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, small_dataset, tmp_path / "final", "--tensorboard")
    (reported,) = trial.final
    (point,) = trial.scalars["test/mean"]
    assert point == pytest.approx((1, reported["default"]))


def test_the_name_of_a_structure_may_hold_the_split(
    trial: Trial, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = ms_tcn.describe(stages=2, layers=2)
    write_structure(Structure((3, 5, 7, 9), shape), tmp_path / "split1" / "global.json")
    trial.parameters["structure"] = str(tmp_path / "split{split}" / "global.json")
    run(monkeypatch, small_dataset, tmp_path / "final")
    written = json.loads((tmp_path / "final" / "global" / "split1" / "seed3" / "metrics.json").read_text())
    assert list(written["run"]["structure"].values()) == [3, 5, 7, 9]


@pytest.mark.usefixtures("trial")
def test_videos_that_are_held_out_are_scored_in_place_of_the_test_videos(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset(small_dataset)
    train, test = dataset.split(1)
    run(monkeypatch, small_dataset, tmp_path / "choice", "--validation-fraction", "0.3")
    folder = tmp_path / "choice" / "hand" / "split1" / "seed3"
    about = json.loads((folder / "metrics.json").read_text())["run"]
    assert (tuple(about["train_videos"]), tuple(about["test_videos"])) == hold_out(train, 0.3, 0, others=True)
    predicted = {path.stem for path in (folder / "predictions").iterdir()}
    assert predicted == set(about["test_videos"])
    assert not predicted & set(test)


def test_other_parameters_are_refused_with_a_reason(
    trial: Trial, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.parameters["split"] = "1"
    with pytest.raises(BadInput, match="needs the parameters structure, split and seed"):
        run(monkeypatch, small_dataset, tmp_path / "final")
    (reported,) = trial.final
    assert "needs the parameters" in reported["_trained"]["failure"]


def test_trainings_of_one_experiment_read_the_same_data(
    trial: Trial, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, small_dataset, tmp_path / "final")
    trial.parameters["seed"] = 4
    trial.final.clear()
    CHANGES["groundTruth/p00-1.txt"](small_dataset)
    with pytest.raises(BadInput, match=r"p00-1\.txt: has changed since experiment expid started"):
        run(monkeypatch, small_dataset, tmp_path / "final")
    assert trial.report.ends_search
    assert not (tmp_path / "final" / "hand" / "split1" / "seed4").exists()
