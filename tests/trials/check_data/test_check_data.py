"""The data check: what is in order as a table, what is doubtful, and its options."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.conftest import write_dataset
from tests.trials.check_data.conftest import append, faults, labels
from tests.trials.conftest import Command, Exit, tree
from trials.check_data import main

# In order.


def test_clean_data_prints_the_table(dataset: Path, exit_of: Exit) -> None:
    before = tree(dataset)
    outcome = exit_of(main, dataset)
    lengths = {path.stem: len(path.read_text().split()) for path in (dataset / "groundTruth").iterdir()}
    assert (outcome.code, outcome.err) == (0, "")
    assert f"16 videos, {sum(lengths.values())} frames" in outcome.out
    train = [lengths[video] for video in sorted(lengths)[:12]]
    row = next(line.split() for line in outcome.out.splitlines() if line.startswith("1       train"))
    assert row == ["1", "train", "12", str(min(train)), str(np.median(train)), str(round(np.mean(train), 1)),
                   str(max(train))]  # fmt: skip
    assert tree(dataset) == before


@pytest.mark.parametrize("rate", [1, 2])
def test_json_counts_what_the_files_hold(dataset: Path, rate: int, command: Command, capsys: Any) -> None:
    append(dataset / "mapping.txt", "3 never\n")
    with pytest.warns(UserWarning, match=r"1 of 4 classes are in no training video \(never\)"):
        command(main, dataset, "--json", "--sample-rate", rate)
    found = json.loads(capsys.readouterr().out)
    videos = [path.read_text().split() for path in (dataset / "groundTruth").iterdir()]
    names = [name for video in videos for name in video]
    assert found["videos"] == 16
    assert found["sample_rate"] == rate
    assert found["frames"] == sum(len(video[::rate]) for video in videos)
    assert found["feature_dimensions"] == [6]
    assert found["faults"] == []
    segments = [1 + sum(one != other for one, other in pairwise(video)) for video in videos]
    assert found["segments_per_video"] == round(sum(segments) / 16, 1)
    shares = {name: 100 * names.count(name) / len(names) for name in ("class_0", "class_1", "class_2", "never")}
    assert found["classes"] == pytest.approx(shares, abs=0.005)
    assert list(found["classes"].values()) == sorted(found["classes"].values(), reverse=True)
    assert [found["splits"]["1"][part]["videos"] for part in ("train", "test")] == [12, 4]


def test_50_salads_as_its_readme_says(real_data: Path, command: Command, capsys: Any) -> None:
    command(main, real_data / "50salads_mid_svm", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["videos"], found["frames"], found["segments_per_video"]) == (50, 16596, 17.9)
    assert found["feature_dimensions"] == [18]
    assert found["classes"]["background"] == pytest.approx(4.8, abs=0.05)
    parts = [found["splits"][split][part] for split in "12345" for part in ("train", "test")]
    assert [part["videos"] for part in parts] == [40, 10] * 5
    assert (min(part["min"] for part in parts), max(part["max"] for part in parts)) == (212, 552)


def test_background_segments_are_left_out(tmp_path: Path, command: Command, capsys: Any) -> None:
    folder = write_dataset(tmp_path / "mine")
    (folder / "mapping.txt").write_text("0 background\n1 class_1\n2 class_2\n")
    segments = []
    for path in (folder / "groundTruth").iterdir():
        path.write_text(path.read_text().replace("class_0", "background"))
        names = path.read_text().split()
        starts = [name for name, before in zip(names, ["", *names], strict=False) if name != before]
        segments.append(len([name for name in starts if name != "background"]))
    command(main, folder, "--json")
    assert json.loads(capsys.readouterr().out)["segments_per_video"] == round(sum(segments) / len(segments), 1)


def test_cut_videos_are_counted_in_one_warning(dataset: Path, command: Command) -> None:
    append(labels(dataset, "p00-1"), "class_0\n" * 3)
    append(labels(dataset, "p00-2"), "class_0\n" * 5)
    with pytest.warns(UserWarning, match=r"2 of 16 videos have .* different length \(by up to 5\)") as warned:
        command(main, dataset)
    assert len(warned) == 1


# Doubts: allowed, and warned of.


@pytest.mark.filterwarnings("default")
def test_features_that_say_nothing_are_counted(dataset: Path, exit_of: Exit) -> None:
    for path in (dataset / "features").iterdir():
        content = np.load(path)
        content[4] = 2.0
        np.save(path, content if path.stem >= "p02" else 0 * content)
    outcome = exit_of(main, dataset, "--json")
    doubt = "4 of 16 videos have only zeros as features (p00-1, p00-2, p01-1, p01-2)"
    assert (outcome.code, outcome.err) == (0, f"warning: {doubt}\n")
    assert json.loads(outcome.out)["doubts"] == [doubt]
    for path in (dataset / "features").iterdir():
        np.save(path, np.full_like(np.load(path), 2.0))
    (told,) = faults(exit_of(main, dataset).err)
    assert told == "all 6 channels are constant over all videos: nothing can be learned from them"


@pytest.mark.filterwarnings("default")
def test_constant_channels_are_counted(dataset: Path, exit_of: Exit) -> None:
    for path in (dataset / "features").iterdir():
        content = np.load(path)
        content[[1, 4]] = 2.0
        np.save(path, content)
    outcome = exit_of(main, dataset)
    assert (outcome.code, outcome.err) == (0, "warning: 2 of 6 channels are constant over all videos (1, 4)\n")


# Options.


def test_files_only_reads_no_features(dataset: Path, exit_of: Exit) -> None:
    for path in (dataset / "features").iterdir():
        path.write_bytes(b"")
    outcome = exit_of(main, dataset, "--files-only")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{dataset}: 16 videos, all files are there\n"


def test_split_checks_its_videos_only(tmp_path: Path, command: Command, capsys: Any) -> None:
    folder = write_dataset(tmp_path / "mine", train=4, test=2)
    (folder / "splits" / "train.split2.bundle").write_text("nowhere\np00-1\n")
    (folder / "splits" / "test.split2.bundle").write_text("p00-2\n")
    command(main, folder, "--split", 1)
    assert capsys.readouterr().out.startswith("6 videos")
    with pytest.raises(BadInput, match=r"2 fault\(s\)"):
        command(main, folder, "--split", 2)


def test_dataset_by_name(dataset: Path, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    command(main, "--dataset", "mine", "--data-root", dataset.parent, "--files-only")
    monkeypatch.setenv("G2L_DATA_ROOT", str(dataset.parent))
    command(main, "--dataset", "mine", "--files-only")
    assert capsys.readouterr().out == 2 * f"{dataset}: 16 videos, all files are there\n"


@pytest.mark.parametrize("link", ["50salads", "gtea"])
def test_a_link_is_known_by_its_own_name(dataset: Path, link: str, command: Command, capsys: Any) -> None:
    (dataset.parent / link).symlink_to(dataset)
    command(main, dataset.parent / link, "--json", "--group", r"p(\d+)")
    assert json.loads(capsys.readouterr().out)["sample_rate"] == {"50salads": 2, "gtea": 1}[link]


def test_folder_may_be_relative(dataset: Path, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(dataset)
    command(main, os.curdir, "--files-only")
    assert "16 videos" in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("x", "--dataset", "x")])
def test_folder_or_name_but_not_both(words: tuple[str, ...], command: Command) -> None:
    with pytest.raises(BadInput, match="either the folder of a data set, or its name"):
        command(main, *words)


def test_unknown_folder_is_refused(tmp_path: Path, command: Command) -> None:
    with pytest.raises(BadInput, match="no such data set folder"):
        command(main, tmp_path / "nowhere")
