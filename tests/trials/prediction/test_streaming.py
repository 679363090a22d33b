"""A stream gives the probabilities of the whole video, in whatever chunks it comes, and wherever it is interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from common.bad_input import BadInput
from nas_space.folding import fold, foldable
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build, causal_ms_tcn, find_network, ms_tcn
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from tests.conftest import REPOSITORY
from tests.nas_space.generators import branched_structures
from trials.data.batches import packed_video
from trials.export_stream import stream_layers
from trials.prediction.stream_layers import PIECE, Floats, Residual
from trials.prediction.streaming import Stream, write_stream
from trials.training.scoring import forward

FEATURES, CLASSES = 5, ["cut", "peel", "mix"]
ABOUT = {"classes": CLASSES, "sample_rate": 1, "feature_dim": FEATURES}
CAUSAL = causal_ms_tcn.describe(stages=2, layers=3, channels=8)


def double(structure: Structure) -> nn.Module:
    torch.manual_seed(0)
    return build(structure, FEATURES, len(CLASSES)).double().eval()


def features(frames: int) -> Floats:
    return np.random.default_rng(0).standard_normal((frames, FEATURES))


def whole(module: nn.Module, frames: int) -> Floats:
    """The probabilities ``(frames, classes)`` of a video that is there as a whole."""
    logits = forward(module, packed_video(features(frames), torch.device("cpu")))[-1]
    return logits.softmax(dim=1).numpy()


def streamed(stream: Stream, frames: int, chunks: Sequence[int]) -> Floats:
    """What comes out of a stream for these chunks of a video, the rest of it, and its end."""
    parts = np.split(features(frames), np.minimum(np.cumsum(chunks), frames).astype(int))
    return np.concatenate([*(stream.step(part) for part in parts), stream.finish()])


@given(
    branched_structures(channels=4, largest=12),
    st.integers(1, 90),
    st.lists(st.integers(0, 2 * PIECE), max_size=6),
    st.booleans(),
)
def test_any_network_in_any_chunks(
    tmp_path_factory: pytest.TempPathFactory, structure: Structure, frames: int, chunks: list[int], folded: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "stream.npz"
    module = double(structure)
    if folded:
        fold(module, structure, foldable(structure))
    write_stream(path, stream_layers(module), ABOUT)
    stream = Stream(path)
    found = streamed(stream, frames, chunks)
    np.testing.assert_allclose(found, whole(module, frames), rtol=0, atol=1e-12)
    assert stream.delay == ReceptiveField.of(structure).network.future
    assert stream.seen == frames


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The stream of a causal network."""
    write_stream(tmp_path / "stream.npz", stream_layers(double(Structure.hand(CAUSAL))), ABOUT)
    return tmp_path / "stream.npz"


def test_layers_that_are_left_out_are_not_there(tmp_path: Path) -> None:
    network = find_network("ms-tcn++:prediction=3,refinements=1,layers=2,channels=4")
    structure = Structure((1, 0, 0, 0, 4, 2, 0, 3), network)
    module = double(structure)
    layers = stream_layers(module)
    assert sum(isinstance(layer, Residual) for layer in layers) == 3
    write_stream(tmp_path / "stream.npz", layers, ABOUT)
    found = streamed(Stream(tmp_path / "stream.npz"), 40, [1, 2, 30])
    np.testing.assert_allclose(found, whole(module, 40), rtol=0, atol=1e-12)


def test_a_causal_network_answers_at_once(path: Path) -> None:
    stream = Stream(path)
    assert stream.delay == 0
    assert [len(stream.step(frame)) for frame in features(5)] == [1] * 5
    assert stream.finish().shape == (0, 3)


def test_another_network_answers_after_what_it_sees_of_the_future(tmp_path: Path) -> None:
    network = ms_tcn.describe(stages=1, layers=2, channels=4)
    write_stream(tmp_path / "stream.npz", stream_layers(double(Structure((2, 1), network))), ABOUT)
    stream = Stream(tmp_path / "stream.npz")
    assert stream.delay == 3
    assert [len(stream.step(frame)) for frame in features(5)] == [0, 0, 0, 1, 1]
    assert len(stream.finish()) == 3


def test_values_beyond_its_precision_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = stream_layers(build(Structure.hand(CAUSAL), FEATURES, len(CLASSES)))
    write_stream(tmp_path / "stream.npz", layers, ABOUT)
    stream = Stream(tmp_path / "stream.npz")
    with pytest.raises(BadInput, match=r"^frame 0: NaN, infinity, or beyond float32$"):
        stream.step(np.array([0, 0, 1e300, 0, 0]))
    assert np.isfinite(stream.step(features(3))).all()


def test_a_stream_ends_once(path: Path, tmp_path: Path) -> None:
    stream = Stream(path)
    stream.finish()
    for again in (lambda: stream.step(features(1)), stream.finish, lambda: stream.save(tmp_path / "state.npz")):
        with pytest.raises(RuntimeError, match="the stream is at its end"):
            again()


def test_the_memory_does_not_grow(path: Path) -> None:
    stream = Stream(path)
    before = stream.memory
    # 2 stages of rings of 2 (1 + 2 + 4) frames and a piece in each of 3 layers; 8 channels of float64.
    assert before == 2 * (14 + 3 * PIECE) * 8 * 8
    stream.step(features(1000))
    assert stream.memory == before == sum(layer.ring.nbytes for layer in stream._residuals)


@given(st.integers(0, 60))
def test_a_saved_stream_goes_on(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    network = ms_tcn.describe(stages=2, layers=2, channels=4)
    module = double(Structure.hand(network))
    write_stream(folder / "saved.npz", stream_layers(module), ABOUT)
    first, second = Stream(folder / "saved.npz"), Stream(folder / "saved.npz")
    begun = first.step(features(60)[:at])
    first.save(folder / "state.npz")
    second.resume(folder / "state.npz")
    assert second.seen == at
    found = np.concatenate([begun, second.step(features(60)[at:]), second.finish()])
    np.testing.assert_array_equal(found, streamed(Stream(folder / "saved.npz"), 60, [at]))


def test_the_state_of_another_network_is_refused(path: Path, tmp_path: Path) -> None:
    other = double(Structure.hand(CAUSAL))
    with torch.no_grad():
        other.get_parameter("stages.0.conv_out.bias").mul_(2)
    write_stream(tmp_path / "other.npz", stream_layers(other), ABOUT)
    Stream(tmp_path / "other.npz").save(tmp_path / "state.npz")
    with pytest.raises(BadInput, match="the state of another network than that of"):
        Stream(path).resume(tmp_path / "state.npz")
    with pytest.raises(BadInput, match="not a file of stream-state, or damaged"):
        Stream(path).resume(path)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros(4), "a frame has 5 channels, not 4"),
        (np.zeros((2, 6)), "a frame has 5 channels, not 6"),
        (np.zeros((2, 2, 5)), "a frame has 5 channels, not 2 x 5"),
        (np.array([[0.0] * 5, [0, 0, np.nan, 0, 0]]), "frame 4: NaN, infinity, or beyond float32"),
        (np.array([np.inf] * 5), "frame 3: NaN, infinity, or beyond float32"),
        (np.array([None] * 5), "a frame is an array of numbers, not of object"),
        (np.zeros(5, complex), "a frame is an array of numbers, not of complex128"),
    ],
)
def test_frames_that_cannot_be_are_refused(path: Path, frames: Floats, message: str) -> None:
    stream = Stream(path)
    stream.step(features(3))
    with pytest.raises(BadInput) as refusal:
        stream.step(frames)
    assert str(refusal.value) == message


def with_array(name: str, value: Any) -> Callable[[Path], None]:
    """The same file with another array, or without it."""

    def damage(path: Path) -> None:
        with np.load(path) as file:
            arrays: dict[str, Any] = {**file, name: value}
        np.savez(path, **{key: array for key, array in arrays.items() if array is not None})

    return damage


def a_plain_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def with_about(before: str, after: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with np.load(path) as file:
            arrays: dict[str, Any] = dict(file)
        arrays["about"] = np.array(str(arrays["about"]).replace(before, after, 1))
        np.savez(path, **arrays)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b"PK"),
        a_plain_array,
        with_array("about", None),
        with_array("about", np.array("[]")),
        with_array("about", np.array("{")),
        with_array("0.weight", None),
        with_array("0.weight", np.zeros((5, 7))),
        with_array("0.bias", np.zeros((1, 8))),
        with_array("0.bias", np.full(8, np.nan)),
        with_array("1.weight", np.array(["a"] * 8)),
        with_array("1.offsets", np.array([0.5, 1, 2])),
        with_array("1.offsets", np.array([-(2**40), -1, 0])),
        with_array("1.offsets", np.array([-1, 0])),
        with_array("1.after_weight", np.zeros((8, 9))),
        with_about("global2local-stream", "another"),
        with_about('"pointwise"', '"other"'),
        with_about('"cut", ', ""),
        with_about('"sample_rate": 1', '"sample_rate": 0'),
        with_about('"feature_dim": 5', '"feature_dim": 4'),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(path: Path, damage: Callable[[Path], object]) -> None:
    damage(path)
    with pytest.raises(BadInput) as refusal:
        Stream(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_it_needs_numpy_alone(path: Path) -> None:
    code = """
import sys
for name in ("torch", "nni", "onnxruntime", "yaml", "tqdm"):
    sys.modules[name] = None
import numpy as np
from trials.prediction.streaming import Stream
print(Stream(sys.argv[1]).step(np.zeros((4, 5))).shape)
"""
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(4, 3)\n", "")


def test_packed_videos_give_the_same(path: Path) -> None:
    """What ``whole`` compares with is the network as it is trained."""
    module = double(Structure.hand(CAUSAL))
    with torch.no_grad():
        logits = module(PackedVideos(torch.from_numpy(features(30)), (0, 30)))[-1]
    np.testing.assert_allclose(logits.softmax(1).numpy(), Stream(path).step(features(30)), rtol=0, atol=1e-12)
