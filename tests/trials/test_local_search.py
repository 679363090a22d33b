"""The local search without NNI: what it writes, that a killed one goes on, and what it refuses."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from nas_space.branching import Branching, keep_branches, next_structure
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import read_structure, write_structure
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, tree
from trials import local_search
from trials.data.batches import Batch
from trials.local_search import main
from trials.training.checkpoint import versions
from trials.training.metrics import METRICS
from trials.training.training import Training

ITERATIONS = 3
STEPS = 3
"""Of an iteration: one epoch of six videos in batches of two."""
BRANCHING = Branching(rate=0.5, maximum=32)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration takes a second, so that equal searches write equal files."""
    monkeypatch.setattr(local_search, "time", SimpleNamespace(monotonic=count().__next__))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight videos to train and validate on; two are held out."""
    return write_dataset(tmp_path / "data" / "small", train=8, test=2)


@pytest.fixture
def words(folder: Path, tmp_path: Path) -> list[object]:
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    schedule = ("--epochs", 1, "--iterations", ITERATIONS, "--learning-rate", 0.05)
    branches = ("--expand-rate", 0.5, "--max-dilation", 32)
    return [*data, *TINY, *schedule, *branches, "--structure", "hand", "--output", tmp_path / "out"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def local(output: Path) -> dict[str, Any]:
    return json.loads((output / "local.json").read_text())


class Kill(BaseException):
    """The end of the process: nothing catches it."""


def kill_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end after so many steps."""
    step, left = Training.step, iter(range(steps))

    def counted(training: Training, batch: Batch) -> Tensor:
        if next(left, None) is None:
            raise Kill
        return step(training, batch)

    monkeypatch.setattr(Training, "step", counted)


# What it writes


def test_every_iteration_is_written(words: list[object], output: Path, exit_of: Exit) -> None:
    outcome = exit_of(main, *words)
    assert (outcome.code, outcome.out) == (0, f"{output / 'best.json'}\n")
    rows = local(output)["iterations"]
    structure = TINY_STRUCTURE
    for row in rows:
        assert row["structure"] == structure.by_label()
        assert [tuple(epoch) for epoch in row["epochs"]] == [METRICS]
        structure = next_structure(structure, BRANCHING, row["probabilities"])
        assert row["next"] == structure.by_label()
    assert len(rows) == ITERATIONS
    assert structure != TINY_STRUCTURE
    assert read_structure(output / "best.json", TINY_STRUCTURE.network) == structure
    about = json.loads((output / "best.json").read_text())["about"]
    assert (about["epochs"], about["metrics"]) == (ITERATIONS, rows[-1]["epochs"][-1])
    assert about["seconds"] == ITERATIONS
    trained = Structure.from_labels(rows[-1]["structure"], TINY_STRUCTURE.network)
    multiple = keep_branches(trained, BRANCHING, rows[-1]["probabilities"])
    assert read_structure(output / "multiple.json", TINY_STRUCTURE.network) == multiple
    assert all(len(branches) > 1 for branches in multiple.branches)
    checkpoints = {f"iteration_{iteration}.pt" for iteration in range(ITERATIONS)}
    assert {path.name for path in output.iterdir()} == {"best.json", "local.json", "multiple.json"} | checkpoints


def test_the_settings_that_it_used_are_written(words: list[object], output: Path, command: Command) -> None:
    command(main, *words, "--iterations", 1, "--seed", 5, "--inner-activation", "--decay-epochs")
    search = local(output)["search"]
    assert (search["dataset"], search["split"], search["start"]) == ("small", 1, TINY_STRUCTURE.by_label())
    assert (search["branching"], search["inner_activation"]) == (BRANCHING.describe(), True)
    assert [search["settings"][name] for name in ("epochs", "seed", "decay_epochs")] == [1, 5, []]
    assert len(search["train_videos"]) == 6
    assert len(search["validation_videos"]) == 2
    assert local(output)["versions"] == versions()


def test_the_inner_activation_changes_the_search(words: list[object], output: Path, command: Command) -> None:
    command(main, *words, "--iterations", 1)
    command(main, *words, "--iterations", 1, "--inner-activation", "--output", output / "inner")
    one, other = (local(folder)["iterations"][0]["probabilities"] for folder in (output, output / "inner"))
    assert one != other
    # Branches that are kept have no activation of their own.
    assert [(folder / "multiple.json").exists() for folder in (output, output / "inner")] == [True, False]


def test_the_data_are_only_read(words: list[object], folder: Path, command: Command) -> None:
    before = tree(folder)
    command(main, *words, "--iterations", 1)
    assert tree(folder) == before


def test_the_test_videos_need_not_exist(words: list[object], folder: Path, command: Command, output: Path) -> None:
    for video in (folder / "splits" / "test.split1.bundle").read_text().split():
        (folder / "groundTruth" / video).unlink()
    command(main, *words, "--iterations", 1)
    assert (output / "best.json").exists()


# Killed, and started again


@pytest.mark.parametrize("steps", [0, STEPS - 1, STEPS, STEPS + 1, 3 * STEPS - 1])
def test_resumed_after_a_kill_equals_uninterrupted(
    words: list[object], output: Path, steps: int, exit_of: Exit, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(main, *words, "--output", output / "straight")
    with monkeypatch.context() as patch:
        kill_after(steps, patch)
        with pytest.raises(Kill):
            command(main, *words, "--output", output / "killed")
    outcome = exit_of(main, *words, "--output", output / "killed")
    assert ("resumed after iteration" in outcome.err) == (steps >= STEPS)
    assert tree(output / "killed") == tree(output / "straight")


def test_killed_between_its_two_files_it_goes_on(
    words: list[object], output: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(main, *words, "--output", output / "straight")

    def kill(*_: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(local_search, "next_structure", kill)  # the checkpoint is written, local.json is not
        with pytest.raises(Kill):
            command(main, *words, "--output", output / "killed")
    command(main, *words, "--output", output / "killed")
    assert tree(output / "killed") == tree(output / "straight")


def test_done_it_trains_nothing_again_and_more_iterations_go_on(
    words: list[object], output: Path, exit_of: Exit, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(main, *words, "--output", output / "straight")
    command(main, *words, "--iterations", 1)
    first = tree(output)
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", lambda *_: pytest.fail("trained again"))
        assert exit_of(main, *words, "--iterations", 1).out == f"{output / 'best.json'}\n"
    assert tree(output) == first
    command(main, *words)
    assert local(output) == local(output / "straight")


@pytest.mark.parametrize(("iterations", "lost"), [(1, (0,)), (2, (1,)), (2, (0, 1))], ids=str)
def test_iterations_whose_checkpoints_are_lost_are_trained_again(
    words: list[object], output: Path, iterations: int, lost: tuple[int, ...], exit_of: Exit, command: Command
) -> None:
    command(main, *words, "--output", output / "straight")
    command(main, *words, "--output", output / "struck", "--iterations", iterations)
    for iteration in lost:
        (output / "struck" / f"iteration_{iteration}.pt").unlink()
    outcome = exit_of(main, *words, "--output", output / "struck")
    assert outcome.err.count(": no such checkpoint: that iteration is trained again\n") == len(lost)
    assert tree(output / "struck") == tree(output / "straight")


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", 1),
        ("--epochs", 2),
        ("--learning-rate", 0.5),
        ("--expand-rate", 0.4),
        ("--branches", 5),
        ("--max-dilation", 64),
        ("--inner-activation",),
        ("--validation-seed", 1),
        ("--split", 2),
        ("--network", "ms-tcn:stages=2,layers=2"),
        pytest.param(("--sample-rate", 2)),
        pytest.param(("--background", "class_0")),
    ],
    ids=str,
)
def test_other_settings_in_the_same_output_are_refused(
    tmp_path: Path, output: Path, options: tuple[object, ...], exit_of: Exit
) -> None:
    folder = write_dataset(tmp_path / "data" / "small", train=8, test=2, splits=2)
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    words = [*data, *TINY, "--epochs", 1, "--iterations", 1, "--structure", "hand", "--output", output]
    exit_of(main, *words)
    before = tree(output)
    outcome = exit_of(main, *words, *options)
    message = f"error: {output}: holds a local search with other settings; choose another --output\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)
    assert tree(output) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"search": {}}'])
def test_a_damaged_history_is_refused(words: list[object], output: Path, content: str, exit_of: Exit) -> None:
    output.mkdir()
    (output / "local.json").write_text(content)
    outcome = exit_of(main, *words)
    message = f"error: {output / 'local.json'}: damaged; choose another --output\n"
    assert (outcome.code, outcome.err) == (2, message)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--iterations", 0), "--iterations must be at least 1, not 0"),
        (("--branches", 1), "the number of branches must be a whole number of at least 2, not 1"),
        (("--branches", 10**6), "the number of branches must be at most 2048, not 1000000"),
        (("--expand-rate", 1), "the expand rate must be at least 0 and below 1, not 1.0"),
        (("--max-dilation", 1), "dilations of 1 to 1 leave no room for two branches"),
        (("--max-dilation", 3), "layer s1l2: dilation 4 lies outside the bounds 1 to 3"),
        (("--min-dilation", 2), "layer s1l0: dilation 1 lies outside the bounds 2 to 32"),
        (("--structure", "nowhere.json"), "nowhere.json: no such structure file"),
        (("--split", "all"), "--split must be the number of a split, not 'all'"),
        (("--split", 7), "no such split"),
        (("--dataset", "nowhere"), "no such data set folder"),
        (("--validation-fraction", 0), "--validation-fraction must be above 0"),
        (("--epochs", 0), "epochs (0)"),
        (("--device", "cuda:99"), "device 'cuda:99' is not there"),
    ],
    ids=str,
)
def test_bad_options_are_refused_in_one_line(
    words: list[object], options: tuple[object, ...], fault: str, output: Path, exit_of: Exit
) -> None:
    outcome = exit_of(main, *words, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert fault in outcome.err
    assert outcome.err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("dialect", ["native", "seed", "mmcv"])
def test_a_structure_of_another_network_is_refused(
    words: list[object], output: Path, dialect: Any, exit_of: Exit, tmp_path: Path
) -> None:
    path = tmp_path / "start.json"
    write_structure(Structure.hand(ms_tcn.describe()), path, dialect)
    outcome = exit_of(main, *words, "--structure", path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {path}: ")
    assert outcome.err.count("\n") == 1
    assert not output.exists()


def test_another_data_set_under_the_same_name_is_refused(
    words: list[object], tmp_path: Path, output: Path, exit_of: Exit
) -> None:
    exit_of(main, *words, "--iterations", 1)
    write_dataset(tmp_path / "elsewhere" / "small", train=8, test=2, classes=4)
    outcome = exit_of(main, *words, "--data-root", tmp_path / "elsewhere")
    assert outcome.code == 2
    mapping = tmp_path / "elsewhere" / "small" / "mapping.txt"
    assert f"error: {mapping}: has changed since {output} was started (and so have" in outcome.err


@pytest.mark.parametrize(
    ("iterations", "lost"), [(1, False), (2, False), (2, True)], ids=["finished", "unfinished", "checkpoint lost"]
)
@pytest.mark.parametrize("name", CHANGES)
def test_a_search_does_not_go_on_with_other_data(
    name: str, iterations: int, lost: bool, words: list[object], folder: Path, output: Path, exit_of: Exit
) -> None:
    words += ["--no-cache"]
    assert exit_of(main, *words, "--iterations", 1).code == 0
    CHANGES[name](folder)
    if lost:
        (output / "iteration_0.pt").unlink()
    outcome = exit_of(main, *words, "--iterations", iterations)
    assert outcome.code == 2
    *_, last = outcome.err.splitlines()
    message = f"has changed since {output} was started; restore it, or choose another folder"
    assert last == f"error: {folder / name}: {message}"
    assert len(local(output)["iterations"]) == 1
    assert len(list(output.glob("*.pt"))) == (0 if lost else 1)


@pytest.mark.filterwarnings("default")  # as a user has them
def test_a_search_of_an_earlier_version_goes_on_with_a_warning(
    words: list[object], output: Path, exit_of: Exit
) -> None:
    assert exit_of(main, *words).code == 0
    content = local(output)
    del content["data"]
    (output / "local.json").write_text(json.dumps(content))
    outcome = exit_of(main, *words)
    assert outcome.code == 0
    assert f"warning: {output / 'local.json'}: made by an earlier version, without a fingerprint" in outcome.err
