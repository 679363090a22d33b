"""Feature files: what is read, sampled and rounded; and every faulty file refused by name."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from tests.trials.conftest import Boom
from trials.data.feature_files import LARGEST_VALUE, FeatureFiles, open_features, repeat_frames, sample
from trials.training.adam import Adam


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def feature_file(folder: Path, content: object = None) -> Path:
    """The feature file of the video ``x``, with this array in it."""
    path = folder / "x.npy"
    if content is not None:
        np.save(path, np.asarray(content))
    return path


@given(frames=st.integers(1, 40), rate=st.integers(1, 5))
def test_sampled_frames_repeat_to_full_length(frames: int, rate: int) -> None:
    sampled = sample(np.arange(frames)[None], rate, Path("x"))[:, 0].astype(int)
    assert repeat_frames(sampled, rate, frames).tolist() == [frame - frame % rate for frame in range(frames)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (np.zeros(5), "1 axes, but features are (channels, frames)"),
        (np.zeros((2, 3, 4)), "3 axes"),
        (np.float32(1), "0 axes"),
        (np.zeros((2, 3), complex), "values of type complex128, but features are real numbers"),
        (np.zeros((2, 3), bool), "values of type bool"),
        (np.full((2, 3), "text"), "values of type <U4"),
        (np.zeros((0, 3)), "no frames or no channels: shape (0, 3)"),
        (np.zeros((3, 0)), "no frames or no channels: shape (3, 0)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_features_are_refused(folder: Path, content: object, fault: str) -> None:
    path = feature_file(folder, content)
    with pytest.raises(BadInput, match=f"^{re.escape(f'{path}: {fault}')}"):
        open_features(path)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64", ">f4"])
def test_real_numbers_are_read_as_float32(folder: Path, dtype: str) -> None:
    path = feature_file(folder, np.array([[1, 2], [3, 4]], dtype))
    sampled = sample(open_features(path), 1, path)
    assert sampled.dtype == np.float32
    assert sampled.tolist() == [[1, 3], [2, 4]]


def test_fortran_order_is_read_the_same(folder: Path) -> None:
    path = feature_file(folder, np.asfortranarray(np.array([[1, 2, 3], [4, 5, 6]], np.float32)))
    sampled = sample(open_features(path), 1, path)
    assert sampled.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert sampled.flags.writeable  # PyTorch warns of others


@pytest.mark.parametrize("kept", [0, 3, 40, 128, 200, -1])
def test_truncated_feature_file_is_refused(folder: Path, kept: int) -> None:
    path = feature_file(folder, np.zeros((4, 50)))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadInput, match=f"^{path}: not a numpy array file"):
        open_features(path)


def test_more_than_the_header_says_is_refused(folder: Path) -> None:
    path = feature_file(folder, np.zeros((4, 50)))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BadInput, match=f"^{path}: 1 bytes more than its header says"):
        open_features(path)


def test_more_than_the_memory_holds_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = feature_file(folder, np.zeros((4, 50)))
    monkeypatch.setattr(np, "empty", Mock(side_effect=MemoryError))
    with pytest.raises(BadInput, match=f"^{path}: 25 frames of 4 channels do not fit into memory$"):
        sample(open_features(path), 2, path)


def test_a_pipe_as_features_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "x.npy")
    with pytest.raises(BadInput, match=r"x\.npy: a pipe or a device, not a file"):
        open_features(folder / "x.npy")


def test_text_as_features_is_refused(folder: Path) -> None:
    path = feature_file(folder)
    path.write_text("1 2 3\n")
    with pytest.raises(BadInput, match=f"^{path}: not a numpy array file"):
        open_features(path)


@pytest.mark.parametrize("as_array", [True, False], ids=["object array", "bare pickle"])
def test_pickled_features_are_refused_and_not_executed(folder: Path, as_array: bool) -> None:
    path, made = feature_file(folder), folder / "made"
    if as_array:
        np.save(path, np.array([[Boom(made)]], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Boom(made)))
    with pytest.raises(BadInput, match=f"^{path}: not a numpy array file"):
        open_features(path)
    assert not made.exists()
    np.load(path, allow_pickle=True)
    assert made.exists()  # the trap works


def test_archive_as_features_is_refused(folder: Path) -> None:
    np.savez(folder / "x.npz", features=np.zeros((2, 3)))
    path = (folder / "x.npz").rename(folder / "x.npy")
    with pytest.raises(BadInput, match=f"^{path}: an archive, not one numpy array$"):
        open_features(path)


def test_folder_as_features_is_refused(folder: Path) -> None:
    (folder / "x.npy").mkdir()
    with pytest.raises(BadInput, match=r"x\.npy: cannot be read"):
        open_features(folder / "x.npy")


def test_other_channels_are_refused(folder: Path) -> None:
    path = feature_file(folder, np.zeros((5, 9)))
    assert open_features(path, 5).shape == (5, 9)
    with pytest.raises(BadInput, match=f"^{path}: 5 channels, but 6 are expected$"):
        open_features(path, 6)
    with pytest.raises(BadInput, match=f"^{path}: 5 channels, but 9 are expected; it looks transposed"):
        open_features(path, 9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_refused_with_their_place(folder: Path, value: float) -> None:
    features = np.zeros((3, 9))
    features[2, 6] = value
    path = feature_file(folder, features)
    for rate in (1, 2, 3):
        with pytest.raises(BadInput, match=re.escape(f"{path}: NaN or infinity (channel 2, frame 6)")):
            sample(open_features(path), rate, path)


def test_infinities_that_cancel_are_found(folder: Path) -> None:
    with pytest.raises(BadInput, match="NaN or infinity"):
        sample(np.array([[np.inf, -np.inf, 1.0]]), 1, folder)


def test_values_beyond_float32_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"infinity \(channel 0, frame 1\)"):
        sample(np.array([[1.0, 1e300]]), 1, folder)


def test_values_that_training_bears_are_fine(folder: Path) -> None:
    assert sample(np.full((2, 3), -LARGEST_VALUE), 1, folder).min() == np.float32(-LARGEST_VALUE)


@pytest.mark.parametrize("value", [1e38, -1e38, 1.1e18])
def test_values_that_training_cannot_bear_are_refused_with_their_place(value: float) -> None:
    features = np.zeros((3, 9))
    features[2, 6] = value
    message = f"x: a value of {value:g} (channel 2, frame 6): beyond 1e+18 float32 overflows in training"
    for rate in (1, 2, 3):
        with pytest.raises(BadInput, match=re.escape(message)):
            sample(features, rate, Path("x"))


@pytest.mark.parametrize(("value", "learns"), [(1e18, True), (1e24, False)])
def test_the_largest_value_is_one_that_can_be_learned_from(value: float, learns: bool) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    adam = Adam([("weight", weight)])
    weight.grad = torch.tensor([value])
    adam.step(1e-3)
    assert bool(weight.abs() > 1e-4) == learns


def test_more_channels_than_are_read_at_once(folder: Path) -> None:
    features = np.arange(600 * 7).reshape(600, 7)
    path = feature_file(folder, features)
    for rate in (1, 3):
        assert np.array_equal(sample(open_features(path), rate, path), features.T[::rate])


# A folder of them.


def test_features_and_frames_of_a_video(folder: Path) -> None:
    feature_file(folder, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
    features, full_frames = FeatureFiles(folder, sample_rate=2).read("x")
    assert (features.tolist(), full_frames) == ([[1, 6], [3, 8], [5, 10]], 5)
    assert features.dtype == np.float32


def test_float16_rounds(folder: Path) -> None:
    feature_file(folder, [[1 + 2**-10, 1 + 2**-12, 65504]])
    features, _ = FeatureFiles(folder, dtype="float16").read("x")
    assert features.dtype == np.float16
    assert features[:, 0].tolist() == [1 + 2**-10, 1, 65504]


@pytest.mark.parametrize("value", [65520, -1e5])
def test_values_beyond_float16_are_refused(folder: Path, value: float) -> None:
    path = feature_file(folder, [[1, value]])
    message = re.escape(f"{path}: a value of {abs(value):g} does not fit into float16: use --feature-dtype float32")
    with pytest.raises(BadInput, match=message):
        FeatureFiles(folder, dtype="float16").read("x")


def test_status_changes_with_the_file_even_where_its_time_is_put_back(folder: Path) -> None:
    path, files = feature_file(folder, [[1]]), FeatureFiles(folder)
    first, times = files.status("x"), path.stat()
    assert first == files.status("x") == (times.st_size, times.st_mtime_ns, times.st_ctime_ns)
    os.utime(path, ns=(0, first[1] + 1))
    second = files.status("x")
    assert second[1] == first[1] + 1
    os.utime(path, ns=(0, first[1]))
    third = files.status("x")
    assert third[:2] == first[:2]
    assert third[2] >= second[2] > 0
    path.unlink()
    with pytest.raises(BadInput, match=f"^{path}: no such feature file$"):
        files.status("x")


@pytest.mark.parametrize(("full", "expected"), [(6, [7, 7, 8, 8, 9, 9]), (5, [7, 7, 8, 8, 9])])
def test_predictions_are_repeated_for_the_frames_that_were_not_read(full: int, expected: list[int]) -> None:
    assert repeat_frames(np.array([7, 8, 9]), 2, full).tolist() == expected
