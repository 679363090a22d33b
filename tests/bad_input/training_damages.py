"""Damages of what trainings and searches leave: structures, weights, metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.bad_input.damages import (
    LEFT_OUT,
    MISSING,
    NO_FILE,
    NO_JSON,
    TEXT,
    Damage,
    boom,
    content,
    edited,
    flip_a_weight,
    instead,
    json_with,
    swapped,
    torch_with,
)
from tests.trials.conftest import Boom

FIRST = "stage1.layers.0.conv_dilated"
BIAS = "stage1.conv_1x1.bias"


def boom_in_checkpoint(path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), "settings": Boom(Path("made"))}, path)


TRAP = {
    "name": "your-own",
    "function": "tests.bad_input.trap:network",
    "feature_dim": 6,
    "classes": 3,
    "causal": False,
    "parameters": 57,
    "layers": {"c1": {"path": "conv", "dilation": 1, "kernel": 3, "multiply_adds": 54}},
}
"""The network of whoever wants that we import it."""


NETWORK: dict[str, Damage] = {
    "another network": json_with("ms-tcn", "name"),
    "a function of no module": json_with("trap", "function"),
    "a function that is a call": json_with("os:mkdir('made')", "function"),
    "a function that is a file": json_with("../tests/bad_input/trap.py:network", "function"),
    "a function of 100,000 characters": json_with("x" * 100_000, "function"),
    "features beyond all": json_with(10**400, "feature_dim"),
    "no classes": json_with(0, "classes"),
    "no layers": json_with({}, "layers"),
    "a layer without a path": json_with(LEFT_OUT, "layers", "c1", "path"),
    "a layer whose path is a list": json_with(["conv"], "layers", "c1", "path"),
    "a dilation of 0": json_with(0, "layers", "c1", "dilation"),
    "a dilation beyond all": json_with(10**400, "layers", "c1", "dilation"),
    "an even kernel": json_with(4, "layers", "c1", "kernel"),
    "a field of nobody": json_with(1, "more"),
}


def trapped_checkpoint(path: Path, network: Mapping[str, Any] = TRAP) -> None:
    """A checkpoint without any fault, but that its network is code that the user did not name."""
    changed = torch.load(path, weights_only=True)
    weights = {"conv.weight": torch.zeros(3, 6, 3), "conv.bias": torch.zeros(3)}
    torch.save({**changed, "network": network, "dilations": {"conv": 1}, "weights": weights}, path)


NO_FINGERPRINT: dict[str, Any] = {
    "a list": ["mapping.txt"],
    "a text": "0123abcd",
    "numbers": {"mapping.txt": 1},
    "half a checksum": {"mapping.txt": "0123"},
    "a long checksum": {"mapping.txt": "0" * 100_000},
    "fingerprints": {"mapping.txt": {"mapping.txt": "0123abcd"}},
}
"""What stands in the place of a fingerprint of the data."""
OTHER_DATA = {"mapping.txt": "0123abcd"}


def no_fingerprint(with_value: Callable[..., Damage]) -> dict[str, Damage]:
    return {f"a fingerprint that is {name}": with_value(value, "data") for name, value in NO_FINGERPRINT.items()}


def branches_of(value: Any) -> Damage:
    """A structure file that may keep branches, with this in its first layer."""

    def damage(path: Path) -> None:
        json_with("global2local-structure-2", "format")(path)
        json_with(value, "dilations", FIRST)(path)

    return damage


BRANCHES: tuple[Any, ...] = (
    *([], [1, 2], [[1]], [["1", 1.0]], [[1, "1"]], [[1, 0.5], [1, 0.5]], [[0, 0.5], [1, 0.5]], [[1, 0.5], [2, 0.6]]),
    *([[1, -0.5], [2, 1.5]], [[1, None]], [[1, 10**400]], [[1, 0.5], [2**21, 0.5]], [[[1], 1.0]], {"1": 1.0}),
)
DILATIONS: tuple[Any, ...] = (-1, -(10**400), 1.0, True, None, "4", [4], {}, 2**20 + 1, 10**400, "x" * 100_000)
STRUCTURE: dict[str, Damage] = {
    **TEXT,
    **NO_JSON,
    "another format": json_with("another", "format"),
    "no dilations": json_with(LEFT_OUT, "dilations"),
    "a list of dilations": json_with([1, 2, 4], "dilations"),
    "a layer left out": json_with(LEFT_OUT, "dilations", FIRST),
    "another layer": json_with(1, "dilations", "stage1.conv_1x1"),
    "a path": json_with(1, "dilations", "../../stage1"),
    "commands": json_with(1, "dilations", "$(touch made)"),
    "code": json_with(1, "dilations", "__class__.__init__"),
    "a name of 100,000 characters": json_with(1, "dilations", "x" * 100_000),
    "another network": json_with({"name": "ms_tcn", "stages": 4, "layers": 10, "kernel": 3}, "network"),
    "a network of no size": json_with("ms_tcn", "network"),
    "a network that is code": json_with(TRAP, "network"),
    "a network that is code, in a file": json_with({**TRAP, "file": "net.json"}, "network"),
    "a network that is other code": json_with({**TRAP, "function": "os:mkdir('made')"}, "network"),
    "a network nested deeply": swapped('"stages": 2', f'"stages": {"[" * 900}{"]" * 900}'),
    **{f"a dilation of {value!r:.20}": json_with(value, "dilations", FIRST) for value in DILATIONS},
    **{f"branches {value!r:.30}": branches_of(value) for value in BRANCHES},
    "branches in a file of earlier versions": json_with([[1, 0.5], [2, 0.5]], "dilations", FIRST),
    "a dilation nested deeply": swapped(f'"{FIRST}": 1', f'"{FIRST}": {"[" * 900}{"]" * 900}'),
}
CHECKPOINT: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "text": content(b"model"),
    "only NUL": edited(lambda of: bytes(len(of))),
    "half": edited(lambda of: of[: len(of) // 2]),
    "without its last byte": edited(lambda of: of[:-1]),
    "a flipped bit": flip_a_weight,
    "a pickle": boom,
    "code in a checkpoint": boom_in_checkpoint,
    "a bare tensor": instead(lambda path: torch.save(torch.zeros(3), path)),
    "a list": instead(lambda path: torch.save([1], path)),
}
MODEL: dict[str, Damage] = {
    **CHECKPOINT,
    "a state dict": lambda path: torch.save(torch.load(path, weights_only=True)["weights"], path),
    "another format": torch_with("other", "format"),
    "no classes": torch_with([], "classes"),
    "a class of two lines": torch_with(["a", "b\nc", "d"], "classes"),
    "classes that are numbers": torch_with([0, 1, 2], "classes"),
    "a class twice": torch_with(["a", "a", "b"], "classes"),
    "fewer classes": torch_with(["a", "b"], "classes"),
    "an unknown background": torch_with(["nothing"], "background"),
    "a background of no list": torch_with("class_0", "background"),
    "frames read backwards": torch_with(-1, "sample_rate"),
    "no frames read": torch_with(0, "sample_rate"),
    "a sample rate beyond all": torch_with(10**30, "sample_rate"),
    "a data set elsewhere": torch_with("../data/small", "dataset"),
    "an absolute data set": torch_with("/etc", "dataset"),
    "a data set of no name": torch_with(3, "dataset"),
    "other channels": torch_with(32, "network", "channels"),
    "channels beyond the memory": torch_with(10**6, "network", "channels"),
    "channels as text": torch_with("64", "network", "channels"),
    "another feature dimension": torch_with(7, "feature_dim"),
    "a network beyond all": torch_with(10**9, "network", "stages"),
    "a kernel beyond all": torch_with(10**9 + 1, "network", "kernel"),
    "a network of no name": torch_with({"stages": 2}, "network"),
    "a network that is code": trapped_checkpoint,
    "a network that is code, in a file": partial(trapped_checkpoint, network={**TRAP, "file": "net.json"}),
    "a network that is code of no layers": torch_with({**TRAP, "layers": {}}, "network"),
    "a network of endless layers": torch_with(
        {**TRAP, "layers": {f"c{n}": TRAP["layers"] for n in range(1001)}}, "network"
    ),
    "no dilations": torch_with({}, "dilations"),
    "a dilation of -1": torch_with(-1, "dilations", FIRST),
    "branches without weights": torch_with([[1, 0.5], [2, 0.5]], "dilations", FIRST),
    "branches that are no numbers": torch_with([["1", 1.0], [2, 0.0]], "dilations", FIRST),
    "a layer folded that has no branches": torch_with(["s1l0"], "folded"),
    "a layer folded that is not there": torch_with(["s9l9"], "folded"),
    "folded layers that are a text": torch_with("s1l0", "folded"),
    "weights left out": torch_with(LEFT_OUT, "weights", "stage1.conv_1x1.bias"),
    "no weights": torch_with(None, "weights"),
    "weights that are lists": torch_with([0.0], "weights", "stage1.conv_1x1.bias"),
    "weights of NaN": torch_with(
        lambda of: of["weights"]["stage1.conv_1x1.bias"] * float("nan"), "weights", "stage1.conv_1x1.bias"
    ),
    "weights of infinity": torch_with(torch.full((64,), float("inf")), "weights", "stage1.conv_1x1.bias"),
    "complex weights": torch_with(torch.zeros(64, dtype=torch.complex64), "weights", "stage1.conv_1x1.bias"),
    "weights of another shape": torch_with(torch.zeros(63), "weights", "stage1.conv_1x1.bias"),
    "sparse weights": torch_with(torch.zeros(64).to_sparse(), "weights", "stage1.conv_1x1.bias"),
    "weights that are not stored": torch_with(torch.zeros(1).expand(64), "weights", "stage1.conv_1x1.bias"),
    "training videos that are a text": torch_with("p00-1", "train_videos"),
    "training videos that are numbers": torch_with([1], "train_videos"),
    "a field of nobody": torch_with(1, "more"),
    **no_fingerprint(torch_with),
}


UNFINISHED: dict[str, Damage] = {
    **CHECKPOINT,
    "no training": torch_with(LEFT_OUT, "training"),
    "no history": torch_with(LEFT_OUT, "history"),
    "an epoch left out": torch_with([], "history"),
    "a history of numbers": torch_with([1], "history"),
    "a history without seconds": torch_with(LEFT_OUT, "history", 0, "seconds"),
    "an epoch as text": torch_with("1", "training", "epoch"),
    "weights left out": torch_with(LEFT_OUT, "training", "network", "stage1.conv_1x1.bias"),
    "no optimiser": torch_with(LEFT_OUT, "training", "optimiser"),
    "moments left out": torch_with(LEFT_OUT, "training", "optimiser", BIAS),
    "another generator": torch_with(torch.zeros(3, dtype=torch.uint8), "training", "shuffling"),
    "a best epoch without weights": torch_with({"epoch": 1}, "best"),
    "a network that is code": torch_with(TRAP, "run", "network"),
    "other data": torch_with(OTHER_DATA, "data"),
    **no_fingerprint(torch_with),
}
LOST: dict[str, Damage] = {name: damage for name, damage in CHECKPOINT.items() if name != "a folder"}
"""Of the checkpoint of an iteration, which is trained again."""
ITERATION: dict[str, Damage] = {
    "a folder": CHECKPOINT["a folder"],
    "no training": torch_with(LEFT_OUT, "training"),
    "moments of another shape": torch_with(torch.zeros(63), "training", "optimiser", BIAS, "first"),
    "no optimiser": torch_with(LEFT_OUT, "training", "optimiser"),
    "moments of a layer left out": torch_with(LEFT_OUT, "training", "optimiser", BIAS),
    "weights that are numbers": torch_with(1.0, "training", "network", "stage1.conv_1x1.bias"),
    "other classes": torch_with(["a"], "classes"),
    "another feature dimension": torch_with(7, "feature_dim"),
    "other data": torch_with(OTHER_DATA, "data"),
    **no_fingerprint(torch_with),
}
CHOICE: dict[str, Damage] = {
    **CHECKPOINT,
    "no settings": torch_with(LEFT_OUT, "search"),
    "no training": torch_with(LEFT_OUT, "training"),
    "no epochs": torch_with(LEFT_OUT, "epochs"),
    "an epoch left out": torch_with([], "epochs"),
    "epochs that are numbers": torch_with([1], "epochs"),
    "weights left out": torch_with(LEFT_OUT, "training", "network", BIAS),
    "branch weights left out": torch_with(LEFT_OUT, "training", "optimiser", FIRST + ".branch_weights"),
    "other data": torch_with(OTHER_DATA, "data"),
    **no_fingerprint(torch_with),
}
METRICS: dict[str, Damage] = {
    "no test": json_with(LEFT_OUT, "test"),
    "a metric left out": json_with(LEFT_OUT, "test", "edit"),
    "a metric as text": json_with("50.0", "test", "edit"),
    "a metric of a million digits": json_with(10**400, "test", "edit"),
    "a metric beyond 100": json_with(1e4, "test", "edit"),
    "a negative metric": json_with(-1, "test", "edit"),
    "a metric that is true": json_with(True, "test", "edit"),
    "no run": json_with(LEFT_OUT, "run"),
}
LOCAL: dict[str, Damage] = {
    **TEXT,
    **NO_JSON,
    "no iterations": json_with(LEFT_OUT, "iterations"),
    "iterations that are a number": json_with(1, "iterations"),
    "iterations that are texts": json_with(["x"], "iterations"),
    "no structure": json_with(LEFT_OUT, "iterations", 0, "next"),
    "a structure of another network": json_with({"s1l0": 1}, "iterations", 0, "next"),
    "a dilation of -1": json_with(-1, "iterations", 0, "next", "s1l0"),
    "a dilation as text": json_with("2", "iterations", 0, "next", "s1l0"),
    "an iteration left out": json_with(1, "iterations", 0, "iteration"),
    "no epochs": json_with([], "iterations", 0, "epochs"),
    "epochs that are a number": json_with(3, "iterations", 0, "epochs"),
    "no metrics": json_with({}, "iterations", 0, "epochs", 0),
    "no structure that was trained": json_with(LEFT_OUT, "iterations", 0, "structure"),
    "no seconds": json_with(LEFT_OUT, "iterations", 0, "seconds"),
    "seconds as text": json_with("3", "iterations", 0, "seconds"),
    "other settings": json_with(2, "search", "split"),
    "other data": json_with(OTHER_DATA, "data"),
    **no_fingerprint(json_with),
}
FINISHED: dict[str, Damage] = {
    "a run of another kind": json_with([], "run"),
    "other data": json_with(OTHER_DATA, "data"),
    **no_fingerprint(json_with),
}
"""Of metrics.json, to a training that is repeated."""
FINGERPRINT: dict[str, Damage] = {
    **TEXT,
    **NO_JSON,
    **{
        f"a fingerprint that is {name}": content(json.dumps(value).encode())
        for name, value in {**NO_FINGERPRINT, "other data": OTHER_DATA}.items()
    },
}
# A file that says nothing.
del FINGERPRINT["an empty object"]
