"""Valid files that look unusual are read, to the same results: refusing bad input must not refuse good input."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis import export, final
from experiments import launch, pipeline
from experiments.plan import make_plan
from nas_space import structure_files
from tests.bad_input.conftest import Ending
from tests.bad_input.damages import Damage, edited, json_with, swapped, torch_with
from tests.bad_input.workspace import SIZE, TRAIN
from tests.conftest import write_dataset
from trials import check_data, evaluate, predict, train

pytestmark = pytest.mark.filterwarnings("default")


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


TEXTS: dict[str, Damage] = {
    "as it is": edited(bytes),
    "a byte order mark": edited(lambda of: b"\xef\xbb\xbf" + of),
    "line ends of Windows": edited(lambda of: of.replace(b"\n", b"\r\n")),
    "blank lines at the end": edited(lambda of: of + b"\n  \n"),
    "no line end at the end": edited(lambda of: of.rstrip()),
    "a link": linked,
}
LABELS = {**TEXTS, "white space around": edited(lambda of: of.replace(b"\n", b" \t\n  "))}
MAPPING = {**TEXTS, "another order": edited(lambda of: b"\n".join(reversed(of.split(b"\n"))).strip())}
BUNDLE = {
    **LABELS,
    "a heading": edited(lambda of: b"#bundle\n" + of),
    "no endings": edited(lambda of: of.replace(b".txt", b"")),
}


def arranged(arrange: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def change(path: Path) -> None:
        np.save(path, arrange(np.round(np.load(path))))

    return change


def with_header(text: str, version: int) -> Damage:
    """The same array after a header as other programs write it."""

    def change(path: Path) -> None:
        features = np.round(np.load(path))
        body = text.format(*features.shape).encode()
        size = len(body).to_bytes(2 if version == 1 else 4, "little")
        path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + body + features.tobytes())

    return change


HEADER = "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}\n"
FEATURES: dict[str, Damage] = {
    "rounded": arranged(lambda of: of),
    "by columns": arranged(np.asfortranarray),
    "big-endian": arranged(lambda of: of.astype(">f4")),
    "double": arranged(lambda of: of.astype(np.float64)),
    "half": arranged(lambda of: of.astype(np.float16)),
    "whole numbers": arranged(lambda of: of.astype(np.int8)),
    "big-endian whole numbers": arranged(lambda of: of.astype(">i8")),
    "version 1, not padded": with_header(HEADER, 1),
    "version 2": with_header(HEADER, 2),
    "version 3": with_header(HEADER, 3),
    "of Python 2": with_header(HEADER.replace("{}", "{}L"), 1),
}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        *(("mapping.txt", change) for change in MAPPING.values()),
        *(("splits/test.split1.bundle", change) for change in BUNDLE.values()),
        *(("groundTruth/p00-1.txt", change) for change in LABELS.values()),
    ],
    ids=[f"{of} {name}" for of, each in (("mapping", MAPPING), ("list", BUNDLE), ("labels", LABELS)) for name in each],
)
def test_a_data_set_is_the_same(file: str, change: Damage, own_files: Path, ending: Ending) -> None:
    before = ending(own_files, check_data.main, "data/small", "--json")
    change(own_files / "data" / "small" / file)
    assert ending(own_files, check_data.main, "data/small", "--json") == before
    assert before.code == 0


@pytest.mark.parametrize("change", FEATURES.values(), ids=FEATURES)
def test_features_are_the_same(change: Damage, own_files: Path, ending: Ending) -> None:
    def predicted() -> dict[str, str]:
        words = ("--checkpoint", "trained/model.pt", "--features", "data/small/features", "--output", "new")
        assert ending(own_files, predict.main, *words).code == 0
        return {path.name: path.read_text() for path in (own_files / "new").iterdir()}

    path = own_files / "data" / "small" / "features" / "p00-1.npy"
    good = path.read_bytes()
    arranged(lambda of: of)(path)
    expected = predicted()
    path.write_bytes(good)
    change(path)
    assert predicted() == expected


@pytest.mark.parametrize(
    "change",
    [
        *TEXTS.values(),
        edited(lambda of: json.dumps(json.loads(of), separators=(",", ":")).encode()),
        edited(lambda of: json.dumps(json.loads(of), indent="\t").encode()),
        edited(lambda of: json.dumps({"model": json.loads(of)["dilations"]}).encode()),
        json_with({"anything": [{"nested": 1e-300}]}, "about"),
    ],
)
def test_a_structure_is_the_same(change: Damage, own_files: Path, ending: Ending) -> None:
    before = ending(own_files, structure_files.main, "structure.json", *SIZE)
    change(own_files / "structure.json")
    assert ending(own_files, structure_files.main, "structure.json", *SIZE) == before
    assert before.code == 0


@pytest.mark.parametrize(
    "change",
    [
        *TEXTS.values(),
        edited(lambda of: b"%YAML 1.1\n---\n" + of + b"...\n"),
        edited(lambda of: of + b"maxTrialNumber: &number 9\nmaxTrialDuration: *number\n"),
        swapped("searchSpaceFile: spaces/small.json", "searchSpace: {s1l0: {_type: choice, _value: [1, 2]}}"),
        edited(lambda of: of.replace(b"small global search", "größer".encode())),
    ],
)
def test_a_configuration_is_read(change: Damage, own_files: Path, ending: Ending) -> None:
    change(own_files / "experiments" / "small_global.yml")
    outcome = ending(own_files, launch.main, "experiments/small_global.yml")
    *before, last = outcome.err.splitlines()
    assert (outcome.code, last) == (1, "error: NNI would be started now")
    assert all(": the trials take about " in line for line in before)


def test_a_search_space_may_be_yaml(own_files: Path, ending: Ending) -> None:
    (own_files / "experiments" / "spaces" / "small.yml").write_text("s1l0: {_type: choice, _value: [1, 2]}\n")
    swapped("small.json", "small.yml")(own_files / "experiments" / "small_global.yml")
    assert ending(own_files, launch.main, "experiments/small_global.yml").code == 1


def test_records_of_a_killed_tuner_are_read(own_files: Path, ending: Ending) -> None:
    before = ending(own_files, export.main, "Ab3dE")
    records = own_files / "home" / "nni-experiments" / "Ab3dE" / "checkpoint" / "records.jsonl"
    edited(lambda of: of + b'{"event": "finished", "ui')(records)
    assert ending(own_files, export.main, "Ab3dE") == before
    edited(lambda of: of + b'\n{"event": "something new", "uid": []}\n')(records)
    outcome = ending(own_files, export.main, "Ab3dE")
    assert (outcome.code, outcome.out) == (before.code, before.out)
    assert outcome.err == f"warning: {records}: 1 damaged line(s) are left out\n{before.err}"


def test_a_register_has_more_than_is_read(own_files: Path, ending: Ending) -> None:
    register = own_files / "home" / "nni-experiments" / ".experiment"
    other = {"id": "other", "experimentName": None, "logDir": "/nowhere", "port": 8080, "pid": 1, "webuiUrl": ["x"]}
    before = ending(own_files, export.main, "Ab3dE")
    json_with(other, "other")(register)
    json_with(["tag"], "Ab3dE", "tag")(register)
    json_with(None, "Ab3dE", "experimentName")(register)
    assert ending(own_files, export.main, "Ab3dE") == before


def test_metrics_may_be_whole_numbers(own_files: Path, ending: Ending) -> None:
    for value in (0, 100, 1e2):
        json_with(value, "test", "edit")(own_files / "final" / "hand" / "split1" / "seed0" / "metrics.json")
        assert ending(own_files, final.main, "final").code == 0


def test_a_checkpoint_of_another_precision_is_read(own_files: Path, ending: Ending) -> None:
    words = ("--checkpoint", "trained/model.pt", "--data-root", "data", "--split", "1", "--output", "new")
    assert ending(own_files, predict.main, *words).code == 0
    before = (own_files / "new" / "p02-1.txt").read_text()
    torch_with(lambda of: {name: value.double() for name, value in of["weights"].items()}, "weights")(
        own_files / "trained" / "model.pt"
    )
    assert ending(own_files, predict.main, *words).code == 0
    assert (own_files / "new" / "p02-1.txt").read_text() == before


NAMES = ("two words", "$(touch made)", "`touch made`;", "'\"", "größer", "x" * 240)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_word_of_a_shell(name: str, own_files: Path, ending: Ending) -> None:
    """A data set, a class and a video of that name go all the way from the training to the score."""
    dataset = write_dataset(own_files / "data" / name)
    for path in (*dataset.glob("*/p00-1.*"), *dataset.glob("*/p02-1.*")):
        path.rename(path.with_stem(path.stem[1:] + name[:230]))
    for path in (dataset / "mapping.txt", *dataset.glob("groundTruth/*.txt")):
        path.write_text(path.read_text().replace("class_1", name))
    for path in dataset.glob("splits/*"):
        path.write_text(
            "".join(
                f"{line[1:5]}{name[:230]}.txt\n" if line[1:5] in ("00-1", "02-1") else f"{line}\n"
                for line in path.read_text().splitlines()
            )
        )
    data = ("--data-root", "data", f"--dataset={name}", "--split", "1")
    assert ending(own_files, check_data.main, "--data-root", "data", f"--dataset={name}").code == 0
    words = [word for word in TRAIN if word not in ("--dataset", "small", "--output")]
    assert ending(own_files, train.main, *words, f"--dataset={name}", "--output", "new").code == 0
    assert ending(own_files, predict.main, "--checkpoint", "new/model.pt", *data, "--output", "new").code == 0
    truth = ("--ground-truth", dataset / "groundTruth", "--videos", dataset / "splits" / "test.split1.bundle")
    assert ending(own_files, evaluate.main, *truth, "--predictions", "new", "--per-class").code == 0
    assert not list(own_files.rglob("made"))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_word_of_a_command(name: str, own_files: Path, ending: Ending) -> None:
    (own_files / "data" / "small").rename(own_files / "data" / name)
    words = (f"--dataset={name}", "--data-root", "data", "--template", "small", "--name", "run", "--dry-run")
    assert ending(own_files, pipeline.main, *words).code == 0
    steps = make_plan(own_files / "runs", name, "small", [1], ["global", "local", "final"], [0], "genetic")
    for step in steps:
        assert name in shlex.split(step.config["trialCommand"])
