"""Checkpoints come back as they were, run no code, and are refused in one line where they are none."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.bad_input import BadInput
from nas_space.folding import fold
from nas_space.layers.packed_videos import PackedVideos
from nas_space.networks import build
from nas_space.structure import Structure
from tests.forked import on_full_disk
from tests.trials.conftest import TINY_STRUCTURE, Boom, equal_weights
from trials.training.checkpoint import Checkpoint, load_checkpoint, load_torch, save_checkpoint, save_torch, versions

DIM, CLASSES = 5, ["cut", "peel", "mix"]


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    structure = Structure((3, 1, 4, 1, 5, 9), TINY_STRUCTURE.network)
    return Checkpoint(
        weights=build(structure, DIM, len(CLASSES)).state_dict(),
        dilations=structure.by_path(),
        network=structure.network.to_json(),
        feature_dim=DIM,
        classes=CLASSES,
        dataset="mine",
        sample_rate=2,
        background=["mix"],
        settings={"epochs": 3, "learning_rate": 0.1, "decay_epochs": [50], "precision": "float32"},
        versions=versions(),
        train_videos=["a", "b"],
        data={"mapping.txt": "0123abcd"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def refused(path: Path) -> str:
    """Why a file is refused: one line that begins with the file."""
    with pytest.raises(BadInput) as refusal:
        load_checkpoint(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_round_trip(checkpoint: Checkpoint, path: Path) -> None:
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert equal_weights(loaded.weights, checkpoint.weights)
    ours, theirs = vars(checkpoint), vars(loaded)
    assert {**theirs, "weights": None} == {**ours, "weights": None}


def test_a_checkpoint_of_an_earlier_version_is_read(checkpoint: Checkpoint, path: Path) -> None:
    save_checkpoint(path, checkpoint)
    content = load_torch(path)
    del content["train_videos"], content["data"], content["network"]
    content |= {"shape": {"num_stages": 2, "num_layers": 3, "kernel_size": 3}, "channels": 64}
    save_torch(path, content)
    loaded = load_checkpoint(path)
    assert (loaded.train_videos, loaded.data) == (None, None)
    assert loaded.structure() == checkpoint.structure()
    assert equal_weights(loaded.weights, checkpoint.weights)
    del content["classes"]
    save_torch(path, content)
    assert refused(path).startswith("not a checkpoint of this project")


def test_network_has_structure_and_weights(checkpoint: Checkpoint, path: Path) -> None:
    save_checkpoint(path, checkpoint)
    network = load_checkpoint(path).module()
    assert load_checkpoint(path).structure().dilations == (3, 1, 4, 1, 5, 9)
    assert equal_weights(network.state_dict(), checkpoint.weights)
    original = build(checkpoint.structure(), DIM, len(CLASSES))
    original.load_state_dict(checkpoint.weights)
    videos = PackedVideos(torch.randn(20, DIM), (0, 20))
    assert torch.equal(network.eval()(videos), original.eval()(videos))


BRANCHES = {**TINY_STRUCTURE.to_labels(), "s1l0": [[1, 0.25], [2, 0.75]], "s2l2": [[9, 0.5], [11, 0.5]]}


def branched(checkpoint: Checkpoint, folded: list[str]) -> Checkpoint:
    """Of a network that keeps branches in two layers, some of them folded."""
    structure = Structure.from_labels(BRANCHES, TINY_STRUCTURE.network)
    module = build(structure, DIM, len(CLASSES))
    fold(module, structure, folded)
    return replace(checkpoint, weights=module.state_dict(), dilations=structure.to_paths(), folded=folded)


@pytest.mark.parametrize("folded", [[], ["s1l0"]])
def test_branches_make_a_file_of_another_format(checkpoint: Checkpoint, path: Path, folded: list[str]) -> None:
    save_checkpoint(path, branched(checkpoint, folded))
    assert load_torch(path)["format"] == "global2local-checkpoint-2"
    loaded = load_checkpoint(path)
    assert loaded.structure() == Structure.from_labels(BRANCHES, TINY_STRUCTURE.network)
    videos = PackedVideos(torch.randn(20, DIM), (0, 20))
    taps = 5 if folded else 3
    assert loaded.weights["stage1.layers.0.conv_dilated.weight"].shape[2] == taps
    assert equal_weights(loaded.module().state_dict(), loaded.weights)
    assert loaded.module().eval()(videos).shape == (2, 20, 3)


def test_without_branches_a_file_is_as_before(checkpoint: Checkpoint, path: Path) -> None:
    save_checkpoint(path, checkpoint)
    content = load_torch(path)
    assert content["format"] == "global2local-checkpoint"
    assert content.keys() == {field.name for field in fields(Checkpoint)} - {"folded"} | {"format"}


@pytest.mark.parametrize(
    ("folded", "reason"),
    [
        (["s2l2"], "layer 's2l2': one dense kernel has 23 taps, its branches one by one have 6"),
        (["s1l1"], "layer 's1l1' has not several branches"),
        (["s1l0", "s1l0"], "layer 's1l0' is folded already"),
        ([], "the weights do not fit the network: "),
        ("s1l0", "the folded layers are no list of labels"),
        ([7], "the folded layers are no list of labels"),
    ],
    ids=str,
)
def test_folded_layers_that_cannot_be_are_refused(checkpoint: Checkpoint, path: Path, folded: Any, reason: str) -> None:
    save_checkpoint(path, replace(branched(checkpoint, ["s1l0"]), folded=folded))
    assert reason in refused(path)


def test_versions_are_plain_text() -> None:
    assert versions() == {"python": versions()["python"], "torch": torch.__version__, "numpy": np.__version__}
    assert {type(version) for version in versions().values()} == {str}


@pytest.mark.parametrize("dump", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_file_is_not_executed(dump: Callable[[object, Path], object], path: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    dump({"format": Boom(made)}, path)
    assert refused(path).startswith("not a checkpoint, or damaged")
    assert not made.exists()


def test_missing_file_is_refused(path: Path) -> None:
    assert refused(path) == "no such checkpoint"


@pytest.mark.parametrize("content", [b"", b"model", b"PK\x03\x04 zip", bytes(range(256))])
def test_foreign_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refused(path).startswith("not a checkpoint, or damaged")


@pytest.mark.parametrize("kept", [0.001, 0.5, 0.99])
def test_truncated_files_are_refused(checkpoint: Checkpoint, path: Path, kept: float) -> None:
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert refused(path).startswith("not a checkpoint, or damaged")


def test_a_flipped_bit_is_noticed(checkpoint: Checkpoint, path: Path) -> None:
    save_checkpoint(path, checkpoint)
    content = bytearray(path.read_bytes())
    content[content.index(checkpoint.weights["stage1.conv_1x1.bias"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert refused(path) == "not a checkpoint, or damaged (ValueError: a wrong checksum or size)"


def test_a_file_that_unpacks_to_more_is_refused(checkpoint: Checkpoint, path: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "good.pt", checkpoint)
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in good.infolist():
            packed.writestr(entry.filename, good.read(entry))
        packed.writestr("good/data/bomb", bytes(10_000_000))
    assert refused(path) == "not a checkpoint, or damaged (ValueError: a wrong checksum or size)"


@pytest.mark.parametrize(
    "content", [{}, {"format": "other"}, {"format": "global2local-checkpoint"}, [1], torch.zeros(3)], ids=str
)
def test_other_torch_files_are_refused(path: Path, content: Any) -> None:
    torch.save(content, path)
    assert refused(path).startswith("not a checkpoint of this project")


def test_a_bare_state_dict_is_refused(checkpoint: Checkpoint, path: Path) -> None:
    save_torch(path, checkpoint.weights)
    assert refused(path) == "not a checkpoint of this project (train one with python -m trials.train)"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("classes", ["mix", "peel"], "conv_out"),
        ("feature_dim", DIM + 1, "stage1.conv_1x1"),
        ("network", {**TINY_STRUCTURE.network.to_json(), "channels": 17}, "conv"),
        ("weights", {}, "Missing key"),
        ("dilations", {}, "has no dilation"),
        ("dilations", {**TINY_STRUCTURE.by_path(), "stage9": 1}, "unknown layer 'stage9'"),
        ("network", {"name": "ms-tcn", "stages": 3, "layers": 3}, "has no dilation"),
        ("network", {"name": "ms-tcn", "stages": 10**9, "layers": 3}, "stages must be a whole number from 1 to 1000"),
        ("network", {"stages": 2}, "stages"),
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused(
    checkpoint: Checkpoint, path: Path, field: str, value: object, told: str
) -> None:
    setattr(checkpoint, field, value)
    save_checkpoint(path, checkpoint)
    message = refused(path)
    assert message.startswith("the weights do not fit the network: ")
    assert told in message


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("classes", [], "the classes are no list of names"),
        ("classes", ["cut", "pe\nel", "mix"], "the classes are no list of names"),
        ("classes", "abc", "the classes are no list of names"),
        ("classes", ["cut", "cut", "mix"], "a class comes twice"),
        ("background", ["nothing"], "the background is none of the classes"),
        ("sample_rate", 0, "sample_rate must be a whole number of at least 1, not 0"),
        ("sample_rate", -1, "sample_rate must be a whole number"),
        ("feature_dim", True, "feature_dim must be a whole number"),
        ("weights", 7, "the weights are missing"),
        ("dataset", None, "the name of the data set"),
        ("network", None, "the network"),
        ("train_videos", "ab", "the training videos are no list of names"),
        ("train_videos", ["a", 1], "the training videos are no list of names"),
        ("data", ["0123abcd"], "the fingerprint of its data has no checksums"),
        ("data", {"mapping.txt": "0123"}, "the fingerprint of its data has no checksums"),
    ],
    ids=str,
)
def test_values_that_no_training_writes_are_refused(
    checkpoint: Checkpoint, path: Path, field: str, value: object, told: str
) -> None:
    setattr(checkpoint, field, value)
    save_checkpoint(path, checkpoint)
    assert told in refused(path)


@pytest.mark.parametrize(
    "value",
    [
        torch.full((8,), torch.nan),
        torch.zeros(8, dtype=torch.int64),
        torch.zeros(1).expand(8),
        torch.zeros(8).to_sparse(),
    ],
    ids=["NaN", "whole numbers", "not stored", "sparse"],
)
def test_weights_that_are_no_finite_numbers_are_refused(
    checkpoint: Checkpoint, path: Path, value: torch.Tensor
) -> None:
    checkpoint.weights["stage1.conv_1x1.bias"] = value
    save_checkpoint(path, checkpoint)
    assert refused(path).startswith("the weights do not fit the network: ")


@pytest.mark.parametrize("room", [0, 100, 100_000, 400_500])
def test_a_full_disk_is_told_in_one_line_and_nothing_is_left(path: Path, room: int) -> None:
    done = on_full_disk(lambda: save_torch(path, {"weights": torch.zeros(100_000)}), room)
    assert (done.returncode, done.stderr) == (1, f"error: {path}: File too large\n")
    assert list(path.parent.iterdir()) == []


def test_load_torch_returns_what_save_torch_wrote(path: Path) -> None:
    content = {"epoch": 3, "history": [{"loss": 0.5}], "best": None, "state": {"weight": torch.arange(4)}}
    save_torch(path, content)
    loaded = load_torch(path)
    assert torch.equal(loaded.pop("state")["weight"], content.pop("state")["weight"])  # type: ignore[index]
    assert loaded == content
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]
