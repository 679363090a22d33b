"""Files that version 0.1.0 wrote on 2026-11-29, before files said which network they are of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.report.page import write_report
from analysis.report.pictures import Pictures
from analysis.searches import SearchRecord
from nas_space.branching import Branching
from nas_space.networks import find_network
from nas_space.networks.ms_tcn import same_settings
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from strategies.expectation import ExpectationSearch
from trials.training.checkpoint import load_checkpoint

FILES = Path(__file__).parent / "files"
DEMO = find_network("ms-tcn:stages=2,layers=2")


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FILES / name).read_text())
    return content


@pytest.mark.parametrize("phase", ["global", "local"])
def test_a_structure_file(phase: str) -> None:
    structure = read_structure(FILES / "run" / "split1" / f"{phase}.json", DEMO)
    assert structure.by_path() == read(f"run/split1/{phase}.json")["dilations"]


def test_a_checkpoint() -> None:
    checkpoint = load_checkpoint(FILES / "model.pt")
    assert checkpoint.structure() == Structure((1,), find_network("ms-tcn:stages=1,layers=1"))
    assert checkpoint.module().state_dict().keys() == checkpoint.weights.keys()


@pytest.mark.parametrize("phase", ["global", "local"])
def test_the_records_of_a_search(phase: str) -> None:
    search = SearchRecord.of_folder(FILES / "run" / "split1" / phase)
    assert search.phase == phase
    assert search.history.network == DEMO
    assert search.best().network == DEMO


def test_the_state_of_a_local_search() -> None:
    start = read_structure(FILES / "run" / "split1" / "global.json", DEMO)
    search = ExpectationSearch([(start, {"split": 1, "seed": 0})], Branching(3, 0.25), iterations=5)
    search.load_state_dict(read("local_state.json")["search"])
    assert search.finished
    # What a trial of today needs to train lost iterations again is there.
    assert search.proposal(2).extra["_earlier"] == {"0": "32 16 8 1", "1": "33 13 7 1"}
    (ended,) = search.pop_events()
    assert Structure.from_labels(ended["structure"], DEMO) == read_structure(FILES / "run/split1/local.json", DEMO)


def test_the_report_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pictures, "draw", lambda *_: [])
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path))
    shutil.copytree(FILES / "run", tmp_path / "run")
    text = write_report(str(tmp_path / "run")).read_text()
    assert str(read_structure(FILES / "run" / "split1" / "local.json", DEMO)) in text


@pytest.mark.parametrize("name", ["local.json", "search.json"])
def test_the_settings_of_a_search_without_nni(name: str) -> None:
    kept = read(name)["search"]
    network = find_network("ms-tcn:stages=2,layers=3")
    now = {key: value for key, value in kept.items() if key not in ("shape", "channels")}
    assert same_settings(kept, {**now, "network": network.to_json()})
    assert not same_settings(kept, {**now, "network": find_network("causal-ms-tcn:stages=2,layers=3").to_json()})
    assert not same_settings(kept, {**now, "network": {**network.to_json(), "channels": 8}})
    assert not same_settings(kept, {**now, "network": network.to_json(), "split": 2})
