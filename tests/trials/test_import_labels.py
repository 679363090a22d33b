"""Labels, mapping and splits that are made of segments, and what must not be overwritten."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.conftest import REPOSITORY
from tests.trials.conftest import Command, Exit, tree
from tests.trials.data.test_elan import EAF, SEVERAL
from tests.trials.data.test_segment_tables import BORIS
from trials import check_data
from trials.data.dataset import Dataset
from trials.import_labels import main

TABLE = """\
video,start,end,label
p1-a,0,1,cut
p1-a,1,2.5,peel
p1-b,0,2,peel
p2-a,0,1.5,cut
p2-b,0,1,mix
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "segments.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A data set of which there are only features, of 10 frames a second."""
    folder = tmp_path / "data" / "mine"
    (folder / "features").mkdir(parents=True)
    for video, frames in (("p1-a", 25), ("p1-b", 20), ("p2-a", 15), ("p2-b", 10)):
        np.save(folder / "features" / f"{video}.npy", np.zeros((3, frames), np.float32))
    return folder


def runs(folder: Path, video: str) -> list[tuple[str, int]]:
    lines = (folder / "groundTruth" / f"{video}.txt").read_text().splitlines()
    return [(label, len(list(group))) for label, group in groupby(lines)]


def features(folder: Path, video: str, frames: int) -> None:
    np.save(folder / "features" / f"{video}.npy", np.zeros((3, frames), np.float32))


def test_a_data_set_is_made(table: Path, mine: Path, exit_of: Exit) -> None:
    outcome = exit_of(main, table, "--fps", 10, "--folds", 2, "--group", "p(.)", "--output", mine)
    assert (outcome.code, outcome.out) == (0, f"4 videos, 70 frames, 3 classes, 2 splits: {mine}\n")
    assert outcome.err == f"next: g2l check {mine}\n"
    assert (mine / "mapping.txt").read_text() == "0 cut\n1 mix\n2 peel\n"
    assert runs(mine, "p1-a") == [("cut", 10), ("peel", 15)]
    dataset = Dataset(mine)
    tests = sorted(dataset.split(number)[1] for number in dataset.splits())
    assert tests == [("p1-a", "p1-b"), ("p2-a", "p2-b")]
    dataset.check(dataset.videos())


@pytest.mark.filterwarnings("default:.*in no training video")
def test_a_check_finds_no_fault(table: Path, mine: Path, command: Command, exit_of: Exit) -> None:
    command(main, table, "--fps", 10, "--folds", 2, "--output", mine)
    for path in (mine / "features").iterdir():
        np.save(path, np.random.default_rng(0).normal(size=np.load(path).shape))
    assert exit_of(check_data.main, mine, "--validation-fraction", 0).code == 0


def test_the_seed_chooses_the_splits(table: Path, mine: Path, tmp_path: Path, command: Command) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "features").symlink_to(mine / "features")
        command(main, table, "--fps", 10, "--folds", 2, "--seed", seed, "--output", tmp_path / name)
    assert tree(tmp_path / "a") == tree(tmp_path / "b") != tree(tmp_path / "c")


@pytest.mark.parametrize("rate", [10, 50])
def test_the_frame_rate_of_a_known_data_set(tmp_path: Path, command: Command, rate: int) -> None:
    (tmp_path / "s.csv").write_text("video,start,end,label\nu01_01,0,1,a\nu02_01,0,1,b\n")
    words = () if rate == 50 else ("--fps", rate)
    with pytest.warns(UserWarning, match="labelled to their last segment"):
        command(main, tmp_path / "s.csv", *words, "--folds", 2, "--output", tmp_path / "hmr")
    assert runs(tmp_path / "hmr", "u01_01") == [("a", rate)]


# The length of a video.


def test_the_features_decide(table: Path, mine: Path, command: Command) -> None:
    features(mine, "p1-a", 30)  # longer than the segments
    features(mine, "p1-b", 18)  # shorter by two frames, as those of a network with a window are
    command(main, table, "--fps", 10, "--background", "none", "--length", 100, "--folds", 2, "--output", mine)
    assert runs(mine, "p1-a") == [("cut", 10), ("peel", 15), ("none", 5)]
    assert runs(mine, "p1-b") == [("peel", 18)]
    assert (mine / "mapping.txt").read_text().startswith("0 none\n1 cut\n")


def test_without_a_background_a_video_may_end_some_frames_earlier(table: Path, mine: Path, command: Command) -> None:
    features(mine, "p1-a", 41)  # 16 frames more: what data sets may differ by
    command(main, table, "--fps", 10, "--folds", 2, "--output", mine)
    assert runs(mine, "p1-a") == [("cut", 10), ("peel", 15)]
    features(mine, "p1-a", 42)
    with pytest.raises(BadInput, match=r"line 3: after 'peel' \(frames 10 to 24\), frames 25 to 41 \(2\.500 s to 4\."):
        command(main, table, "--fps", 10, "--folds", 2, "--output", mine, "--force")


def test_another_frame_rate_is_noticed(table: Path, mine: Path, command: Command) -> None:
    with pytest.raises(BadInput, match=r"line 3: 'peel' \(frames 30 to 74\) ends after the video's 25 frames by"):
        command(main, table, "--fps", 30, "--folds", 2, "--output", mine)


@pytest.mark.parametrize(
    ("words", "frames", "end"),
    [((), 25, "their last segment"), (("--length", "3", "--background", "none"), 30, "--length 3")],
)
def test_without_features(
    table: Path, tmp_path: Path, command: Command, words: tuple[str, ...], frames: int, end: str
) -> None:
    with pytest.warns(UserWarning, match=rf"no features of 4 videos \(p1-a, p1-b, p2-a, \.\.\.\): labelled to {end}"):
        command(main, table, "--fps", 10, *words, "--folds", 2, "--output", tmp_path / "new")
    assert sum(length for _, length in runs(tmp_path / "new", "p1-a")) == frames


def test_a_given_length_is_exact(table: Path, tmp_path: Path, command: Command) -> None:
    for length, message in (
        ("2.4", r"'peel' \(frames 10 to 24\) ends after the video's 24 frames by --length"),
        ("3", "lie"),
    ):
        with pytest.raises(BadInput, match=f"line 3: .*{message}"):
            command(main, table, "--fps", 10, "--length", length, "--output", tmp_path / "new")


# ELAN and BORIS.


def test_elan(tmp_path: Path, command: Command) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.eaf").write_text(SEVERAL)
    files = sorted(tmp_path.glob("*.eaf"))
    words = ("--tier", "action", "--fps", 10, "--background", "none", "--folds", 2, "--output", tmp_path / "new")
    with pytest.warns(UserWarning, match="no features"):
        command(main, *files, *words)
    # From 0.005 s to 1.5 s to 61.04 s.
    assert runs(tmp_path / "new", "two") == [("none", 1), ("cut & peel", 14), ("mix", 596)]


@pytest.mark.filterwarnings("ignore:.*point events")
def test_boris(tmp_path: Path, command: Command) -> None:
    (tmp_path / "events.csv").write_text(BORIS)
    words = ("--subject", "bee", "--fps", 2, "--background", "none", "--folds", 2, "--output", tmp_path / "new")
    with pytest.warns(UserWarning, match="no features"):
        command(main, tmp_path / "events.csv", *words)
    assert runs(tmp_path / "new", "day1") == [("none", 1), ("fly", 7)]
    with pytest.raises(BadInput, match=r"line 2: 'dig, deep' .* overlaps 'fly' .* of .*, line 5, but"):
        command(main, tmp_path / "events.csv", *words[2:-1], tmp_path / "other")


# What is there.


def test_nothing_is_overwritten_unasked(table: Path, mine: Path, command: Command) -> None:
    words = (table, "--fps", 10, "--folds", 2, "--output", mine)
    command(main, *words)
    before = tree(mine)
    table.write_text(TABLE.replace("1,cut", "1,mix"))
    (mine / "groundTruth" / "p1-b.txt").unlink()
    with pytest.raises(BadInput, match=r"p1-a\.txt: exists \(3 of 4 label files do\): --force overwrites them"):
        command(main, *words)
    assert before.items() > tree(mine).items()
    command(main, *words, "--force", "--seed", 7)
    assert runs(mine, "p1-a") == [("mix", 10), ("peel", 15)]
    changed = {name for name, digest in tree(mine).items() if before[name] != digest}
    assert changed == {"groundTruth/p1-a.txt"}


def test_a_mapping_is_kept(table: Path, mine: Path, command: Command) -> None:
    (mine / "mapping.txt").write_text("0 peel\n1 cut\n")
    with pytest.raises(BadInput, match=r"csv, line 6: 'mix' is not in .*mapping\.txt, which is kept"):
        command(main, table, "--fps", 10, "--folds", 2, "--output", mine)
    (mine / "mapping.txt").write_text("0 peel\n1 cut\n2 mix\n")
    with pytest.raises(BadInput, match=r"--background: 'none' is not in .*mapping\.txt"):
        command(main, table, "--fps", 10, "--background", "none", "--folds", 2, "--output", mine)
    command(main, table, "--fps", 10, "--folds", 2, "--output", mine)
    assert (mine / "mapping.txt").read_text() == "0 peel\n1 cut\n2 mix\n"


@pytest.mark.filterwarnings("default")  # as a user has them
def test_splits_are_kept(table: Path, mine: Path, exit_of: Exit) -> None:
    (mine / "splits").mkdir()
    (mine / "splits" / "train.split1.bundle").write_text("p1-a.txt\np1-b.txt\n")
    (mine / "splits" / "test.split1.bundle").write_text("p2-a.txt\n")
    before = tree(mine / "splits")
    outcome = exit_of(main, table, "--fps", 10, "--output", mine)
    assert outcome.err.splitlines()[0] == f"warning: {mine / 'splits'}: kept, and without 1 videos (p2-b)"
    assert outcome.out == f"4 videos, 70 frames, 3 classes, splits kept: {mine}\n"
    assert tree(mine / "splits") == before


def test_new_splits_have_earlier_videos_too(table: Path, mine: Path, command: Command) -> None:
    (mine / "groundTruth").mkdir()
    (mine / "groundTruth" / "p0-a.txt").write_text("cut\n")
    command(main, table, "--fps", 10, "--folds", 5, "--output", mine)
    tested = Counter(video for number in range(1, 6) for video in Dataset(mine).split(number)[1])
    assert tested == dict.fromkeys(["p0-a", "p1-a", "p1-b", "p2-a", "p2-b"], 1)


# Refusals, after which nothing is written.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --fps RATE, frames a second of the feature files; or --unit frames"),
        (("--fps", "0"), "--fps 0: not a frame rate"),
        (("--fps", "10", "--unit", "frames"), "--fps is for seconds"),
        (("--fps", "10"), "4 videos cannot be divided into 5 folds: choose fewer --folds"),
        (("--fps", "10", "--folds", "2", "--group", "(x)"), "does not match video 'p1-a'"),
        (("--fps", "10", "--length", "x"), "--length x: not the length of a video"),
        (("--fps", "10", "--length", "0"), "--length 0: not the length of a video"),
        (("--fps", "10", "--length", "999999999"), "--length 999999999: not the length of a video"),
        (("--fps", "10", "--background", ""), "--background '': not a label"),
        (("--fps", "10", "--tier", "a"), "--tier is for ELAN files (.eaf), and there is none"),
        (("--fps", "10", "--columns", "a", "b", "c", "d"), "line 1: no column 'a' among 'video', 'start', 'end', 'la"),
    ],
)
def test_refusals(table: Path, mine: Path, exit_of: Exit, words: tuple[str, ...], message: str) -> None:
    before = tree(mine)
    outcome = exit_of(main, table, *words, "--output", mine)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert tree(mine) == before


def test_elan_has_no_frames_and_no_subjects(tmp_path: Path, command: Command) -> None:
    (tmp_path / "one.eaf").write_text(EAF)
    words = (tmp_path / "one.eaf", "--output", tmp_path / "new")
    with pytest.raises(BadInput, match="times of ELAN are seconds: leave --unit frames out"):
        command(main, *words, "--unit", "frames")
    with pytest.raises(BadInput, match="--subject is for tables of BORIS, and there is none among these"):
        command(main, *words, "--fps", 10, "--subject", "ant")


def test_a_video_in_two_files(table: Path, mine: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "more.csv").write_text("video,start,end,label\np2-b,1,2,cut\n")
    with pytest.raises(BadInput, match=r"more\.csv, line 2: video 'p2-b' is in another file, too \(.*csv, line 6\)"):
        command(main, table, tmp_path / "more.csv", "--fps", 10, "--output", mine)


def test_short_segments_are_named(table: Path, mine: Path, command: Command) -> None:
    table.write_text(TABLE.replace("p1-a,0,1,", "p1-a,0.01,0.09,blink\np1-a,0,1,"))
    with pytest.warns(UserWarning, match=r"1 segments are too short to have a frame: left out \(.*csv, line 2, "):
        command(main, table, "--fps", 10, "--folds", 2, "--output", mine)


def test_a_video_needs_a_frame(table: Path, mine: Path, command: Command) -> None:
    table.write_text("video,start,end,label\np1-a,1,2,cut\n")
    with pytest.raises(BadInput, match=r"line 2: video 'p1-a' has no segment in which a frame starts: is --fps right"):
        command(main, table, "--fps", "0.1", "--output", mine)


def test_neither_pytorch_nor_nni_is_needed(table: Path, mine: Path) -> None:
    code = "import sys; sys.modules['torch'] = sys.modules['nni'] = None; from trials.import_labels import main; main()"
    command = [sys.executable, "-c", code, str(table), "--fps", "10", "--folds", "2", "--output", str(mine)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
