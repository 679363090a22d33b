"""The data check names every fault with its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.forked import shell
from tests.trials.check_data.conftest import append, faults, features, labels
from tests.trials.conftest import Exit, tree
from trials.check_data import main

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


def test_files_only_misses_no_file(dataset: Path, exit_of: Exit) -> None:
    expected = [
        f"{path}{what}" for path, what in (missing_features(dataset, "p00-1"), missing_labels(dataset, "p07-2"))
    ]
    outcome = exit_of(main, dataset, "--files-only")
    assert (outcome.code, outcome.out, faults(outcome.err)) == (2, "", expected)


def test_a_shell_sees_faults_and_no_traceback(dataset: Path) -> None:
    path, what = empty_labels(dataset, "p00-1")
    outcome = shell("trials.check_data", dataset)
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines() == [f"fault: {path}{what}", f"error: {dataset}: 1 fault(s), listed above"]
