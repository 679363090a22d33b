"""Every reader against damaged files: one line that names the file, exit code 2; no traceback, no hang, no success.

A reader is a command, the file that it reads, and the ways in which that file is damaged. Each command is also run on
the good file, so that a refusal is known to be of the damage.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis import export, final
from analysis.plots import __main__ as plots
from analysis.report import __main__ as report
from benchmarks import trial_gap
from experiments import launch, pipeline
from nas_space import structure_files
from tests.bad_input.conftest import Ending
from tests.bad_input.damages import (
    LEFT_OUT,
    MISSING,
    NO_FILE,
    NO_JSON,
    NO_TEXT,
    Damage,
    content,
    edited,
    flip_a_weight,
    instead,
    json_with,
    swapped,
    torch_with,
)
from tests.bad_input.workspace import CHOOSE, SEARCH, SIZE, TRAIN
from tests.trials.conftest import Boom
from trials import check_data, differentiable_search, evaluate, local_search, predict, train

pytestmark = pytest.mark.filterwarnings("default")  # as a user has them

FIRST = "stage1.layers.0.conv_dilated"
BIAS = "stage1.conv_1x1.bias"


@dataclass(frozen=True)
class Reader:
    """A command that reads a file."""

    main: Callable[[], None]
    words: tuple[str, ...]
    file: str
    damages: dict[str, Damage]
    names: tuple[str, ...] = ()
    """What a refusal may name instead of the file."""
    may_be_missing: bool = False
    """Whether the work begins anew without the file."""
    code: int = 0
    """How the command ends on the good file."""

    def __post_init__(self) -> None:
        if self.may_be_missing:
            for name in (*MISSING, "a link to itself"):
                self.damages.pop(name, None)


def array(of: object) -> Damage:
    return instead(lambda path: np.save(path, np.asarray(of)))


def header(text: str, version: int = 1) -> Damage:
    """A feature file of 1200 bytes after a header of its own."""
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return content(b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + bytes(1200))


def shape(text: str, kind: str = "<f4") -> Damage:
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {text}, }}\n")


def archive(path: Path) -> None:
    with open(path, "wb") as file:
        np.savez(file, features=np.zeros((6, 40)))


def sparse(path: Path) -> None:
    """2 TB of features as the header says, of which nothing is stored."""
    shape("(1000, 500000000)")(path)
    os.truncate(path, path.stat().st_size - 1200 + 4 * 1000 * 500_000_000)


def cut_to(kept: int) -> Damage:
    return edited(lambda of: of[:kept])


def added(text: str) -> Damage:
    return edited(lambda of: of + text.encode())


def in_bundle(name: str) -> Damage:
    return edited(lambda of: of + name.encode() + b".txt\n")


def boom(path: Path) -> None:
    path.write_bytes(pickle.dumps(Boom(Path("made"))))


def boom_in_array(path: Path) -> None:
    np.save(path, np.array([[Boom(Path("made"))]], dtype=object), allow_pickle=True)


def boom_in_checkpoint(path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), "settings": Boom(Path("made"))}, path)


TEXT = {**MISSING, **NO_FILE, **NO_TEXT}

MAPPING: dict[str, Damage] = {
    "no names": content(b"0\n1\n2\n"),
    "no ids": content(b"class_0\nclass_1\nclass_2\n"),
    "tabs": content(b"0\tclass_0\n1\tclass_1\n2\tclass_2\n"),
    "a blank line": content(b"0 class_0\n\n1 class_1\n2 class_2\n"),
    "an id twice": content(b"0 class_0\n0 class_1\n2 class_2\n"),
    "a class twice": content(b"0 class_0\n1 class_0\n2 class_2\n"),
    "an id left out": content(b"0 class_0\n2 class_1\n3 class_2\n"),
    "a negative id": content(b"-1 class_0\n0 class_1\n1 class_2\n"),
    "an id with a point": content(b"0.0 class_0\n1 class_1\n2 class_2\n"),
    "another script's digits": content("\N{ARABIC-INDIC DIGIT ZERO} class_0\n1 class_1\n2 class_2\n".encode()),
    "an id of 5000 digits": content(b"9" * 5000 + b" class_0\n"),
    "half": edited(lambda of: of[: len(of) // 2]),
}
BUNDLE: dict[str, Damage] = {
    "only a heading": content(b"#bundle\n"),
    "a video twice": edited(lambda of: of + of.splitlines(keepends=True)[0]),
    "an unknown video": in_bundle("nowhere"),
    "a path": in_bundle("../features/p00-1"),
    "an absolute path": in_bundle("/etc/passwd"),
    "a path of Windows": in_bundle("..\\p00-1"),
    "two points": in_bundle(".."),
    "a hidden file": in_bundle(".p00-1"),
    "a name beyond all": in_bundle("x" * 5000),
    "half a name": edited(lambda of: of[:-6]),
    "commands": in_bundle("$(touch made);`touch made`|touch made"),
    "control characters": in_bundle("\x1b[2J"),
}
LABELS: dict[str, Damage] = {
    "a blank line": swapped("\n", "\n\n"),
    "an unknown class": edited(lambda of: b"nothing\n" + of),
    "ids for names": edited(lambda of: b"0\n" * of.count(b"\n")),
    "half a name at the end": edited(lambda of: of[:-3]),
    "a form feed for a line end": swapped("\n", "\x0c"),
    "a line separator for a line end": swapped("\n", "\u2028"),
    "far too long": edited(lambda of: of * 3),
    "far too short": content(b"class_0\n"),
    "one line": edited(lambda of: of.replace(b"\n", b" ")),
    "in another case": edited(bytes.upper),
}
FEATURES: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "text": content(b"1 2 3\n"),
    "only NUL": edited(lambda of: bytes(len(of))),
    **{f"cut to {kept}": cut_to(kept) for kept in (3, 6, 8, 10, 64, 127, 128, 129, -1)},
    "more than its header says": edited(lambda of: of + b"\0"),
    "twice": edited(lambda of: of + of),
    "transposed": edited(lambda of: of.replace(b"'shape': (6, ", b"'shape': (3, ")),
    "one axis": array(np.zeros(300, np.float32)),
    "three axes": array(np.zeros((6, 5, 9), np.float32)),
    "a single number": array(1.0),
    "no frames": array(np.zeros((6, 0))),
    "no channels": array(np.zeros((0, 40))),
    "other channels": array(np.zeros((5, 40))),
    "complex": array(np.zeros((6, 40), complex)),
    "booleans": array(np.zeros((6, 40), bool)),
    "texts": array(np.full((6, 40), "text")),
    "dates": array(np.zeros((6, 40), "M8[s]")),
    "records": array(np.zeros((6, 40), [("a", "f4")])),
    "NaN": array(np.full((6, 40), np.nan)),
    "infinity": array(np.full((6, 40), -np.inf)),
    "beyond float32": array(np.full((6, 40), 1e39)),
    "an archive": instead(archive),
    "a pickle": boom,
    "pickled objects": boom_in_array,
    "terabytes": shape("(6000000, 500000000)"),
    "more than a machine word": shape("(4294967296, 4294967296)"),
    "digits beyond all": shape(f"({'9' * 5000}, 5)"),
    "a negative shape": shape("(-6, -50)"),
    "a nested shape": shape("(" * 3000 + ")" * 3000),
    "a header that is code": shape("__import__('os').mkdir('made')"),
    "a header without shape": header("{'descr': '<f4', 'fortran_order': False}\n"),
    "a header that is a list": header("[]\n"),
    "a header of minus signs": header("-" * 9000 + "1\n"),
    "an unknown version": header("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 50), }\n", version=9),
    "a header beyond the file": content(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 1000),
    "terabytes of nothing": sparse,
}


DILATIONS: tuple[Any, ...] = (0, -1, 1.0, True, None, "4", [4], {}, 2**20 + 1, 10**400, "x" * 100_000)
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
    "a network nested deeply": swapped('"stages": 2', f'"stages": {"[" * 900}{"]" * 900}'),
    **{f"a dilation of {value!r:.20}": json_with(value, "dilations", FIRST) for value in DILATIONS},
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
    "other channels": torch_with(32, "channels"),
    "channels beyond the memory": torch_with(10**6, "channels"),
    "channels as text": torch_with("64", "channels"),
    "another feature dimension": torch_with(7, "feature_dim"),
    "a network beyond all": torch_with(10**9, "shape", "num_stages"),
    "a kernel beyond all": torch_with(10**9 + 1, "shape", "kernel_size"),
    "a shape of other names": torch_with({"stages": 2}, "shape"),
    "no dilations": torch_with({}, "dilations"),
    "a dilation of 0": torch_with(0, "dilations", FIRST),
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
}
ITERATION: dict[str, Damage] = {
    **CHECKPOINT,
    "no training": torch_with(LEFT_OUT, "training"),
    "moments of another shape": torch_with(torch.zeros(63), "training", "optimiser", BIAS, "first"),
    "no optimiser": torch_with(LEFT_OUT, "training", "optimiser"),
    "moments of a layer left out": torch_with(LEFT_OUT, "training", "optimiser", BIAS),
    "weights that are numbers": torch_with(1.0, "training", "network", "stage1.conv_1x1.bias"),
    "other classes": torch_with(["a"], "classes"),
    "another feature dimension": torch_with(7, "feature_dim"),
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
    "a dilation of 0": json_with(0, "iterations", 0, "next", "s1l0"),
    "a dilation as text": json_with("2", "iterations", 0, "next", "s1l0"),
    "an iteration left out": json_with(1, "iterations", 0, "iteration"),
    "no epochs": json_with([], "iterations", 0, "epochs"),
    "epochs that are a number": json_with(3, "iterations", 0, "epochs"),
    "no metrics": json_with({}, "iterations", 0, "epochs", 0),
    "no structure that was trained": json_with(LEFT_OUT, "iterations", 0, "structure"),
    "no seconds": json_with(LEFT_OUT, "iterations", 0, "seconds"),
    "seconds as text": json_with("3", "iterations", 0, "seconds"),
    "other settings": json_with(2, "search", "split"),
}
RECORDS: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "only NUL": edited(lambda of: bytes(len(of))),
    "UTF-16": edited(lambda of: of.decode().encode("utf-16")),
    "deep lists": content(b"[" * 100_000 + b"\n"),
    "only half a line": edited(lambda of: of[:20]),
    "no result": edited(lambda of: of.replace(b'"finished"', b'"other"')),
    "no metrics": swapped('"metrics": {"default": 30.0}', '"metrics": {}'),
    "metrics that are a list": swapped('"metrics": {"default": 30.0}', '"metrics": [30.0]'),
    "a metric as text": swapped('"metrics": {"default": 30.0}', '"metrics": {"default": "30.0"}'),
    "a metric of NaN": swapped('"metrics": {"default": 30.0}', '"metrics": {"default": NaN}'),
    "a metric of 400 digits": swapped('"metrics": {"default": 30.0}', f'"metrics": {{"default": {"9" * 400}}}'),
    "no epochs": swapped('"epochs": []', '"epochs": null'),
    "epochs that are numbers": swapped('"epochs": []', '"epochs": [1]'),
    "no trial": swapped('"trial": "trial1", ', ""),
    "a number of a list": swapped('"uid": 1', '"uid": [1]'),
    "a dilation as text": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": "2"')),
    "a dilation of 0": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": 0')),
    "a half dilation": edited(lambda of: of.replace(b'"s1l0": 2', b'"s1l0": 2.5')),
    "a layer that is a path": edited(lambda of: of.replace(b'"s1l0"', b'"../s1l0"')),
    "a layer beyond all": edited(lambda of: of.replace(b'"s1l0"', b'"s999999999l0"')),
    "a layer of 5000 digits": edited(lambda of: of.replace(b'"s1l0"', b'"s' + b"9" * 5000 + b'l0"')),
    "a layer left out": edited(lambda of: of.replace(b'"s1l0"', b'"s2l0"')),
    "a chain without an end": edited(lambda of: of + b'{"event": "chain_ended", "chain": 0}\n'),
    "a chain of a list": edited(
        lambda of: of + b'{"event": "chain_ended", "chain": [0], "why": "", "structure": {}}\n'
    ),
    "a failure without a reason": edited(lambda of: of + b'{"event": "failed", "uid": 0}\n'),
}
REGISTER: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    **NO_TEXT,
    **NO_JSON,
    "an entry that is a number": json_with(1, "Ab3dE"),
    "no folder": json_with(LEFT_OUT, "Ab3dE", "logDir"),
    "a folder that is a number": json_with(3, "Ab3dE", "logDir"),
    "a port as text": json_with("8080", "Ab3dE", "port"),
    "code": json_with(
        {"__nni_type__": "bytes:" + "gASVIgAAAAAAAACMBXBvc2l4lIwFbWtkaXKUk5SMBG1hZGWUhZRSlC4="}, "Ab3dE", "port"
    ),
}
del REGISTER["a link to itself"]
CONFIG: dict[str, Damage] = {
    **TEXT,
    "half a text": edited(lambda of: of + b'"'),
    "a list": content(b"- a\n"),
    "a number": content(b"5\n"),
    "two documents": edited(lambda of: of + b"---\n" + of),
    "a tab": edited(lambda of: of + b"a:\n\tb: 1\n"),
    "an unknown alias": edited(lambda of: of + b"a: *nowhere\n"),
    "code": edited(lambda of: of + b'a: !!python/object/apply:os.mkdir ["made"]\n'),
    "a function": edited(lambda of: of + b"a: !!python/name:os.mkdir\n"),
    "a tag of one's own": edited(lambda of: of + b"a: !own b\n"),
    **{
        f"no {tag}": added(f'a: !!{tag} "maybe"\n')
        for tag in ("int", "float", "bool", "timestamp", "binary", "seq", "map")
    },
    "a number of 5000 digits": edited(lambda of: of + b"a: " + b"9" * 5000 + b"\n"),
    "a day that is none": edited(lambda of: of + b"a: 2020-13-45\n"),
    "a list for a name": edited(lambda of: of + b"? [a]\n: b\n"),
    "a name twice": edited(lambda of: of + b"trialConcurrency: 2\n"),
    "an argument twice": swapped("    budget: 24\n", "    budget: 24\n    budget: 2\n"),
    "deep lists": edited(lambda of: of + b"a: " + b"[" * 1000),
    "deep objects": edited(lambda of: of + b"a: " + b"{a: " * 2000),
    "a list of itself": edited(lambda of: of + b"a: &a [*a]\n"),
    "an object of itself": edited(lambda of: of + b"a: &a {b: *a}\n"),
    "a billion laughs": edited(lambda of: of + laughs("[{}]").encode()),
    "a billion merges": edited(lambda of: of + laughs("{{<<: [{}]}}").encode()),
    "trials that are a text": swapped("budget: 24", "budget: many"),
    "trials that are a list": swapped("budget: 24", "budget: [24]"),
    "a search space that is a number": swapped("spaces/small.json", "5"),
    "a search space elsewhere": swapped("spaces/small.json", "nowhere.json"),
    "a check that is a list": swapped("budget: 24", "check_command: [a, b]"),
    "a check of nothing": swapped("budget: 24", 'check_command: ""'),
    "a check with a NUL": swapped("budget: 24", 'check_command: "a \\0"'),
    "a check with an open quote": swapped("budget: 24", "check_command: a '"),
}


def laughs(form: str) -> str:
    """Nine levels of ten aliases each, of the level before."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} " + form.format(", ".join([f"*a{level - 1}"] * 10)))
    return "\n".join(lines) + "\n"


PLAN: dict[str, Damage] = {
    "no command": swapped("trialCommand", "other"),
    "a command that is empty": swapped("python3 -m trials.search_trial --dataset small --split 1", ""),
    "a command that is a list": swapped("python3 -m trials.search_trial --dataset small --split 1", "[a]"),
    "a command with an open quote": swapped("--split 1", "--split '1"),
    "a command without the split": swapped("--split 1", ""),
    "no folder of the code": swapped("trialCodeDirectory", "other"),
    "a folder of the code that is a number": swapped("trialCodeDirectory: ..", "trialCodeDirectory: 5"),
    "a tuner that is a text": edited(lambda of: of[: of.index(b"tuner")] + b"tuner: a\n"),
    "no arguments": swapped("classArgs", "other"),
    "a tuner's folder that is a list": swapped("codeDirectory: ..\n  c", "codeDirectory: [a]\n  c"),
    "a check that is a number": swapped("classArgs:\n", "classArgs:\n    check_command: 5\n"),
    "a check without the split": swapped("classArgs:\n", "classArgs:\n    check_command: a --dataset b\n"),
    "a code folder with a NUL": swapped("trialCodeDirectory: ..", 'trialCodeDirectory: "\\0"'),
}
RUN: dict[str, Damage] = {
    **TEXT,
    **NO_JSON,
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a list": json_with([], "settings"),
    "other settings": json_with([1], "settings", "seeds"),
    "no steps": json_with(LEFT_OUT, "steps"),
    "steps that are a list": json_with([], "steps"),
    "a step that is a number": json_with(1, "steps", "global_split1"),
    "done without an experiment": json_with(LEFT_OUT, "steps", "global_split1", "experiment"),
    "an experiment that is a text": json_with("Ab3dE", "steps", "global_split1", "experiment"),
    "an experiment without an id": json_with(LEFT_OUT, "steps", "global_split1", "experiment", "id"),
    "an experiment of every process": json_with("", "steps", "global_split1", "experiment", "id"),
    "an experiment that is an option": json_with("--all", "steps", "global_split1", "experiment", "id"),
    "an experiment that is a path": json_with("../x", "steps", "global_split1", "experiment", "id"),
    "a port as text": json_with("8080", "steps", "global_split1", "experiment", "port"),
    "a negative process": json_with(-1, "steps", "global_split1", "experiment", "manager"),
    "a mark of every experiment": json_with("", "steps", "global_split1", "mark"),
    "a mark that is a number": json_with(5, "steps", "global_split1", "mark"),
    "begun never": json_with(LEFT_OUT, "steps", "global_split1", "begun"),
    "a cost as text": json_with("24", "steps", "global_split1", "cost", "trials"),
    "a cost left out": json_with(LEFT_OUT, "steps", "global_split1", "cost", "hours"),
}
REPORTED: dict[str, Damage] = {
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a list": json_with([], "settings"),
    "no data set": json_with(LEFT_OUT, "settings", "dataset"),
    "a data set elsewhere": json_with("../data/small", "settings", "dataset"),
    "splits that are a number": json_with(1, "settings", "splits"),
    "splits that are texts": json_with(["../x"], "settings", "splits"),
    "seeds that are a number": json_with(1, "settings", "seeds"),
    "no template": json_with(LEFT_OUT, "settings", "template"),
    "a global search that is a list": json_with(["global"], "settings", "global_search"),
    "phases that are a number": json_with(1, "settings", "phases"),
    "steps that are a list": json_with([], "steps"),
    "a step that is a number": json_with({"global_split1": 1}, "steps"),
    "an experiment that is a number": json_with({"global_split1": {"experiment": 1}}, "steps"),
    "an experiment that is a path": json_with({"global_split1": {"experiment": {"id": "../x"}}}, "steps"),
}
KEPT: dict[str, Damage] = {
    "no settings": json_with(LEFT_OUT, "settings"),
    "settings that are a text": json_with("a", "settings"),
    "no experiment": json_with(LEFT_OUT, "experiment"),
    "an experiment that is a list": json_with(["a"], "experiment"),
    "a command that is a list": json_with(["a"], "settings", "trialCommand"),
    "a command with an open quote": json_with("python3 '", "settings", "trialCommand"),
    "a split as text": json_with("python3 --split one", "settings", "trialCommand"),
    "a data set elsewhere": json_with("python3 --dataset ../small", "settings", "trialCommand"),
    "every frame of none": json_with("python3 --dataset small --sample-rate x", "settings", "trialCommand"),
    "a tuner that is a text": json_with("a", "settings", "tuner"),
    "a population that is a text": json_with({"classArgs": {"population_size": "a"}}, "settings", "tuner"),
    "a population of nobody": json_with({"classArgs": {"population_size": -3}}, "settings", "tuner"),
    "splits that are a number": json_with({"tuner": {"classArgs": {"splits": 1}}}, "settings"),
}
JUDGED: dict[str, Damage] = {
    "no test videos": json_with(LEFT_OUT, "run", "test_videos"),
    "test videos that are a number": json_with(3, "run", "test_videos"),
    "a test video elsewhere": json_with(["../x"], "run", "test_videos"),
    "no background": json_with(LEFT_OUT, "run", "background"),
    "an unknown background": json_with(["nothing"], "run", "background"),
    "no sample rate": json_with(LEFT_OUT, "run", "sample_rate"),
    "a sample rate of 0": json_with(0, "run", "sample_rate"),
    "a sample rate as text": json_with("two", "run", "sample_rate"),
    "no versions": json_with(LEFT_OUT, "versions"),
    "no settings": json_with(LEFT_OUT, "run", "settings"),
}
DATABASE: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "text": content(b"no database"),
    "half": edited(lambda of: of[: len(of) // 2]),
    "only NUL": edited(lambda of: bytes(len(of))),
    "damaged inside": edited(lambda of: of[:4096] + b"\xff" * (len(of) - 4096)),
    "another table": edited(lambda of: of.replace(b"TrialJobEvent", b"TrialJobOther")),
}

EVALUATE = ("--ground-truth", "true", "--predictions", "predicted")
LABEL_TEXT: dict[str, Damage] = {
    **TEXT,
    "a blank line": swapped("\n", "\n\n"),
    "far too long": edited(lambda of: of * 9),
}
CHECK = ("data/small",)
TIMELINE = ("timeline", *EVALUATE, "--video", "one", "--output", "new.png")
REPORT = ("--data-root", "data", "--output", "new")
FINAL = "reported/final/hand/split1/seed0"
ALL_RUNS = ("--dataset", "small", "--data-root", "data", "--split", "1", "--phases", "global")

VIDEOS = ("nowhere", "touch made", "\\x1b[2J", "p01-", "p02-", "small/splits", "predicted")
SPLIT = "data/small/splits"
HISTORY = "home/nni-experiments/Ab3dE"

READERS: dict[str, Reader] = {
    "mapping of a training": Reader(
        train.main, (*TRAIN, "new"), "data/small/mapping.txt", {**TEXT, **MAPPING}, names=("groundTruth",)
    ),
    "list of a training": Reader(
        train.main, (*TRAIN, "new"), f"{SPLIT}/train.split1.bundle", {**TEXT, **BUNDLE}, names=VIDEOS
    ),
    "labels of a training": Reader(train.main, (*TRAIN, "new"), "data/small/groundTruth/p00-1.txt", {**TEXT, **LABELS}),
    "features of a training": Reader(train.main, (*TRAIN, "new"), "data/small/features/p00-2.npy", FEATURES),
    "mapping of a check": Reader(
        check_data.main, CHECK, "data/small/mapping.txt", {**TEXT, **MAPPING}, names=("groundTruth",)
    ),
    "list of a check": Reader(check_data.main, CHECK, f"{SPLIT}/test.split1.bundle", {**TEXT, **BUNDLE}, names=VIDEOS),
    "labels of a check": Reader(check_data.main, CHECK, "data/small/groundTruth/p00-1.txt", {**TEXT, **LABELS}),
    "features of a check": Reader(check_data.main, CHECK, "data/small/features/p00-1.npy", FEATURES),
    "structure": Reader(structure_files.main, ("structure.json", *SIZE), "structure.json", STRUCTURE),
    "checkpoint": Reader(
        predict.main,
        ("--checkpoint", "trained/model.pt", "--data-root", "data", "--split", "1", "--output", "new"),
        "trained/model.pt",
        MODEL,
    ),
    "finished training": Reader(
        train.main,
        (*TRAIN, "trained"),
        "trained/metrics.json",
        {**TEXT, **NO_JSON, **METRICS},
        may_be_missing=True,
    ),
    "unfinished training": Reader(
        train.main, (*TRAIN, "unfinished"), "unfinished/training.pt", UNFINISHED, may_be_missing=True
    ),
    "local search": Reader(
        local_search.main, (*SEARCH, "1"), "search/local.json", LOCAL, names=("search: holds",), may_be_missing=True
    ),
    "iteration": Reader(local_search.main, (*SEARCH, "2"), "search/iteration_0.pt", ITERATION),
    "differentiable search": Reader(
        differentiable_search.main, CHOOSE, "chosen/search.pt", CHOICE, names=("chosen: holds",), may_be_missing=True
    ),
    "true labels": Reader(evaluate.main, EVALUATE, "true/one.txt", LABEL_TEXT),
    "predicted labels": Reader(
        evaluate.main,
        (*EVALUATE, "--videos", "videos.bundle"),
        "predicted/one.txt",
        {**LABEL_TEXT, "only a heading": content(b"### Frame level recognition: ###\n")},
    ),
    "list of videos": Reader(
        evaluate.main, (*EVALUATE, "--videos", "videos.bundle"), "videos.bundle", {**TEXT, **BUNDLE}, names=("true",)
    ),
    "final trainings": Reader(
        final.main,
        ("final",),
        "final/hand/split1/seed0/metrics.json",
        {
            **TEXT,
            **NO_JSON,
            **METRICS,
            "of another seed": json_with(1, "run", "settings", "seed"),
            "a split that is true": json_with(True, "run", "split"),
            "a split that is a list": json_with([1], "run", "split"),
        },
        may_be_missing=True,
    ),
    "records": Reader(
        export.main, ("Ab3dE", "--output", "new.json"), f"{HISTORY}/checkpoint/records.jsonl", RECORDS, names=("Ab3dE",)
    ),
    "register": Reader(
        export.main, ("Ab3dE",), "home/nni-experiments/.experiment", REGISTER, names=("unknown experiment 'Ab3dE'",)
    ),
    "configuration": Reader(
        launch.main,
        ("experiments/small_global.yml",),
        "experiments/small_global.yml",
        CONFIG,
        names=("nowhere.json", "the check command"),
        code=1,
    ),
    "search space": Reader(
        launch.main, ("experiments/small_global.yml",), "experiments/spaces/small.json", {**TEXT, **NO_JSON}, code=1
    ),
    "plan": Reader(
        pipeline.main,
        (*ALL_RUNS, "--dry-run"),
        "experiments/small_global.yml",
        {**TEXT, **PLAN},
        names=("nowhere.json",),
    ),
    "run": Reader(pipeline.main, ALL_RUNS, "runs/small/pipeline.json", RUN, names=("runs/small",), may_be_missing=True),
    "true labels of a figure": Reader(plots.main, TIMELINE, "true/one.txt", LABEL_TEXT),
    "predicted labels of a figure": Reader(plots.main, TIMELINE, "predicted/one.txt", LABEL_TEXT),
    "settings of a search": Reader(
        report.main,
        ("kept", *REPORT),
        "kept/experiment.json",
        {**NO_TEXT, **NO_JSON, **KEPT},
    ),
    "records of a report": Reader(report.main, ("kept", *REPORT), "kept/records.jsonl", RECORDS, names=("kept",)),
    "run of a report": Reader(
        report.main,
        ("reported", *REPORT),
        "reported/pipeline.json",
        {**NO_TEXT, **NO_JSON, **REPORTED},
        names=("unknown experiment '../x'",),
    ),
    "final training of a report": Reader(
        report.main,
        ("reported", *REPORT),
        f"{FINAL}/metrics.json",
        {**NO_TEXT, **NO_JSON, **METRICS, **JUDGED},
        names=("groundTruth", "background classes nothing"),
    ),
    "predictions of a report": Reader(
        report.main, ("reported", *REPORT), f"{FINAL}/predictions/p02-1.txt", LABEL_TEXT, may_be_missing=True
    ),
    "database": Reader(trial_gap.main, ("Ab3dE",), f"{HISTORY}/db/nni.sqlite", DATABASE),
}
CASES = [(reader, damage) for reader, each in READERS.items() for damage in each.damages]


@pytest.mark.parametrize("name", READERS)
def test_the_good_file_is_read(name: str, own_files: Path, ending: Ending) -> None:
    reader = READERS[name]
    assert ending(own_files, reader.main, *reader.words).code == reader.code


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_a_damaged_file_is_refused(name: str, damage: str, shared_files: Path, ending: Ending) -> None:
    reader = READERS[name]
    with put_back(shared_files / reader.file) as path:
        reader.damages[damage](path)
        outcome = ending(shared_files, reader.main, *reader.words)
    made = taken_away(shared_files)
    *before, last = outcome.err.splitlines() or [""]
    assert outcome.code == 2, outcome
    assert last.startswith("error: ")
    assert all(line.startswith(("warning: ", "fault: ", "search: resumed", "Ab3dE: ")) for line in before)
    assert any(name in outcome.err for name in (Path(reader.file).stem, *reader.names))
    assert len(last) < 2100
    assert made == []


@contextmanager
def put_back(path: Path) -> Iterator[Path]:
    """Leave a file as it was, whatever becomes of it."""
    good = path.read_bytes()
    try:
        yield path
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(good)


def taken_away(folder: Path) -> list[str]:
    """What no command may make of a damaged file, and must not be there for the next test."""
    made = [*folder.glob("made"), *folder.glob("new.json"), *folder.glob("new.png"), *folder.glob("new/*")]
    for path in made:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in made]


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 200
