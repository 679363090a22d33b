"""A final training that was stopped goes on with the same numbers; one of other settings or data is refused."""

from __future__ import annotations

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
from tests.trials.training.conftest import CPU, EPOCHS, no_training, numbers, stop_after, weights
from trials.data.dataset import Dataset
from trials.training import final_training
from trials.training.final_training import FinalTraining
from trials.training.metrics import METRICS

RESTORE = "restore it, or choose another folder"


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
