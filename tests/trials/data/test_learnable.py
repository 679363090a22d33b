"""Data that is too small, or from which nothing can be learned: told by the data check and by every training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from nas_space.branching import Branching
from tests.conftest import write_dataset
from tests.trials.conftest import TINY, TINY_STRUCTURE, Exit, Outcome, Trial
from trials import (
    check_data,
    differentiable_search,
    differentiable_trial,
    final_trial,
    local_search,
    local_trial,
    search_trial,
    train,
)
from trials.data.learnable import Part, doubts, doubts_of_parts

CLASSES = ("a", "b", "c")
LABELS = {"one": [0, 0, 1], "two": [0, 2], "same": [1, 1, 1], "other": [0]}


def found(train: list[str], others: list[str]) -> list[str]:
    return doubts(train, others, lambda video: np.array(LABELS[video]), CLASSES)


def test_enough_of_everything_draws_no_line() -> None:
    assert found(["one", "two"], ["same", "other"]) == []
    assert found(["one", "two"], []) == []


def test_what_is_too_small_is_told() -> None:
    missing, train, score = found(["one"], ["two"])
    assert missing.startswith("1 of 3 classes are in no training video (c): they are never predicted")
    assert train.startswith("one training video only (one)")
    assert score.startswith("one video only to score (two)")


@pytest.mark.parametrize("videos", [["same"], ["same", "same"]])
def test_one_class_is_refused(videos: list[str]) -> None:
    with pytest.raises(BadInput, match="all training videos have one class only, 'b': nothing can be learned"):
        found(videos, ["one", "two"])


def test_one_line_tells_of_all_splits() -> None:
    parts = [
        Part("split", 1, ["one"], ["two", "same"]),
        Part("a search on split", 1, ["one"], ["two"]),
        Part("split", 2, ["one", "two"], ["same"]),
        Part("split", 3, ["one"], ["same"]),
        Part("split", 4, ["same"], ["one", "two"]),
        Part("split", 5, ["same"], ["one"]),
    ]
    faults, lines = doubts_of_parts(parts, lambda video: np.array(LABELS[video]), CLASSES)
    assert [line.partition(" (")[0] for line in lines] == [
        "split 1, 3: 1 of 3 classes are in no training video",
        "split 1, 3: one training video only",
        "a search on split 1: one video only to score",
        "split 2, 3: one video only to score",
    ]
    assert [fault.partition(":")[0] for fault in faults] == ["split 4, 5"]


# Every command that trains, on made-up data sets.

TrainAll = Callable[..., dict[str, Outcome]]
SEARCHES = {"search_trial", "local_trial", "differentiable_trial", "local_search", "differentiable_search"}
ALL = {*SEARCHES, "train", "final_trial"}
COMMANDS = {
    "train": train,
    "local_search": local_search,
    "differentiable_search": differentiable_search,
    "search_trial": search_trial,
    "local_trial": local_trial,
    "differentiable_trial": differentiable_trial,
    "final_trial": final_trial,
}


def relabelled(folder: Path, change: Callable[[str, str], str]) -> Path:
    for path in (folder / "groundTruth").iterdir():
        path.write_text(change(path.stem, path.read_text()))
    return folder


@pytest.fixture
def train_all(exit_of: Exit, trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainAll:
    """Run every command that trains on a data set; what each said, by its name."""
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path / "experiment" / "environments" / "env" / "trials" / "Ab3dE"))
    structure = TINY_STRUCTURE.by_label()
    chain = {"chain": 0, "iteration": 0, "split": 1, "seed": 0, "_branching": Branching().to_text()}

    def run(folder: Path, *options: str) -> dict[str, Outcome]:
        data = ("--data-root", folder.parent, "--dataset", folder.name, *TINY, "--epochs", 1)
        search, split = (*data, *options), ("--split", 1)
        by_hand = ("--structure", "hand", "--output")
        outcomes = {}

        def add(name: str, *words: object) -> None:
            # As a user has them, in a process of which nothing was said before.
            monkeypatch.setattr("warnings.filters", [])
            warnings.simplefilter("default")
            outcomes[name] = exit_of(COMMANDS[name].main, *words)

        add("train", *data, *split, *by_hand, tmp_path / "trained")
        add("local_search", *search, *split, *by_hand, tmp_path / "local", "--iterations", 1)
        add("differentiable_search", *search, *split, "--output", tmp_path / "found", "--candidates", 1, 2)
        trial.parameters = {**structure, "_uid": 0}
        add("search_trial", *search, *split)
        trial.parameters = {**structure, **chain}
        add("local_trial", *search)
        trial.parameters = {"seed": 0}
        add("differentiable_trial", *search, *split, "--candidates", 1, 2)
        trial.parameters = {"structure": "hand", "split": 1, "seed": 0}
        add("final_trial", *data, "--output", tmp_path / "final")
        assert outcomes.keys() == COMMANDS.keys() == ALL
        return outcomes

    return run


def told(outcomes: dict[str, Outcome], kind: str, line: str) -> set[str]:
    """The commands that said it in one line, and no other command's line has it."""
    starts = {name: [said for said in outcomes[name].err.splitlines() if line in said] for name in outcomes}
    assert all(said.startswith(f"{kind}: ") for lines in starts.values() for said in lines)
    assert all(len(lines) <= 1 for lines in starts.values())
    return {name for name, lines in starts.items() if lines}


def codes(outcomes: dict[str, Outcome]) -> dict[str, int]:
    return {name: outcome.code for name, outcome in outcomes.items()}


@pytest.mark.parametrize("classes", [1, 3])
def test_one_class_is_refused_by_all(classes: int, train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = relabelled(
        write_dataset(tmp_path / "data" / "same", train=6, classes=classes, splits=2),
        lambda _, text: "class_0\n" * len(text.split()),
    )
    outcomes = train_all(folder)
    assert codes(outcomes) == dict.fromkeys(ALL, 2)
    line = "all training videos have one class only, 'class_0': nothing can be learned"
    assert told(outcomes, "error", f"{folder}: {line}") == ALL
    for option in ("--files-only", "--json"):
        checked = exit_of(check_data.main, folder, option)
        assert checked.code == 2
        assert [said for said in checked.err.splitlines() if line in said] == [
            f"fault: split 1, 2: {line}; train on videos of at least two classes"
        ]


def test_two_videos_are_refused_by_searches(train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "two", train=1, test=1)
    outcomes = train_all(folder)
    assert codes(outcomes) == {name: 2 if name in SEARCHES else 0 for name in ALL}
    refusal = "1 training video(s): nothing can be held out for validation; a search needs two"
    assert told(outcomes, "error", refusal) == SEARCHES
    for line in ("one training video only (p00-1)", "one video only to score (p00-2)"):
        assert told(outcomes, "warning", f"{folder}: {line}") == ALL - SEARCHES
        assert f"warning: split 1: {line}" in exit_of(check_data.main, folder).err
    assert f"fault: {refusal}" in exit_of(check_data.main, folder).err
    assert exit_of(check_data.main, folder, "--validation-fraction", 0).code == 0


def test_two_training_videos_are_warned_of(train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "three", train=2, test=2)
    outcomes = train_all(folder)
    assert codes(outcomes) == dict.fromkeys(ALL, 0)
    for line in ("one training video only", "one video only to score"):
        assert told(outcomes, "warning", line) == SEARCHES
    checked = exit_of(check_data.main, folder)
    assert checked.code == 0
    assert checked.err.count("warning: a search on split 1: one ") == 2


def test_a_class_in_no_training_video_is_warned_of(train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = relabelled(
        write_dataset(tmp_path / "data" / "few", train=6),
        lambda video, text: text.replace("class_2", "class_1") if video < "p03" else text,
    )
    outcomes = train_all(folder)
    assert codes(outcomes) == dict.fromkeys(ALL, 0)
    line = "1 of 3 classes are in no training video (class_2): they are never predicted"
    assert told(outcomes, "warning", f"{folder}: {line}") == ALL
    checked = exit_of(check_data.main, folder)
    assert checked.code == 0
    assert checked.err.count(f"warning: split 1: {line}") == checked.err.count(line) == 1


def test_one_person_only_is_refused_by_searches(train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "person", train=6)
    group = ("--group", "(p)")
    outcomes = train_all(folder, *group)
    assert codes(outcomes) == {name: 2 if name in SEARCHES else 0 for name in ALL}
    line = "all 6 training videos are of one group, 'p' by --group '(p)', and groups stay together"
    assert told(outcomes, "error", line) == SEARCHES
    checked = exit_of(check_data.main, folder, *group)
    assert (checked.code, checked.err.count(f"fault: {line}")) == (2, 1)
    assert exit_of(check_data.main, folder, *group, "--validation-fraction", 0).code == 0
    assert exit_of(check_data.main, folder, "--group", ".*").code == 0
    assert codes(train_all(folder, "--group", ".*")) == dict.fromkeys(ALL, 0)


def test_transposed_features_are_one_fault(train_all: TrainAll, exit_of: Exit, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "turned", train=6)
    for path in (folder / "features").iterdir():
        np.save(path, np.load(path).T)
    outcomes = train_all(folder)
    assert codes(outcomes) == dict.fromkeys(ALL, 2)
    line = f"{folder / 'features'}: all feature files look transposed: "
    assert told(outcomes, "error", line) == ALL
    checked = exit_of(check_data.main, folder)
    assert checked.err.count("fault: ") == checked.err.count(f"fault: {line}") == 1


@pytest.mark.parametrize("caching", [(), ("--no-cache",)])
def test_values_that_training_cannot_bear_are_found_by_the_check(
    caching: tuple[str, ...], exit_of: Exit, tmp_path: Path
) -> None:
    folder = write_dataset(tmp_path / "data" / "huge", train=6)
    path = folder / "features" / "p00-1.npy"
    np.save(path, 1e38 * np.load(path).clip(-1, 1))
    (fault,) = [line for line in exit_of(check_data.main, folder).err.splitlines() if line.startswith("fault: ")]
    assert fault.startswith(f"fault: {path}: a value of ")
    words = ("--data-root", folder.parent, "--dataset", "huge", "--split", 1, *TINY, "--epochs", 1, *caching)
    refused = exit_of(train.main, *words, "--structure", "hand", "--output", tmp_path / "out")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == fault.replace("fault: ", "error: ")
