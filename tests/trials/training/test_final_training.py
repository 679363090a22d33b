"""A final training: its files, its repeatability, which weights it keeps, and which data it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from tests.trials.conftest import TINY_STRUCTURE, equal_weights
from tests.trials.training.conftest import CPU, EPOCHS, no_training, numbers, stop_after, weights
from trials.data.dataset import Dataset
from trials.data.device_videos import DeviceVideos
from trials.evaluate import read_folders
from trials.training import epochs, final_training
from trials.training.checkpoint import load_checkpoint, versions
from trials.training.final_training import FinalTraining
from trials.training.metrics import METRICS
from trials.training.scoring import score_network
from trials.training.training import Training


def test_files_say_what_was_done(final: FinalTraining, output: Path) -> None:
    result = final.run(output, CPU)
    assert {path.name for path in output.iterdir()} == {"model.pt", "metrics.json", "log.csv", "predictions"}
    assert json.loads((output / "metrics.json").read_text()) == result
    assert result["run"] == final.describe() == json.loads(json.dumps(final.describe()))
    assert (result["device"], result["versions"], result["weights_of_epoch"]) == ("cpu", versions(), EPOCHS)
    assert tuple(result["test"]) == METRICS
    assert [row["epoch"] for row in result["history"]] == [1, 2, 3, 4]
    assert [row["learning_rate"] for row in result["history"]] == pytest.approx([5e-3, 5e-3, 5e-3, 5e-4])
    assert result["seconds"] == pytest.approx(sum(row["seconds"] for row in result["history"]))


def test_predictions_are_those_that_were_scored(final: FinalTraining, output: Path) -> None:
    result = final.run(output, CPU)
    assert {path.stem for path in (output / "predictions").iterdir()} == set(final.test_videos)
    ground_truth = final.task.dataset.folder / "groundTruth"
    labelled = read_folders(ground_truth, output / "predictions", final.test_videos, ["class_0"])
    assert labelled.scores(final.test_videos).metrics() == pytest.approx(result["test"])


def test_log_is_the_history_as_a_table(final: FinalTraining, output: Path) -> None:
    result = final.run(output, CPU)
    with open(output / "log.csv", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == result["history"]
    assert list(rows[0]) == ["epoch", "loss", "learning_rate", *METRICS, "seconds"]


def test_description_has_every_setting(final: FinalTraining) -> None:
    described = final.describe()
    assert described["settings"] == {
        "epochs": EPOCHS,
        "batch_size": 2,
        "learning_rate": 5e-3,
        "decay_epochs": [3],
        "smoothing_weight": 0.15,
        "smoothing_average": "valid",
        "precision": "float32",
        "seed": 5,
    }
    assert described["structure"] == TINY_STRUCTURE.by_path()
    assert (described["dataset"], described["split"], described["sample_rate"]) == ("small", 1, 1)
    assert (described["background"], described["keep"]) == (["class_0"], "last")
    assert described["network"] == {"name": "ms-tcn", "stages": 2, "layers": 3, "kernel": 3, "channels": 64}
    assert [len(described[f"{part}_videos"]) for part in ("train", "validation", "test")] == [3, 1, 2]


def test_checkpoint_has_all_that_a_prediction_needs(final: FinalTraining, output: Path) -> None:
    final.run(output, CPU)
    checkpoint = load_checkpoint(output / "model.pt")
    assert checkpoint.structure() == final.structure
    assert (checkpoint.dataset, checkpoint.sample_rate, checkpoint.background) == ("small", 1, ["class_0"])
    assert (checkpoint.feature_dim, checkpoint.classes) == (6, ["class_0", "class_1", "class_2"])
    assert checkpoint.settings == final.describe()["settings"]
    assert checkpoint.versions == versions()


def test_the_checkpoint_knows_its_training_videos_and_its_data(final: FinalTraining, output: Path) -> None:
    result = final.run(output, CPU)
    checkpoint = load_checkpoint(output / "model.pt")
    assert checkpoint.train_videos == list(final.train_videos)
    assert checkpoint.data == result["data"]
    assert str(final.task.dataset.folder) not in json.dumps(result)


def test_equal_descriptions_give_equal_numbers(final: FinalTraining, tmp_path: Path) -> None:
    one, other = (final.run(tmp_path / name, CPU) for name in ("one", "other"))
    assert numbers(one) == numbers(other)
    assert equal_weights(weights(tmp_path / "one"), weights(tmp_path / "other"))


def test_another_seed_gives_other_weights(final: FinalTraining, tmp_path: Path) -> None:
    final.run(tmp_path / "one", CPU)
    replace(final, settings=replace(final.settings, seed=6)).run(tmp_path / "other", CPU)
    assert not equal_weights(weights(tmp_path / "one"), weights(tmp_path / "other"))


def test_validation_does_not_change_the_training(final: FinalTraining, tmp_path: Path) -> None:
    final.run(tmp_path / "with", CPU)
    without = replace(final, validation_videos=()).run(tmp_path / "without", CPU)
    assert equal_weights(weights(tmp_path / "with"), weights(tmp_path / "without"))
    assert set(without["history"][0]) == {"epoch", "loss", "learning_rate", "seconds"}


# Which weights are kept.


def test_an_average_is_scored_and_kept_and_survives_a_kill(
    final: FinalTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = final.run(tmp_path / "plain", CPU)
    averaging = replace(final, settings=replace(final.settings, average_last=0.5))
    assert averaging.describe()["settings"] == {**final.describe()["settings"], "average_last": 0.5}
    after: list[dict[str, torch.Tensor]] = []
    run_epoch = Training.run_epoch

    def noting(self: Training, *arguments: Any) -> float:
        loss = run_epoch(self, *arguments)
        after.append({name: value.clone() for name, value in self.network.state_dict().items()})
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", noting)
        whole = averaging.run(tmp_path / "whole", CPU)
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(value, (after[2][name] + after[3][name]) / 2, rtol=1e-5, atol=1e-7)
    network = load_checkpoint(tmp_path / "whole" / "model.pt").module()
    for row, videos in ((whole["history"][3], final.validation_videos), (whole["test"], final.test_videos)):
        scored = score_network(network, DeviceVideos.on(final.task.dataset, CPU), videos, final.task.background)
        assert {name: row[name] for name in METRICS} == scored
    # The average has no say in the training, and that of the third epoch is of one epoch only.
    assert [row["loss"] for row in whole["history"]] == [row["loss"] for row in plain["history"]]
    assert numbers(whole)["history"][:3] == numbers(plain)["history"][:3]
    stop_after(3, averaging, tmp_path / "stopped", monkeypatch)
    assert numbers(averaging.run(tmp_path / "stopped", CPU)) == numbers(whole)
    assert equal_weights(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize(("keep", "kept"), [("last", 4), ("best", 2)])
def test_best_is_the_first_epoch_of_the_highest_validation_mean(
    final: FinalTraining, output: Path, keep: Any, kept: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripted scores: the mean over the metrics is 10, 50, 50, 20, though the accuracy is best in the first epoch."""
    scripted = iter([(90, -10), (50, 50), (50, 50), (20, 20), (77, 77)])
    after: list[dict[str, torch.Tensor]] = []

    def score(network: torch.nn.Module, _: Dataset, videos: tuple[str, ...], *__: object) -> dict[str, float]:
        assert videos == (final.validation_videos if len(after) < EPOCHS else final.test_videos)
        after.append({name: value.clone() for name, value in network.state_dict().items()})
        acc, rest = next(scripted)
        return dict(zip(METRICS, (acc, rest, rest, rest, rest), strict=True))

    for module in (epochs, final_training):
        monkeypatch.setattr(module, "score_network", score)
    final = replace(final, keep=keep, settings=replace(final.settings, average_last=share))
    result = final.run(output, CPU)
    assert result["weights_of_epoch"] == kept
    assert equal_weights(after[-1], after[kept - 1])  # the weights that were tested
    assert equal_weights(weights(output), after[kept - 1])
    assert set(result["test"].values()) == {77}
    assert [row["acc"] for row in result["history"]] == [90, 50, 50, 20]


# Data faults come before the training.


def test_other_channels_are_found_before_the_training(
    final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = final.task.dataset.feature_path(final.test_videos[-1])
    np.save(path, np.zeros((7, 40), np.float32))
    no_training(monkeypatch)
    with pytest.raises(BadInput, match=f"^{path}: 7 channels, but 6 are expected"):
        final.run(output, CPU)
    assert not output.exists()


def test_one_warning_of_cut_videos(final: FinalTraining, output: Path) -> None:
    path = final.task.dataset.label_path(final.train_videos[0])
    path.write_text(path.read_text() + "class_1\n")
    with pytest.warns(UserWarning, match="1 of 6 videos have features and labels of different length") as warned:
        final.run(output, CPU)
    assert len(warned) == 1
