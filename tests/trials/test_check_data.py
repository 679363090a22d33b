"""The data check: what is in order as a table, and every fault with its file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bad_input import BadInput
from tests.conftest import write_dataset
from tests.forked import shell
from tests.trials.conftest import Command, Exit, tree
from trials.check_data import main


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Twelve training and four test videos, all in order."""
    return write_dataset(tmp_path / "data" / "mine", train=12, test=4)


def faults(err: str) -> list[str]:
    return [line.removeprefix("fault: ") for line in err.splitlines() if line.startswith("fault: ")]


def features(folder: Path, video: str) -> Path:
    return folder / "features" / f"{video}.npy"


def labels(folder: Path, video: str) -> Path:
    return folder / "groundTruth" / f"{video}.txt"


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


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


# Faults: each breaks one file of the video, and names what is said of it.


def unknown_label(folder: Path, video: str) -> tuple[Path, str]:
    path = labels(folder, video)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "juggle", *lines[5:]]))
    return path, ", line 5: label 'juggle' is not in the mapping"


def missing_features(folder: Path, video: str) -> tuple[Path, str]:
    features(folder, video).unlink()
    return features(folder, video), ": no such feature file"


def truncated_features(folder: Path, video: str) -> tuple[Path, str]:
    path = features(folder, video)
    path.write_bytes(path.read_bytes()[:-1])
    return path, ": not a numpy array file"


def wrong_rank(folder: Path, video: str) -> tuple[Path, str]:
    np.save(features(folder, video), np.zeros(40))
    return features(folder, video), ": 1 axes, but features are (channels, frames)"


def wrong_dimension(folder: Path, video: str) -> tuple[Path, str]:
    path = features(folder, video)
    np.save(path, np.load(path)[:5])
    return path, ": 5 channels, but most files have 6"


def spoilt(value: float) -> Callable[[Path, str], tuple[Path, str]]:
    def spoil(folder: Path, video: str) -> tuple[Path, str]:
        path = features(folder, video)
        content = np.load(path)
        content[3, 7] = value
        np.save(path, content)
        return path, ": NaN or infinity (channel 3, frame 7)"

    return spoil


def empty_labels(folder: Path, video: str) -> tuple[Path, str]:
    labels(folder, video).write_text("\n")
    return labels(folder, video), ": empty label file"


def missing_labels(folder: Path, video: str) -> tuple[Path, str]:
    labels(folder, video).unlink()
    return labels(folder, video), ": no such label file"


def longer_labels(folder: Path, video: str) -> tuple[Path, str]:
    append(labels(folder, video), "class_0\n" * 17)
    frames = np.load(features(folder, video)).shape[1]
    return features(folder, video), f": {frames} frames, but its video has {frames + 17} labels"


def trained_and_tested(folder: Path, video: str) -> tuple[Path, str]:
    path = folder / "splits" / "test.split1.bundle"
    append(path, f"{video}.txt\n")
    return path, f": video '{video}' is in the training list, too"


def duplicate_id(folder: Path, _: str) -> tuple[Path, str]:
    append(folder / "mapping.txt", "1 another\n")
    return folder / "mapping.txt", ", line 4: duplicate id 1"


FAULTS = (
    unknown_label,
    missing_features,
    truncated_features,
    wrong_rank,
    wrong_dimension,
    spoilt(np.nan),
    spoilt(np.inf),
    empty_labels,
    missing_labels,
    longer_labels,
    trained_and_tested,
    duplicate_id,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_one_fault_is_told_once(dataset: Path, fault: Callable[[Path, str], tuple[Path, str]], exit_of: Exit) -> None:
    path, what = fault(dataset, "p01-2")
    outcome = exit_of(main, dataset)
    assert outcome.code == 2
    (told,) = faults(outcome.err)
    assert told.startswith(f"{path}{what}")
    assert outcome.err.splitlines()[-1] == f"error: {dataset}: 1 fault(s), listed above"


def test_many_faults_are_all_told(dataset: Path, exit_of: Exit) -> None:
    videos = [path.stem for path in sorted((dataset / "features").iterdir())]
    expected = [f"{path}{what}" for fault, video in zip(FAULTS, videos, strict=False)
                for path, what in [fault(dataset, video)]]  # fmt: skip
    before = tree(dataset)
    outcome = exit_of(main, dataset, "--json")
    told = faults(outcome.err)
    assert outcome.code == 2
    assert [start for start in expected if not any(line.startswith(start) for line in told)] == []
    assert len(told) == len(expected) == 12
    assert json.loads(outcome.out)["faults"] == told
    assert f"{dataset}: 12 fault(s)" in outcome.err
    assert tree(dataset) == before


def test_missing_mapping_hides_no_other_fault(dataset: Path, exit_of: Exit) -> None:
    (dataset / "mapping.txt").unlink()
    path, what = wrong_rank(dataset, "p02-1")
    told = faults(exit_of(main, dataset).err)
    assert told == [f"{dataset / 'mapping.txt'}: no such file", f"{path}{what}"]


def test_damaged_bundle_is_a_fault(dataset: Path, exit_of: Exit) -> None:
    append(dataset / "splits" / "train.split1.bundle", "../../etc/passwd\n")
    (told,) = faults(exit_of(main, dataset).err)
    assert told.endswith("train.split1.bundle: '../../etc/passwd' is not the name of a video")


def test_a_group_that_fits_no_video_is_a_fault(dataset: Path, exit_of: Exit) -> None:
    (told,) = faults(exit_of(main, dataset, "--group", "rgb").err)
    assert "the group expression 'rgb' does not match video" in told


def test_transposed_files_among_others_are_named_in_one_fault(dataset: Path, exit_of: Exit) -> None:
    for video in ("p01-1", "p03-2"):
        np.save(features(dataset, video), np.load(features(dataset, video)).T)
    (told,) = faults(exit_of(main, dataset).err)
    shape = np.load(features(dataset, "p01-1")).shape
    assert told == (
        f"{dataset / 'features'}: 2 of 16 feature files look transposed (p01-1, p03-2): p01-1.npy has the shape "
        f"{shape}, its video has {shape[0]} labels, and features are (channels, frames): save the arrays' .T"
    )


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


def test_files_only_misses_no_file(dataset: Path, exit_of: Exit) -> None:
    expected = [
        f"{path}{what}" for path, what in (missing_features(dataset, "p00-1"), missing_labels(dataset, "p07-2"))
    ]
    outcome = exit_of(main, dataset, "--files-only")
    assert (outcome.code, outcome.out, faults(outcome.err)) == (2, "", expected)


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


def test_a_shell_sees_faults_and_no_traceback(dataset: Path) -> None:
    path, what = empty_labels(dataset, "p00-1")
    outcome = shell("trials.check_data", dataset)
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines() == [f"fault: {path}{what}", f"error: {dataset}: 1 fault(s), listed above"]
