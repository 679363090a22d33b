"""HMR from tiny recordings of the form of the public repository; from a real clone where there is one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from common.bad_input import BadInput
from studies.eye_movements import CLIP, PATTERNS, PERSONS, read_eye_movements
from studies.public_data import write_whole
from tests.studies.clones import write_recordings
from trials.data.dataset import Dataset

LETTERS = {name: letter for letter, name in PATTERNS.items()}


@pytest.fixture
def real_hmr(real_data: Path) -> Dataset:
    """The data set as it was made once; skips where there is none."""
    if not (real_data / "hmr").is_dir():
        pytest.skip(f"no real data: hmr is not in {real_data}")
    return Dataset(real_data / "hmr")


RECORDING = [
    # a fixation, its pupil moving by 0.03 and 0.04 between the second and the third sample
    *("0.40\t0.60\t1.0\tF", "0.40\t0.60\t1.0\tF", "0.43\t0.64\t0.9\tF", "0.43\t0.64\t0.7\tP"),
    # the pupil is lost, in both ways; a tie, which the fixation wins
    *("0.415\t0.62\t1.0\tB", "0.5\t0.5\t0.0\tB", "\t\t0.0\tF", "0.415\t0.62\t1.0\tF"),
]


def test_the_features_of_frames_worked_out_by_hand(tmp_path: Path) -> None:
    lines = [*RECORDING, *["0.5\t0.5\t1.0\tS"] * 1600]
    made = read_eye_movements(write_recordings(tmp_path, {2: lines}))
    features, labels = made.videos["u02_00"]
    lost = math.hypot(0.085, 0.12)
    expected: list[list[float]] = [
        [-0.085, 0.12, 0.9, 0, 0, 0, math.log(1 + 100 * 0.05)],
        [-0.0425, 0.06, 0.5, 20 * 0.0425, -20 * 0.06, math.log(1 + 50 * lost), math.log(1 + 100 * lost)],
        [0, 0, 1, 20 * 0.0425, -20 * 0.06, math.log(1 + 50 * lost), 0],
        [0, 0, 1, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(features[:, :4].T, expected, rtol=1e-6, atol=1e-7)
    assert [made.classes[label] for label in labels[:3]] == ["fixation", "fixation", "saccade"]
    assert features.shape == (7, 402)
    assert features.dtype == np.float32


def samples_of(frames: int) -> list[str]:
    """Lines that differ, so that it can be told where a clip begins: x is the number of the frame."""
    return [f"{index // 4 / 10000}\t0.5\t1.0\tB" for index in range(4 * frames)]


def test_clips_and_splits(tmp_path: Path) -> None:
    recordings = {3: samples_of(2 * CLIP + 399), 4: samples_of(CLIP + 400), 5: [*samples_of(CLIP), "0\t0\t0\tB"]}
    write_whole(read_eye_movements(write_recordings(tmp_path / "clone", recordings)), tmp_path / "made")
    dataset = Dataset(tmp_path / "made")
    assert dataset.classes == ("fixation", "saccade", "pursuit", "blink")
    lengths = {
        name: len(dataset.load(name).labels) for name in ("u03_00", "u03_01", "u04_00", "u04_01", "u05_00", "u01_00")
    }
    assert lengths == dict(zip(lengths, (1500, 1500, 1500, 400, 1500, 400), strict=True))
    assert not (tmp_path / "made" / "features" / "u03_02.npy").exists()
    assert not (tmp_path / "made" / "features" / "u05_01.npy").exists()
    # A clip begins with the difference to the frame before, which is in another clip.
    second = dataset.load("u03_01").features[0]
    np.testing.assert_allclose(second[[0, 3]], [0.15 - 0.5, 20 / 10000], rtol=1e-5)
    tested = [dataset.bundles(split)[1] for split in range(1, 6)]
    assert tested == [
        ("u05_00", "u10_00"),
        ("u01_00", "u06_00", "u11_00"),
        ("u02_00", "u07_00", "u12_00"),
        ("u03_00", "u03_01", "u08_00", "u13_00"),
        ("u04_00", "u04_01", "u09_00"),
    ]
    assert dataset.bundles(1)[0] == tuple(sorted(name for names in tested[1:] for name in names))


def test_columns_are_found_by_their_titles(tmp_path: Path) -> None:
    clone = write_recordings(tmp_path, {})
    path = clone / "data_hmr" / "user_7" / "eye_0.csv"
    rows = ["Filename\tPattern\tConfidence\tY_coord\tX_coord", *["a\tP\t0.5\t0.75\t0.25"] * 1600]
    path.write_bytes("\r\n".join(rows).encode())
    features, labels = read_eye_movements(clone).videos["u07_00"]
    np.testing.assert_array_equal(features[:3, 7], [-0.25, 0.25, 0.5])
    assert set(labels) == {2}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["0.5\t0.5\t1.0"], "line 2: expected numbers and one of F S P B as X_coord, Y_coord, .*, not '0.5"),
        (["0.5\t0.5\t1.0\tF", "0.5\t0,5\t1.0\tF"], "line 3: expected numbers"),
        (["0.5\t0.5\t\tF"], "line 2: expected numbers"),
        (["0.5\t0.5\t1.0\tX"], "line 2: expected numbers"),
        (["0.5\t0.5\t1.0\tF", "0.5\tnan\t1.0\tF"], "line 3: NaN or infinity"),
        (samples_of(399), "399 frames of 4 samples, but a clip has 400 or more"),
        ([], "0 frames"),
    ],
)
def test_what_is_no_recording_is_refused(lines: Sequence[str], fault: str, tmp_path: Path) -> None:
    clone = write_recordings(tmp_path, {1: lines})
    with pytest.raises(BadInput, match=rf"user_1/eye_0.csv.*{fault}"):
        read_eye_movements(clone)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    clone = write_recordings(tmp_path, {})
    (clone / "data_hmr" / "user_2" / "eye_0.csv").write_text("X_coord,Y_coord,Confidence,Pattern\n")
    with pytest.raises(BadInput, match=r"user_2/eye_0.csv: no column X_coord in its first line"):
        read_eye_movements(clone)


def test_missing_recordings_are_named_with_the_commit(tmp_path: Path) -> None:
    clone = write_recordings(tmp_path, {})
    (clone / "data_hmr" / "user_13" / "eye_0.csv").unlink()
    with pytest.raises(BadInput, match=r"no data_hmr/user_13/eye_0.csv: expected a clone of .*/OEMC .*e41e14d"):
        read_eye_movements(clone)


def samples_behind(features: npt.NDArray[np.float32], labels: Sequence[str]) -> list[str]:
    """Lines of which the frames have these mean places, fastest steps and labels."""
    x, y, confidence, half = features[[0, 1, 2, 6]].astype(float)
    half = np.expm1(half) / 200
    lines = []
    for left, right, height, sure, name in zip(
        (x + 0.5 - half).tolist(),
        (x + 0.5 + half).tolist(),
        (y + 0.5).tolist(),
        confidence.tolist(),
        labels,
        strict=True,
    ):
        rest = f"\t{height}\t{sure}\t{LETTERS[name]}"
        lines += [f"{place}{rest}" for place in (left, right, right, left)]
    return lines


def test_real_data_survives_the_way_into_a_clone_and_back(real_hmr: Dataset, tmp_path: Path) -> None:
    """Up to the digits that float32 features have lost; two of the persons, to be quick."""
    dataset = real_hmr
    names = sorted(path.stem for person in (1, 10) for path in dataset.folder.glob(f"features/u{person:02d}_*.npy"))
    recordings: dict[int, list[str]] = {1: [], 10: []}
    for name in names:
        loaded = dataset.load(name)
        actions = [dataset.classes[label] for label in loaded.labels]
        recordings[int(name[1:3])] += samples_behind(loaded.features.T, actions)
    made = read_eye_movements(write_recordings(tmp_path, recordings))
    assert tuple(made.classes) == dataset.classes
    assert [name for name in made.videos if name[1:3] in ("01", "10")] == names
    for number, parts in enumerate(made.splits, start=1):
        for part, real_part in zip(parts, dataset.bundles(number), strict=True):
            assert set(part) & set(names) == set(real_part) & set(names)
    for name in names:
        (features, labels), loaded = made.videos[name], dataset.load(name)
        np.testing.assert_array_equal(labels, loaded.labels)
        np.testing.assert_allclose(features, loaded.features.T, rtol=1e-4, atol=1e-5)


def test_a_real_clone_gives_the_real_data(find_clone: Callable[[str], Path], real_hmr: Dataset) -> None:
    """But for labels of frames of which no class has the most samples."""
    clone = find_clone("OEMC")
    made, dataset = read_eye_movements(clone), real_hmr
    assert [tuple(map(tuple, parts)) for parts in made.splits] == [dataset.bundles(split) for split in range(1, 6)]
    for person in PERSONS:
        rows = (clone / "data_hmr" / f"user_{person}" / "eye_0.csv").read_text().splitlines()[1:]
        letters = [row.split("\t")[-1] for row in rows]
        counts = [Counter(letters[start : start + 4]).most_common() for start in range(0, len(letters) - 3, 4)]
        for name in (name for name in made.videos if name.startswith(f"u{person:02d}_")):
            loaded, (features, labels) = dataset.load(name), made.videos[name]
            np.testing.assert_allclose(features, loaded.features.T, rtol=1e-6, atol=1e-9)
            start = CLIP * int(name[-2:])
            tied = np.array(
                [len(count) > 1 and count[0][1] == count[1][1] for count in counts[start : start + len(labels)]]
            )
            np.testing.assert_array_equal(labels[~tied], loaded.labels[~tied])
