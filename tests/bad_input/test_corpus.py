"""Every reader against damaged files: one line that names the file, exit code 2; no traceback, no hang, no success.

A reader is a command, the file that it reads, and the ways in which that file is damaged. Each command is also run on
the good file, so that a refusal is known to be of the damage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis import compare, export, final
from analysis.plots import __main__ as plots
from analysis.report import __main__ as report
from analysis.report.pictures import Pictures
from benchmarks import trial_gap
from common.bad_input import BadInput
from experiments import launch, pipeline
from nas_space import structure_files
from nas_space.networks import build, find_network
from nas_space.structure import Structure
from tests.bad_input.conftest import Ending
from tests.bad_input.damages import NO_JSON, NO_TEXT, TEXT, content, json_with
from tests.bad_input.data_damages import BUNDLE, FEATURES, LABEL_TEXT, LABELS, MAPPING
from tests.bad_input.reader import Reader
from tests.bad_input.run_damages import CONFIG, DATABASE, JUDGED, KEPT, PLAN, RECORDS, REGISTER, REPORTED, RUN
from tests.bad_input.segment_damages import SEGMENTS
from tests.bad_input.training_damages import (
    CHOICE,
    FINGERPRINT,
    FINISHED,
    ITERATION,
    LOCAL,
    METRICS,
    MODEL,
    NETWORK,
    STRUCTURE,
    TRAP,
    UNFINISHED,
)
from tests.bad_input.workspace import CHOOSE, SEARCH, SIZE, TRAIN
from trials import check_data, differentiable_search, evaluate, local_search, predict, train

pytestmark = pytest.mark.filterwarnings("default")  # as a user has them


EVALUATE = ("--ground-truth", "true", "--predictions", "predicted")
CHECK = ("data/small",)
TIMELINE = ("timeline", *EVALUATE, "--video", "one", "--output", "new.png")
REPORT = ("--data-root", "data", "--output", "new")
FINAL = "reported/final/hand/split1/seed0"
ALL_RUNS = ("--dataset", "small", "--data-root", "data", "--split", "1", "--phases", "global")

VIDEOS = ("nowhere", "touch made", "\\x1b[2J", "p01-", "p02-", "small/splits", "predicted")
CHANGED = ("mapping.txt: has changed since",)
DATA_FILE = "runs/small/data-split1-every1-float32.json"
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
    "network": Reader(
        structure_files.main, ("hand", "--network", "net.json"), "net.json", {**TEXT, **NO_JSON, **NETWORK}
    ),
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
        {**TEXT, **NO_JSON, **METRICS, **FINISHED},
        names=CHANGED,
        may_be_missing=True,
    ),
    "unfinished training": Reader(
        train.main,
        (*TRAIN, "unfinished"),
        "unfinished/training.pt",
        UNFINISHED,
        names=CHANGED,
        may_be_missing=True,
    ),
    "local search": Reader(
        local_search.main,
        (*SEARCH, "1"),
        "search/local.json",
        LOCAL,
        names=("search: holds", *CHANGED),
        may_be_missing=True,
    ),
    "iteration": Reader(local_search.main, (*SEARCH, "2"), "search/iteration_0.pt", ITERATION, names=CHANGED),
    "differentiable search": Reader(
        differentiable_search.main,
        CHOOSE,
        "chosen/search.pt",
        CHOICE,
        names=("chosen: holds", *CHANGED),
        may_be_missing=True,
    ),
    "checkpoint of a score": Reader(
        evaluate.main,
        (*EVALUATE, "--checkpoint", "trained/model.pt"),
        "trained/model.pt",
        {
            name: damage
            for name, damage in MODEL.items()
            if not name.endswith(("data set elsewhere", "absolute data set"))
        },
    ),
    "data of a run": Reader(pipeline.main, ALL_RUNS, DATA_FILE, FINGERPRINT, names=CHANGED, may_be_missing=True),
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
        export.main,
        ("Ab3dE", "--output", "new.json", "--table", "new/trials.csv"),
        f"{HISTORY}/checkpoint/records.jsonl",
        RECORDS,
        names=("Ab3dE",),
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
        names=("nowhere.json", "small_differentiable.yml"),
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
    "records of a comparison": Reader(
        compare.main, ("Ab3dE", "kept", "--output", "new"), "kept/records.jsonl", RECORDS, names=("kept",)
    ),
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
    "checkpoint of a report": Reader(
        report.main,
        ("reported", *REPORT),
        f"{FINAL}/model.pt",
        {name: MODEL[name] for name in ("a network that is code", "code in a checkpoint", "half")},
    ),
    "predictions of a report": Reader(
        report.main, ("reported", *REPORT), f"{FINAL}/predictions/p02-1.txt", LABEL_TEXT, may_be_missing=True
    ),
    **SEGMENTS,
    "database": Reader(trial_gap.main, ("Ab3dE",), f"{HISTORY}/db/nni.sqlite", DATABASE),
}
EARLIER_LINES = (
    "warning: ",
    "fault: ",
    "search: resumed",
    "global search: ",
    "Ab3dE: ",
    "scores are those of each trial's last epoch",
    "data/small: reading ",
    "feature cache: ",
)
"""How lines begin that may come before the error."""
CASES = [(reader, damage) for reader, each in READERS.items() for damage in each.damages]


@pytest.mark.parametrize("name", READERS)
def test_the_good_file_is_read(name: str, own_files: Path, ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = READERS[name]
    monkeypatch.setattr(Pictures, "draw", lambda *_: [])  # a report's figures have tests of their own
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
    assert all(line.startswith(EARLIER_LINES) or ": the trials take about " in line for line in before)
    assert any(name in outcome.err for name in (Path(reader.file).stem, *reader.names))
    assert reader.says.get(damage, "") in last
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


def test_the_trap_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code that attackers name here does run, if the user names it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.json").write_text(json.dumps(TRAP))
    with pytest.raises(BadInput, match=r"tests\.bad_input\.trap:network cannot be imported"):
        build(Structure.hand(find_network("net.json")), 6, 3)
    assert (tmp_path / "made").is_dir()
