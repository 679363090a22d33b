"""The merge command: branches folded into single kernels, in a checkpoint that predicts the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from common.atomic_file import write_json
from nas_space.describe import describe_network
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from tests.conftest import write_dataset
from tests.trials.conftest import TINY_STRUCTURE, Command, Exit
from trials import predict, train
from trials.merge import main
from trials.training.checkpoint import load_checkpoint

BRANCHES = {**TINY_STRUCTURE.to_labels(), "s1l0": [[1, 0.25], [2, 0.75]], "s2l2": [[9, 0.5], [10, 0.2], [11, 0.3]]}
STRUCTURE = Structure.from_labels(BRANCHES, TINY_STRUCTURE.network)


def trained(folder: Path, structure: Structure, command: Command) -> Path:
    """The checkpoint of a training of one epoch, in a folder of its own."""
    folder.mkdir()
    write_structure(structure, folder / "structure.json")
    data = write_dataset(folder / "data" / "small")
    words = ("--data-root", data.parent, "--dataset", "small", "--split", 1, "--network", structure.network)
    schedule = ("--epochs", 1, "--batch-size", 2, "--device", "cpu", "--learning-rate", 0.01)
    command(train.main, *words, *schedule, "--structure", folder / "structure.json", "--output", folder / "out")
    return folder / "out" / "model.pt"


@pytest.fixture
def checkpoint(tmp_path: Path, command: Command) -> Path:
    return trained(tmp_path / "trained", STRUCTURE, command)


def test_the_merged_network_predicts_the_same(
    checkpoint: Path, tmp_path: Path, exit_of: Exit, command: Command
) -> None:
    merged = tmp_path / "merged.pt"
    outcome = exit_of(main, "--checkpoint", checkpoint, "--output", merged)
    lines = [line.split() for line in outcome.out.splitlines()]
    assert outcome.code == 0
    assert lines[1:3] == [["s1l0", "1+2", "6", "5", "folded"], ["s2l2", "9+10+11", "9", "23"]]
    assert lines[3][:9] == ["largest", "difference", "of", "an", "output", "in", "double", "precision,", "of"]
    assert float(lines[3][-1]) < 1e-12
    loaded = load_checkpoint(merged)
    assert loaded.folded == ["s1l0"]
    assert loaded.weights["stage1.layers.0.conv_dilated.weight"].shape == (64, 64, 5)
    assert {weight.dtype for weight in loaded.weights.values()} == {torch.float32}
    assert loaded.structure() == load_checkpoint(checkpoint).structure()
    words = ("--data-root", tmp_path / "trained" / "data", "--split", 1, "--scores")
    for path in (checkpoint, merged):
        command(predict.main, "--checkpoint", path, *words, "--output", tmp_path / path.stem)
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert len(names) == 4
    for name in names:
        if name.endswith(".txt"):
            assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "merged" / name).read_bytes()


def test_what_costs_more_is_refused_with_its_figure(checkpoint: Path, tmp_path: Path, exit_of: Exit) -> None:
    outcome = exit_of(main, "--checkpoint", checkpoint, "--output", tmp_path / "merged.pt", "--layers", "s2l2")
    assert outcome.code == 2
    assert "layer 's2l2': one dense kernel has 23 taps, its branches one by one have 9" in outcome.err
    assert not (tmp_path / "merged.pt").exists()


def test_no_other_file_is_overwritten(checkpoint: Path, tmp_path: Path, exit_of: Exit, command: Command) -> None:
    before = checkpoint.read_bytes()
    for output in (checkpoint, tmp_path / "features.npy"):
        outcome = exit_of(main, "--checkpoint", checkpoint, "--output", output)
        assert (outcome.code, "give another file than the checkpoint, NAME.pt" in outcome.err) == (2, True)
    assert checkpoint.read_bytes() == before
    merged = tmp_path / "merged.pt"
    assert (
        "has no layer 's9l9'" in exit_of(main, "--checkpoint", checkpoint, "--output", merged, "--layers", "s9l9").err
    )
    command(main, "--checkpoint", checkpoint, "--output", merged, "--layers", "s1l0", "s1l0")
    assert load_checkpoint(merged).folded == ["s1l0"]


def test_there_must_be_something_to_merge(tmp_path: Path, command: Command, exit_of: Exit) -> None:
    long = Structure.from_labels({**BRANCHES, "s1l0": 1}, TINY_STRUCTURE.network)
    merged = tmp_path / "merged.pt"
    for name, structure, message in (
        ("hand", TINY_STRUCTURE, "keeps one dilation in each layer: there is nothing to merge"),
        ("long", long, "no layer has fewer taps than its branches have: s2l2, the nearest, 23 in place of 9"),
    ):
        path = trained(tmp_path / name, structure, command)
        outcome = exit_of(main, "--checkpoint", path, "--output", merged)
        assert (outcome.code, message in outcome.err) == (2, True)
    path = trained(tmp_path / "both", STRUCTURE, command)
    command(main, "--checkpoint", path, "--output", merged)
    assert "is merged already" in exit_of(main, "--checkpoint", merged, "--output", tmp_path / "again.pt").err


def test_the_convolutions_of_others_stay_a_sum(tmp_path: Path, command: Command, exit_of: Exit) -> None:
    write_json(tmp_path / "net.json", describe_network("tests.own_networks:residual", 6, 3).to_json())
    network = find_network(str(tmp_path / "net.json"))
    first, *_ = network.paths
    structure = Structure.from_labels({**Structure.hand(network).to_labels(), first: [[1, 0.5], [2, 0.5]]}, network)
    path = trained(tmp_path / "own", structure, command)
    named = ("--network", tmp_path / "net.json")
    outcome = exit_of(main, "--checkpoint", path, "--output", tmp_path / "merged.pt", *named)
    assert outcome.code == 2
    assert f"layer {first!r} is a convolution of {network}: only those of our networks can be folded" in outcome.err


def test_metrics_say_what_the_branches_have_learned(checkpoint: Path) -> None:
    content = json.loads((checkpoint.parent / "metrics.json").read_text())
    assert content["run"]["structure"] == STRUCTURE.to_paths()
    learned = Structure.from_paths(content["branches"], STRUCTURE.network)
    assert learned == load_checkpoint(checkpoint).structure() != STRUCTURE
    assert learned.dilations == STRUCTURE.dilations
    assert content["receptive_field"]["network"] == 1 + 2 * (2 + 2 + 4 + 1 + 2 + 11)
