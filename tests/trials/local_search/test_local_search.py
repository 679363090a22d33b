"""The local search without NNI: what it writes, and that a killed one goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import Tensor

from nas_space.branching import Branching, keep_branches, next_structure
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from tests.trials.conftest import TINY_STRUCTURE, Command, Exit, tree
from tests.trials.local_search.conftest import ITERATIONS, local
from trials import local_search
from trials.data.batches import Batch
from trials.local_search import main
from trials.training.checkpoint import versions
from trials.training.metrics import METRICS
from trials.training.training import Training

STEPS = 3
"""Of an iteration: one epoch of six videos in batches of two."""
BRANCHING = Branching(rate=0.5, maximum=32)


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
