"""A final training: its files, its repeatability, and that it goes on where it was stopped, with the same numbers."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from tests.trials.changes import CHANGES as CHANGED_FILES
from tests.trials.changes import surround
from tests.trials.conftest import TINY_STRUCTURE, equal_weights, read_scalars
from trials.data.arguments import Task
from trials.data.batches import Batch
from trials.data.dataset import Dataset
from trials.evaluate import read_folders
from trials.training import epochs, final_training
from trials.training.checkpoint import load_checkpoint, versions
from trials.training.final_training import FinalTraining
from trials.training.metrics import METRICS
from trials.training.training import Training, TrainingSettings, score_network

CPU = torch.device("cpu")
EPOCHS = 4
RESTORE = "restore it, or choose another folder"


@pytest.fixture
def final(small_dataset: Path) -> FinalTraining:
    """Three videos to train on, one to validate on, two to test on."""
    dataset = Dataset(small_dataset)
    train, test = dataset.split(1)
    settings = TrainingSettings(epochs=EPOCHS, batch_size=2, learning_rate=5e-3, decay_epochs=(3,), seed=5)
    task = Task("small", dataset, ("class_0",))
    return FinalTraining(task, 1, TINY_STRUCTURE, settings, train[:3], train[3:], test, "last")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def stop_after(
    epochs: int, final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch, tensorboard: Path | None = None
) -> None:
    """Run, as if the process was stopped in the middle of the next epoch."""
    run_epoch = Training.run_epoch

    def stopping(self: Training, *arguments: Any) -> float:
        if self.epoch == epochs:
            self.step(Batch.of([arguments[0].load(arguments[1][0])], CPU))
            raise KeyboardInterrupt
        return run_epoch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", stopping)
        with pytest.raises(KeyboardInterrupt):
            final.run(output, CPU, tensorboard)


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "step", lambda *_: pytest.fail("trained again"))


def read_again(final: FinalTraining) -> FinalTraining:
    """The same training in another process: nothing that was read is remembered, and lists are as they are now."""
    dataset = replace(final.task.dataset)
    train, test = dataset.split(1)
    return replace(
        final,
        task=replace(final.task, dataset=dataset),
        train_videos=train[:3],
        validation_videos=train[3:],
        test_videos=test,
    )


def numbers(result: dict[str, Any]) -> dict[str, Any]:
    """What must repeat: all but the times."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in result["history"]]
    return {**result, "history": history, "seconds": None}


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(output / "model.pt").weights


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


# Stopped and started again.


@pytest.mark.parametrize("keep", ["last", "best"])
def test_resumed_equals_uninterrupted(
    final: FinalTraining, tmp_path: Path, keep: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    final = replace(final, keep=keep)
    whole = final.run(tmp_path / "whole", CPU)
    stop_after(2, final, tmp_path / "stopped", monkeypatch)
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["training.pt"]
    capsys.readouterr()
    resumed = final.run(tmp_path / "stopped", CPU)
    assert "resumed after epoch 2" in capsys.readouterr().err
    assert numbers(resumed) == numbers(whole)
    assert equal_weights(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))
    assert not (tmp_path / "stopped" / "training.pt").exists()


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_resumed_training_shows_each_epoch_once(
    final: FinalTraining, output: Path, tmp_path: Path, asked_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "events"
    stop_after(2, final, output, monkeypatch, events if asked_before else None)
    assert events.exists() == asked_before
    result = final.run(output, CPU, events)
    scalars = read_scalars(events)
    for name in ("loss", "learning_rate", *METRICS):
        shown = scalars[f"validation/{name}" if name in METRICS else name]
        assert [step for step, _ in shown] == [1, 2, 3, 4]
        assert [value for _, value in shown] == pytest.approx([row[name] for row in result["history"]])
    (point,) = scalars["test/edit"]
    assert point == pytest.approx((EPOCHS, result["test"]["edit"]))


def test_test_metrics_are_shown_at_the_epoch_whose_weights_they_are_of(
    final: FinalTraining, output: Path, tmp_path: Path
) -> None:
    result = replace(final, keep="best", settings=replace(final.settings, learning_rate=1e-9)).run(
        output, CPU, tmp_path / "events"
    )
    assert result["weights_of_epoch"] == 1
    (point,) = read_scalars(tmp_path / "events")["test/mean"]
    assert point == pytest.approx((1, np.mean(list(result["test"].values()))))


def test_stopped_after_the_last_epoch_is_only_scored(
    final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(final_training, "save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            final.run(output, CPU)
    no_training(monkeypatch)
    assert len(final.run(output, CPU)["history"]) == EPOCHS


def test_trained_once_is_not_trained_again(
    final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    result = final.run(output, CPU)
    no_training(monkeypatch)
    assert final.run(output, CPU) == result
    assert capsys.readouterr().err.endswith(f"{output}: already trained\n")


CHANGES: dict[str, Callable[[FinalTraining], dict[str, Any]]] = {
    "seed": lambda final: {"settings": replace(final.settings, seed=6)},
    "epochs": lambda final: {"settings": replace(final.settings, epochs=5)},
    "structure": lambda _: {"structure": Structure((1, 1, 1, 1, 1, 1), TINY_STRUCTURE.network)},
    "sample rate": lambda final: {"task": replace(final.task, dataset=Dataset(final.task.dataset.folder, 2))},
    "background": lambda final: {"task": replace(final.task, background=())},
    "videos": lambda final: {"train_videos": final.train_videos[:2]},
    "keep": lambda _: {"keep": "best"},
    "average": lambda final: {"settings": replace(final.settings, average_last=0.5)},
    "network": lambda _: {"structure": Structure.hand(ms_tcn.describe(stages=2, layers=3, channels=16))},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_other_settings_in_the_same_output_are_refused(
    final: FinalTraining,
    output: Path,
    change: Callable[[FinalTraining], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = replace(final, **change(final))
    stop_after(1, final, output, monkeypatch)
    with pytest.raises(BadInput, match="unfinished training with other settings; choose another --output"):
        other.run(output, CPU)
    result = final.run(output, CPU)
    with pytest.raises(BadInput, match=f"^{output}: holds a training with other settings; choose another --output"):
        other.run(output, CPU)
    assert json.loads((output / "metrics.json").read_text()) == result


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"test": {}}', '{"run": 1}'])
def test_damaged_metrics_are_refused(final: FinalTraining, output: Path, text: str) -> None:
    output.mkdir()
    (output / "metrics.json").write_text(text)
    with pytest.raises(BadInput, match="choose another --output"):
        final.run(output, CPU)


def test_damaged_state_is_refused(final: FinalTraining, output: Path) -> None:
    output.mkdir()
    (output / "training.pt").write_bytes(b"torn")
    with pytest.raises(BadInput, match=r"training\.pt: not a checkpoint, or damaged"):
        final.run(output, CPU)


@pytest.mark.parametrize("text", ["missing", "another shape"])
def test_a_state_without_its_average_is_refused(
    final: FinalTraining, output: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = replace(final, settings=replace(final.settings, average_last=0.75))
    stop_after(2, final, output, monkeypatch)
    state = torch.load(output / "training.pt")
    average = state["training"].pop("average")
    if text == "another shape":
        state["training"]["average"] = {name: value[:1] for name, value in average.items()}
    torch.save(state, output / "training.pt")
    with pytest.raises(BadInput, match=r"training\.pt: damaged"):
        final.run(output, CPU)


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
        scored = score_network(network, final.task.dataset, videos, final.task.background, CPU)
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


# The data must not change.


@pytest.mark.parametrize("name", CHANGED_FILES)
def test_a_training_is_not_repeated_on_other_data(name: str, final: FinalTraining, output: Path) -> None:
    written = final.run(output, CPU)
    CHANGED_FILES[name](final.task.dataset.folder)
    path = final.task.dataset.folder / name
    with pytest.raises(BadInput) as refusal:
        read_again(final).run(output, CPU)
    assert str(refusal.value) == f"{path}: has changed since {output} was started; {RESTORE}"
    assert json.loads((output / "metrics.json").read_text()) == written


@pytest.mark.parametrize("name", CHANGED_FILES)
def test_an_unfinished_training_does_not_go_on_with_other_data(
    name: str, final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(1, final, output, monkeypatch)
    CHANGED_FILES[name](final.task.dataset.folder)
    before = (output / "training.pt").read_bytes()
    with pytest.raises(BadInput, match=f"{name}: has changed since {output} was started; {RESTORE}$"):
        read_again(final).run(output, CPU)
    assert (output / "training.pt").read_bytes() == before


def test_with_a_cache_other_features_are_refused_before_an_epoch(
    final: FinalTraining, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = replace(final, task=replace(final.task, dataset=replace(final.task.dataset, cache_folder=tmp_path / "c")))
    stop_after(1, cached, output, monkeypatch)
    CHANGED_FILES["features/p00-2.npy"](cached.task.dataset.folder)
    no_training(monkeypatch)
    with (
        pytest.warns(UserWarning, match="packed again"),
        pytest.raises(BadInput, match=r"features/p00-2\.npy: has changed since"),
    ):
        read_again(cached).run(output, CPU)


def test_the_same_content_elsewhere_goes_on(final: FinalTraining, output: Path, tmp_path: Path) -> None:
    result = final.run(output, CPU)
    shutil.copytree(final.task.dataset.folder, tmp_path / "elsewhere")
    surround(tmp_path / "elsewhere")
    moved = replace(final, task=replace(final.task, dataset=Dataset(tmp_path / "elsewhere")))
    assert moved.run(output, CPU) == result


def test_results_of_earlier_versions_are_taken_with_a_warning(
    final: FinalTraining, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(1, final, output, monkeypatch)
    state = torch.load(output / "training.pt")
    del state["data"]
    torch.save(state, output / "training.pt")
    with pytest.warns(UserWarning, match=f"^{output}/training.pt: made by an earlier version, without a fingerprint"):
        result = final.run(output, CPU)
    assert len(result.pop("data")) == 3 + 2 * 6
    (output / "metrics.json").write_text(json.dumps(result))
    with pytest.warns(UserWarning, match=f"^{output}/metrics.json: made by an earlier version, without a fingerprint"):
        assert final.run(output, CPU) == result


def test_the_checkpoint_knows_its_training_videos_and_its_data(final: FinalTraining, output: Path) -> None:
    result = final.run(output, CPU)
    checkpoint = load_checkpoint(output / "model.pt")
    assert checkpoint.train_videos == list(final.train_videos)
    assert checkpoint.data == result["data"]
    assert str(final.task.dataset.folder) not in json.dumps(result)
