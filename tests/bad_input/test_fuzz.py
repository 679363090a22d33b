"""Every reader against random damage: it reads something of the right kind, or says in one line what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.final import read_runs
from analysis.history import read_history
from benchmarks.trial_gap import read_events
from common.bad_input import BadInput
from experiments.config_file import read_config
from experiments.run_folder import Run
from nas_space.networks import find_network
from nas_space.structure_files import read_structure
from nni_api.register import read_register
from tests.bad_input.workspace import no_longer_than
from tests.trials.conftest import TINY_STRUCTURE
from trials.data.elan import read_elan
from trials.data.feature_files import open_features, sample
from trials.data.label_files import read_bundle, read_labels, read_mapping
from trials.data.segment_tables import read_table
from trials.evaluate import read_predicted_lines
from trials.training.checkpoint import load_checkpoint, load_torch

pytestmark = pytest.mark.filterwarnings("ignore:.* damaged line")

IDS = {f"class_{index}": index for index in range(3)}
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "mapping": ("data/small/mapping.txt", read_mapping),
    "list": ("data/small/splits/train.split1.bundle", read_bundle),
    "labels": ("data/small/groundTruth/p00-1.txt", lambda path: read_labels(path, IDS)),
    "table of segments": ("segments.csv", lambda path: read_table(path, "frames")),
    "events of BORIS": ("events.csv", lambda path: read_table(path, "seconds")),
    "ELAN file": ("one.eaf", read_elan),
    "features": ("data/small/features/p00-1.npy", lambda path: sample(open_features(path), 1, path)),
    "structure": ("structure.json", lambda path: read_structure(path, TINY_STRUCTURE.network)),
    "network": ("net.json", lambda path: find_network(str(path))),
    "checkpoint": ("trained/model.pt", load_checkpoint),
    "unfinished training": ("unfinished/training.pt", load_torch),
    "predicted labels": ("predicted/one.txt", lambda path: read_predicted_lines(path.parent, path.stem)),
    "final trainings": ("final/hand/split1/seed0/metrics.json", lambda _: read_runs(Path("final"))),
    "records": ("home/nni-experiments/Ab3dE/checkpoint/records.jsonl", lambda path: read_history(path.parent)),
    "register": ("home/nni-experiments/.experiment", lambda _: read_register()),
    "configuration": ("experiments/small_global.yml", read_config),
    "search space": ("experiments/spaces/small.json", lambda _: read_config(Path("experiments/small_global.yml"))),
    "run": ("runs/small/pipeline.json", lambda path: Run(path.parent, {})),
    "database": ("home/nni-experiments/Ab3dE/db/nni.sqlite", read_events),
}

PIECES = st.sampled_from(
    [b"", b"\0", b"\n", b"\r", b"\xff", b"[", b"}", b'"', b"9" * 30, b"-1", b"1e999", b"null", b": ", b"../", b"\x0c"]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES | st.binary(max_size=8)), min_size=1, max_size=4)
"""Where, how many bytes are taken away, and what is put there."""


def edit(good: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for place, taken, piece in edits:
        start = int(place * len(good))
        good = good[:start] + piece + good[start + taken :]
    return good


@pytest.fixture
def working_directory(shared_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shared_files)
    monkeypatch.setenv("HOME", str(shared_files / "home"))
    monkeypatch.setattr("nni_api.register.PAUSE_SECONDS", 0)
    return shared_files


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, anything=st.none() | st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    name: str, edits: list[tuple[float, int, bytes]], anything: bytes | None, working_directory: Path
) -> None:
    file, read = READERS[name]
    path = working_directory / file
    good = path.read_bytes()
    path.write_bytes(edit(good, edits) if anything is None else anything)
    refusal = None
    try:
        with no_longer_than(30):
            read(path)
    except BadInput as fault:
        refusal = str(fault)
    finally:
        path.write_bytes(good)
    # A changed name of a search space, or changed settings of a run, are faults of other places.
    assert refusal is None or path.stem in refusal or name in ("configuration", "run")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_a_damaged_checkpoint_never_has_other_weights(
    edits: list[tuple[float, int, bytes]], working_directory: Path
) -> None:
    path = working_directory / "trained" / "model.pt"
    good = path.read_bytes()
    weights = load_checkpoint(path).weights
    path.write_bytes(edit(good, edits))
    try:
        loaded = load_checkpoint(path).weights
    except BadInput:
        return
    finally:
        path.write_bytes(good)
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_damaged_features_are_finite_and_two_dimensional(
    edits: list[tuple[float, int, bytes]], working_directory: Path
) -> None:
    path = working_directory / "data" / "small" / "features" / "p00-1.npy"
    good = path.read_bytes()
    path.write_bytes(edit(good, edits))
    try:
        features = sample(open_features(path), 1, path)
    except BadInput:
        return
    finally:
        path.write_bytes(good)
    assert features.ndim == 2
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
