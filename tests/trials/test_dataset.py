"""A data set as it is read: cut, sampled, checked, found; and every faulty file refused by name."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_space.bad_input import BadInput
from tests.conftest import write_dataset
from tests.trials.conftest import Boom
from trials.dataset import Dataset, background_classes, find_dataset, length_tolerance, open_features, sample
from trials.known_datasets import KNOWN_DATASETS, defaults_of
from trials.training import repeat_frames

DIM = 3


def write_video(folder: Path, name: str, frames: int, labels: int) -> None:
    """Frame t has the feature values (t, t + 0.25, t + 0.5) and the class t % 3."""
    for part in ("features", "groundTruth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    np.save(folder / "features" / f"{name}.npy", np.arange(frames) + np.arange(DIM)[:, None] / 4)
    (folder / "groundTruth" / f"{name}.txt").write_text("".join(f"class_{frame % 3}\n" for frame in range(labels)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set with a mapping and no videos yet."""
    (tmp_path / "mapping.txt").write_text("0 class_0\n1 class_1\n2 class_2\n")
    return tmp_path


def feature_file(folder: Path, content: object = None) -> Path:
    """The feature file of the video ``x``, with this array in it."""
    path = folder / "x.npy"
    if content is not None:
        np.save(path, np.asarray(content))
    return path


# Videos.


def test_video_is_frames_by_channels(folder: Path) -> None:
    write_video(folder, "x", 4, 4)
    video = Dataset(folder).load("x")
    assert video.name == "x"
    assert video.features.dtype == np.float32
    assert video.features.tolist() == [[t, t + 0.25, t + 0.5] for t in range(4)]
    assert video.labels.tolist() == video.full_labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(("frames", "kept"), [(6, [0, 2, 4]), (7, [0, 2, 4, 6])])
def test_every_second_frame(folder: Path, frames: int, kept: list[int]) -> None:
    write_video(folder, "x", frames, frames)
    video = Dataset(folder, sample_rate=2).load("x")
    assert video.features[:, 0].tolist() == kept
    assert video.labels.tolist() == [frame % 3 for frame in kept]
    assert video.full_labels.tolist() == [frame % 3 for frame in range(frames)]


@given(frames=st.integers(1, 40), rate=st.integers(1, 5))
def test_sampled_frames_repeat_to_full_length(frames: int, rate: int) -> None:
    sampled = sample(np.arange(frames)[None], rate, Path("x"))[:, 0].astype(int)
    assert repeat_frames(sampled, rate, frames).tolist() == [frame - frame % rate for frame in range(frames)]


@pytest.mark.parametrize(("frames", "labels"), [(20, 24), (24, 20)])
def test_cut_to_the_shorter(folder: Path, frames: int, labels: int) -> None:
    write_video(folder, "x", frames, labels)
    video = Dataset(folder).load("x")
    assert len(video.features) == len(video.labels) == len(video.full_labels) == 20


@pytest.mark.parametrize(
    ("labels", "tolerance"), [(20, 16), (849, 16), (850, 17), (5000, 100)], ids=lambda value: str(value)
)
def test_tolerance_is_16_frames_or_2_percent(folder: Path, labels: int, tolerance: int) -> None:
    assert length_tolerance(labels) == tolerance
    for frames in (labels - tolerance, labels + tolerance):
        write_video(folder, "x", frames, labels)
        assert len(Dataset(folder).load("x").labels) == min(frames, labels)
    for frames in (labels - tolerance - 1, labels + tolerance + 1):
        write_video(folder, "x", frames, labels)
        message = f"{frames} frames, but its video has {labels} labels; a difference of up to {tolerance} is cut"
        with pytest.raises(BadInput, match=rf"x\.npy: {message}"):
            Dataset(folder).load("x")


def test_one_warning_counts_the_cut_videos(folder: Path) -> None:
    for name, frames, labels in (("a", 30, 30), ("b", 30, 37), ("c", 30, 28)):
        write_video(folder, name, frames, labels)
    message = "2 of 3 videos have features and labels of different length (by up to 7)"
    with pytest.warns(UserWarning, match=re.escape(message)) as warned:
        Dataset(folder).check(["a", "b", "c"])
    assert len(warned) == 1


def test_check_is_silent_where_lengths_agree(small_dataset: Path) -> None:
    dataset = Dataset(small_dataset)
    dataset.check([video for part in dataset.split(1) for video in part], feature_dim=6)


@pytest.mark.parametrize("check", [Dataset.load, lambda dataset, video: dataset.check([video])])
def test_load_and_check_refuse_the_same(folder: Path, check: Callable[[Dataset, str], Any]) -> None:
    dataset = Dataset(folder)
    with pytest.raises(BadInput, match=r"x\.npy: no such feature file"):
        check(dataset, "x")
    write_video(folder, "x", 30, 47)
    with pytest.raises(BadInput, match="30 frames, but its video has 47 labels"):
        check(dataset, "x")
    dataset.label_path("x").write_text("class_0\nclass_9\n")
    with pytest.raises(BadInput, match=r"x\.txt, line 2: label 'class_9'"):
        check(dataset, "x")
    dataset.label_path("x").write_text("")
    with pytest.raises(BadInput, match=r"x\.txt: empty label file"):
        check(dataset, "x")
    dataset.label_path("x").unlink()
    with pytest.raises(BadInput, match=r"x\.txt: no such file"):
        check(dataset, "x")


def test_real_data_as_its_readme_says(real_data: Path) -> None:
    dataset = find_dataset("50salads_mid_svm", real_data)
    train, test = dataset.split(1)
    assert (len(train), len(test), len(dataset.classes), dataset.splits()) == (40, 10, 18, [1, 2, 3, 4, 5])
    assert dataset.feature_dim(train[0]) == 18
    assert sum(len(dataset.load(video).labels) for video in train + test) == 16596


# Feature files.


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


def test_huge_finite_values_are_fine(folder: Path) -> None:
    largest = np.finfo(np.float32).max
    assert sample(np.full((2, 3), largest), 1, folder).max() == largest


# Splits.


def write_split(folder: Path, number: int, train: str, test: str) -> None:
    (folder / "splits").mkdir(exist_ok=True)
    for part, text in (("train", train), ("test", test)):
        (folder / "splits" / f"{part}.split{number}.bundle").write_text(text)


def test_splits_in_numeric_order(folder: Path) -> None:
    for number in (10, 2, 1):
        write_split(folder, number, "a.txt\n", "b.txt\n")
    (folder / "splits" / "train.splitx.bundle").touch()
    assert Dataset(folder).splits() == [1, 2, 10]
    assert Dataset(folder).split(10) == (("a",), ("b",))


def test_video_in_train_and_test_is_refused(folder: Path) -> None:
    write_split(folder, 1, "a.txt\nb.txt\n", "c.txt\nb.txt\n")
    with pytest.raises(BadInput, match="video 'b' is in the training list, too"):
        Dataset(folder).split(1)


def test_unknown_split_tells_the_known_ones(folder: Path) -> None:
    write_split(folder, 1, "a\n", "b\n")
    write_split(folder, 3, "a\n", "b\n")
    with pytest.raises(BadInput, match=r"train\.split2\.bundle: no such split; .* has 1, 3$"):
        Dataset(folder).split(2)


def test_missing_test_bundle_is_named(folder: Path) -> None:
    write_split(folder, 1, "a\n", "b\n")
    (folder / "splits" / "test.split1.bundle").unlink()
    with pytest.raises(BadInput, match=r"test\.split1\.bundle: no such file"):
        Dataset(folder).split(1)


def test_no_splits_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"no train\.splitK\.bundle there"):
        Dataset(folder).splits()


# Where data sets are found, and what is known about them.


def test_data_root_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("option", "environment", "data"):
        (tmp_path / place / "gtea").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "environment"))
    assert find_dataset("gtea", tmp_path / "option").folder == tmp_path / "option" / "gtea"
    assert find_dataset("gtea").folder == tmp_path / "environment" / "gtea"
    monkeypatch.setenv("G2L_DATA_ROOT", "")
    assert find_dataset("gtea").folder.resolve() == tmp_path / "data" / "gtea"
    monkeypatch.delenv("G2L_DATA_ROOT")
    assert find_dataset("gtea").folder.resolve() == tmp_path / "data" / "gtea"


def test_unknown_dataset_names_the_folder_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"{tmp_path / 'nowhere'}: no such data set folder .*G2L_DATA_ROOT"):
        find_dataset("nowhere", tmp_path)


def test_sample_rate_defaults_to_the_data_sets(tmp_path: Path) -> None:
    for name in ("50salads", "gtea", "mine"):
        (tmp_path / name).mkdir()
    assert [find_dataset(name, tmp_path).sample_rate for name in ("50salads", "gtea", "mine")] == [2, 1, 1]
    assert find_dataset("50salads", tmp_path, sample_rate=5).sample_rate == 5


@pytest.mark.parametrize("rate", [0, -1])
def test_sample_rate_below_one_is_refused(tmp_path: Path, rate: int) -> None:
    with pytest.raises(BadInput, match=f"sample rate must be at least 1, not {rate}"):
        find_dataset("", tmp_path, sample_rate=rate)


@pytest.mark.parametrize(
    ("name", "video", "person"),
    [
        ("50salads", "rgb-06-1", "06"),
        ("50salads_mid_svm", "rgb-27-2", "27"),
        ("gtea", "S2_Cheese_C1", "2"),
        ("breakfast", "P03_cam01_P03_cereals", "P03"),
    ],
)
def test_known_groups_are_persons(name: str, video: str, person: str) -> None:
    found = re.search(KNOWN_DATASETS[name].group or "", video)
    assert found
    assert found[1] == person


def test_unknown_dataset_has_no_groups() -> None:
    assert defaults_of("mine").group is None


ACTIONS = ("background", "cut", "SIL")


@pytest.mark.parametrize(
    ("name", "classes", "chosen", "expected"),
    [
        ("mine", ACTIONS, None, ("background",)),
        ("mine", ("cut", "SIL"), None, ()),
        ("gtea", ACTIONS, None, ("background",)),
        ("breakfast", ACTIONS, None, ()),
        ("50salads", ACTIONS, None, ()),
        ("gtea", ACTIONS, ["SIL", "cut"], ("SIL", "cut")),
        ("gtea", ACTIONS, [], ()),
        ("breakfast", ACTIONS, ["SIL"], ("SIL",)),
    ],
)
def test_background_classes(
    name: str, classes: tuple[str, ...], chosen: list[str] | None, expected: tuple[str, ...]
) -> None:
    assert background_classes(name, classes, chosen) == expected


def test_chosen_background_must_exist() -> None:
    with pytest.raises(BadInput, match="background class 'sil' is not in the mapping of mine"):
        background_classes("mine", ACTIONS, ["sil"])


def test_made_up_dataset_reads_back(tmp_path: Path) -> None:
    dataset = Dataset(write_dataset(tmp_path / "made", train=3, test=2, dim=7, classes=4, splits=2))
    train, test = dataset.split(2)
    assert (len(train), len(test), dataset.splits()) == (3, 2, [1, 2])
    assert dataset.classes == ("class_0", "class_1", "class_2", "class_3")
    assert dataset.load(train[0]).features.shape[1] == dataset.feature_dim(train[0]) == 7
