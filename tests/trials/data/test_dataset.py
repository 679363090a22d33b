"""A data set as it is read: cut, sampled, checked, found; and every faulty file refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.conftest import write_dataset
from trials.data.dataset import Dataset, find_dataset
from trials.data.known_datasets import KNOWN_DATASETS, background_classes, defaults_of
from trials.data.lengths import length_tolerance

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


# Videos.


def test_video_is_frames_by_channels(folder: Path) -> None:
    write_video(folder, "x", 4, 4)
    video = Dataset(folder).load("x")
    assert video.features.dtype == np.float32
    assert video.features.tolist() == [[t, t + 0.25, t + 0.5] for t in range(4)]
    assert video.labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(("frames", "kept"), [(6, [0, 2, 4]), (7, [0, 2, 4, 6])])
def test_every_second_frame(folder: Path, frames: int, kept: list[int]) -> None:
    write_video(folder, "x", frames, frames)
    dataset = Dataset(folder, sample_rate=2)
    video = dataset.load("x")
    assert dataset.frames("x") == len(kept)
    assert video.features[:, 0].tolist() == kept
    assert video.labels.tolist() == [frame % 3 for frame in kept]


@pytest.mark.parametrize(("frames", "labels"), [(20, 24), (24, 20)])
def test_cut_to_the_shorter(folder: Path, frames: int, labels: int) -> None:
    write_video(folder, "x", frames, labels)
    video = Dataset(folder).load("x")
    assert len(video.features) == len(video.labels) == 20


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
    with pytest.raises(BadInput, match=r"x\.npy: no such feature file"):
        check(Dataset(folder), "x")
    write_video(folder, "x", 30, 47)
    with pytest.raises(BadInput, match="30 frames, but its video has 47 labels"):
        check(Dataset(folder), "x")
    labels = folder / "groundTruth" / "x.txt"
    labels.write_text("class_0\nclass_9\n")
    with pytest.raises(BadInput, match=r"x\.txt, line 2: label 'class_9'"):
        check(Dataset(folder), "x")
    labels.write_text("")
    with pytest.raises(BadInput, match=r"x\.txt: empty label file"):
        check(Dataset(folder), "x")
    labels.unlink()
    with pytest.raises(BadInput, match=r"x\.txt: no such file"):
        check(Dataset(folder), "x")


def test_labels_are_read_once(folder: Path) -> None:
    write_video(folder, "x", 5, 5)
    dataset = Dataset(folder)
    before = dataset.labels("x")
    dataset.label_path("x").unlink()
    before[:] = 9  # whatever a caller does with them
    assert dataset.labels("x").tolist() == [0, 1, 2, 0, 1]
    assert dataset.labels("x").dtype == np.int64


def test_real_data_as_its_readme_says(real_data: Path) -> None:
    dataset = find_dataset("50salads_mid_svm", real_data)
    train, test = dataset.split(1)
    assert (len(train), len(test), len(dataset.classes), dataset.splits()) == (40, 10, 18, [1, 2, 3, 4, 5])
    assert dataset.feature_dim(train[0]) == 18
    assert sum(len(dataset.load(video).labels) for video in train + test) == 16596


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


@pytest.mark.parametrize("name", ["/tmp/data/gtea", "sub/gtea", "gtea/", "../gtea", "..", ".", "--split"])
def test_a_path_or_an_option_is_no_name_of_a_dataset(name: str, tmp_path: Path) -> None:
    (tmp_path / "gtea").mkdir()
    with pytest.raises(BadInput, match=f"'{re.escape(name)}' is not the plain name of a data set"):
        find_dataset(name, tmp_path)


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
