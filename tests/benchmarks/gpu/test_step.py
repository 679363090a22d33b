"""What is timed: whole batches of ragged videos, in either form, on either device."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from benchmarks.gpu.step import (
    FORMS,
    Side,
    Size,
    all_sides,
    batch_in_form,
    functions_of,
    offsets_in_form,
    step_on,
)
from benchmarks.operators import OperatorMode, synchronising_calls
from benchmarks.search_networks import NETWORKS, search_network
from nas_space.layers.convolutions import DilatedConv
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.on_gpu.side_by_side import SideBySide
from trials.data.batches import Batch
from trials.training.replayed_step import ReplayedStep
from trials.training.training import Training

CPU, META = torch.device("cpu"), torch.device("meta")
SMALL = Size(videos=20, frames=30, feature_dim=8, classes=5, batch_size=3)


@pytest.mark.parametrize(("fraction", "sizes"), [(0.01, [1]), (0.1, [2]), (0.2, [3]), (0.5, [3, 3, 3]), (1, [3] * 6)])
def test_batches_are_whole(fraction: float, sizes: list[int]) -> None:
    batches = SMALL.batches(fraction)
    assert list(map(len, batches)) == sizes
    videos = [video for batch in batches for video in batch]
    assert sum(len(video.labels) for video in videos) / len(videos) == pytest.approx(30, abs=1)
    assert {video.features.shape[1] for video in videos} == {8}
    assert all(len(video.features) == len(video.labels) for video in videos)


def test_the_type_of_the_offsets_is_the_form() -> None:
    batch = Batch.of(SMALL.batches(0.2)[0], CPU)
    before, after = (batch_in_form(form, batch).videos for form in FORMS)
    assert (type(before.offsets), type(after.offsets)) == (tuple, IndexedOffsets)
    assert before.offsets == after.offsets == batch.videos.offsets
    assert before.features is after.features is batch.videos.features
    assert offsets_in_form("after", after.offsets, CPU) is after.offsets
    assert type(offsets_in_form("before", after.offsets, CPU)) is tuple


def test_all_sides_come_in_both_forms() -> None:
    sides = list(all_sides(["default", "bf16"], ["plain x 4"]))
    assert len(sides) == len(set(sides)) == 2 * 3 * 2 * 2 + 3 * 2 + 9 + 2
    assert Counter(side.form for side in sides) == {"before": 15, "after": 16, "replayed": 10}
    assert {side.work for side in sides if side.form == "replayed"} == {"step"}
    bf16 = [side for side in sides if side.precision == "bf16"]
    assert {(side.work, side.place) for side in bf16} == {("step", "device")}


def test_a_side_does_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, type]] = []

    def step(_: Training, batch: Batch) -> float:
        steps.append((len(batch.labels), type(batch.videos.offsets)))
        return 0.0

    monkeypatch.setattr(Training, "step", step)
    batches = SMALL.batches(0.4)
    sides = [Side("step", "plain", form, place) for form in FORMS for place in ("host", "device")]
    frames = [sum(len(video.labels) for video in batch) for batch in batches]
    functions = functions_of(sides, SMALL, batches, CPU)
    for side in sides:
        functions[side]()
    before, after = ([(count, kind) for count in frames] for kind in (tuple, IndexedOffsets))
    assert steps == [*before, *before, *after, *after]


def test_several_structures_are_trained_at_once() -> None:
    network = search_network("plain x 4", 8, 5)
    assert isinstance(network, SideBySide)
    dilations = {
        tuple(conv.dilation for conv in each.modules() if isinstance(conv, DilatedConv)) for each in network.networks
    }
    assert len(dilations) == 4
    sides = [Side("step", "plain x 4", form, "device") for form in ("after", "replayed")]
    for function in functions_of(sides, SMALL, SMALL.batches(0.2), CPU).values():
        function()


def test_a_replayed_side_is_recorded_once_for_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []
    recorded: list[bool] = []
    record = Training.replay

    def noting(training: Training, *size: int) -> None:
        recorded.append(torch.backends.cuda.matmul.allow_tf32)
        record(training, *size)

    monkeypatch.setattr(Training, "replay", noting)
    monkeypatch.setattr(Training, "step", lambda training, _: steps.append(training.replayed))
    sides = [Side("step", "plain", "replayed", "device", precision) for precision in ("default", "TF32")]
    sides += [Side("step", "plain", "after"), Side("step", "branched", "replayed")]
    functions = functions_of(sides, SMALL, SMALL.batches(0.4), CPU)
    for side in (*sides, sides[0]):
        functions[side]()
    default, _, tf32, _, after, _, branched, _, again, last = steps
    assert isinstance(default, ReplayedStep)
    assert default is again is last
    assert len({default, tf32, branched, None}) == 4
    assert after is None
    assert recorded == [False, True, False]  # whether in TF32, each once


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["host", "device"])
def test_predictions_are_of_each_video(form: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = []

    def predict(network: torch.nn.Module, videos: object) -> None:
        predicted.append((network.training, videos))

    monkeypatch.setattr("benchmarks.gpu.step.predict", predict)
    batches = SMALL.batches(0.4)
    side = Side("prediction", "plain", form, place)
    functions_of([side], SMALL, batches, CPU)[side]()
    assert [videos.offsets for _, videos in predicted] == [(0, len(video.labels)) for video in batches[0]]  # type: ignore[attr-defined]
    assert not any(training for training, _ in predicted)


def test_before_is_the_padded_form_on_meta() -> None:
    with OperatorMode() as mode:
        step_on(META, "plain", "before", SMALL)()
    names = {str(operator): count for operator, count in mode.operators.items()}
    assert names["aten.convolution.default"] == names["aten.convolution_backward.default"] == 40
    assert names["aten._fused_adam_.default"] == 1


@pytest.mark.parametrize("network", NETWORKS)
def test_before_waits_in_each_layer_for_the_rows_of_its_padding(network: str) -> None:
    calls = synchronising_calls(step_on(META, network, "before", SMALL))
    in_loss = 1  # which neighbours are of the same video
    assert calls.count("aten._to_copy.default: a copy from cpu to meta") == 40 + in_loss
