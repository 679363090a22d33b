"""50 Salads from tiny folders of the form of the public repository; from a real clone where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from common.bad_input import BadInput
from studies.fifty_salads import EVAL, FOLDS, MID, Granularity, read_fifty_salads
from studies.public_data import SOURCES, write_whole
from tests.studies.clones import Label, Score, cell_array, write_salads
from trials.data.dataset import Dataset

ACTIONS = ("cut_tomato", "add_oil")
NAMES = {1: ("06-1", "06-2"), 2: ("25-2", "25-1"), 3: ("02-1",), 4: ("18-1", "01-1"), 5: ("04-1", "24-1", "15-1")}
"""Videos by fold, in no order."""


def make_folds() -> list[dict[str, tuple[Score, Label]]]:
    random = np.random.default_rng(5)
    folds = []
    for names in NAMES.values():
        lengths = random.integers(4, 9, size=len(names))
        videos = [(random.normal(size=(length, 3)), random.integers(3, size=length)) for length in lengths]
        folds.append(dict(zip(names, videos, strict=True)))
    return folds


@pytest.fixture(params=[MID, EVAL], ids=["mid", "eval"])
def granularity(request: pytest.FixtureRequest) -> Granularity:
    chosen: Granularity = request.param
    return chosen


def test_it_becomes_the_standard_layout(granularity: Granularity, tmp_path: Path) -> None:
    folds = make_folds()
    clone = write_salads(tmp_path / "clone", granularity, ACTIONS, folds)
    write_whole(read_fifty_salads(clone, granularity), tmp_path / "made")
    dataset = Dataset(tmp_path / "made")
    assert dataset.classes == ("background", *ACTIONS)
    everybody = sorted(f"rgb-{name}" for names in NAMES.values() for name in names)
    for fold, videos in zip(FOLDS, folds, strict=True):
        test = sorted(f"rgb-{name}" for name in videos)
        assert dataset.bundles(fold) == (tuple(name for name in everybody if name not in test), tuple(test))
        for name, (scores, labels) in videos.items():
            video = dataset.load(f"rgb-{name}")
            np.testing.assert_array_equal(video.features, scores.astype(np.float32))
            np.testing.assert_array_equal(video.labels, labels)
            stored = np.load(tmp_path / "made" / "features" / f"rgb-{name}.npy")
            assert (stored.shape, stored.dtype, stored.flags.c_contiguous) == (scores.T.shape, np.float32, True)


def test_videos_of_equal_length_may_be_one_plain_array(tmp_path: Path) -> None:
    """As numpy stacks them before scipy writes them."""
    folds = make_folds()
    clone = write_salads(tmp_path, MID, ACTIONS, folds)
    scores, labels = np.random.default_rng(0).normal(size=(2, 6, 3)), np.array([[0, 0, 1, 1, 2, 2], [2, 1, 0, 2, 1, 0]])
    scipy.io.savemat(clone / MID.scores.format(fold=1), {"S": scores, "Y": labels})
    videos = read_fifty_salads(clone, MID).videos
    for index, name in enumerate(NAMES[1]):
        np.testing.assert_array_equal(videos[f"rgb-{name}"][0], scores[index].T.astype(np.float32))
        np.testing.assert_array_equal(videos[f"rgb-{name}"][1], labels[index])


def test_what_is_missing_is_named_with_the_commit(tmp_path: Path) -> None:
    clone = write_salads(tmp_path, MID, ACTIONS, make_folds())
    (clone / MID.scores.format(fold=3)).unlink()
    with pytest.raises(
        BadInput, match=r"no predictions/50Salads/mid/mid_video_SVM/Split_3.mat: .*Networks .*cccdf868ed4"
    ):
        read_fifty_salads(clone, MID)
    with pytest.raises(
        BadInput, match=r"no .*eval_actions.txt, .*SVM/1.mat, .*SVM/2.mat and 3 more: expected a clone of"
    ):
        read_fifty_salads(clone, EVAL)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n" * 20, "not a MATLAB file, or damaged"),
        (b"", "not a MATLAB file, or damaged"),
        ({"S": cell_array([np.zeros((4, 3))])}, "no variable 'Y'"),
        (
            {"S": cell_array([np.zeros((4, 3))]), "Y": cell_array([np.zeros(4)])},
            "1 and labels of 1 videos.* fold has 2",
        ),
        (
            {"S": [np.zeros((3, 4))] * 2, "Y": [np.zeros(4)] * 2},
            r"video 1 \(rgb-06-1\): scores .*\(3, 4\), but it has 4",
        ),
        ({"S": [np.zeros((4, 2))] * 2, "Y": [np.zeros(4)] * 2}, r"shape \(4, 2\), .* 4 labels .* 3 classes"),
        ({"S": [np.zeros((4, 3)) + 1j] * 2, "Y": [np.zeros(4)] * 2}, "of type complex128"),
        ({"S": [np.zeros((4, 3))] * 2, "Y": [np.full(4, 3)] * 2}, "no class from 0 to 2"),
        ({"S": [np.zeros((4, 3))] * 2, "Y": [np.full(4, 0.5)] * 2}, "no class from 0 to 2"),
        ({"S": np.zeros((2, 4, 3)), "Y": np.array(["abcd", "abcd"])}, "labels"),
    ],
)
def test_what_is_no_fold_is_refused(content: bytes | dict[str, object], fault: str, tmp_path: Path) -> None:
    clone = write_salads(tmp_path, MID, ACTIONS, make_folds())
    path = clone / MID.scores.format(fold=1)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        scipy.io.savemat(path, content)
    with pytest.raises(BadInput, match=fault) as refused:
        read_fifty_salads(clone, MID)
    assert str(path) in str(refused.value)


def test_a_video_of_two_folds_is_refused(tmp_path: Path) -> None:
    folds = make_folds()
    folds[4]["06-2"] = folds[0]["06-2"]
    clone = write_salads(tmp_path, MID, ACTIONS, folds)
    with pytest.raises(BadInput, match=r"Split_5/test.txt: 06-2 is in another fold, too"):
        read_fifty_salads(clone, MID)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("name", "granularity"), [("50salads_mid_svm", MID), ("50salads_eval_svm", EVAL)])
def test_real_data_survives_the_way_into_a_clone_and_back(
    name: str, granularity: Granularity, real_data: Path, tmp_path: Path
) -> None:
    dataset = Dataset(real_data / name)
    folds = []
    for fold in FOLDS:
        _, test = dataset.bundles(fold)
        videos = {video.removeprefix("rgb-"): dataset.load(video) for video in reversed(test)}
        folds.append({video: (loaded.features.astype(float), loaded.labels) for video, loaded in videos.items()})
    clone = write_salads(tmp_path / "clone", granularity, dataset.classes[1:], folds)
    write_whole(read_fifty_salads(clone, granularity), tmp_path / "made")
    assert files_of(tmp_path / "made") == files_of(real_data / name)


@pytest.mark.parametrize("name", ["50salads_mid_svm", "50salads_eval_svm"])
def test_a_real_clone_gives_the_real_data(
    name: str, find_clone: Callable[[str], Path], real_data: Path, tmp_path: Path
) -> None:
    write_whole(SOURCES[name].read(find_clone("TemporalConvolutionalNetworks")), tmp_path / "made")
    assert files_of(tmp_path / "made") == files_of(real_data / name)
