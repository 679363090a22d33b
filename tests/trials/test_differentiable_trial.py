from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, Trial
from trials import differentiable_search
from trials.differentiable_trial import main


@pytest.fixture
def words(small_dataset: Path) -> list[object]:
    data = ["--data-root", small_dataset.parent, "--dataset", "small", "--split", 1]
    return [*data, *TINY, "--candidates", 1, 4, "--epochs", 2]


@pytest.fixture
def trial(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    output = tmp_path / "experiment" / "environments" / "local-env" / "trials" / "Ab3dE"
    output.mkdir(parents=True)
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(output))
    trial.parameters.clear()
    trial.parameters |= {"_uid": 42, "seed": 5}
    return trial


def test_a_trial_finds_what_the_command_finds(
    trial: Trial, words: list[object], command: Command, tmp_path: Path
) -> None:
    command(main, *words)
    command(differentiable_search.main, *words, "--seed", 5, "--output", tmp_path / "found")
    report = trial.report
    assert (report.uid, report.trial, report.failure) == (42, "Ab3dE", None)
    assert report.structure is not None
    found = Structure.from_labels(report.structure, TINY_STRUCTURE.shape)
    assert found == read_structure(tmp_path / "found" / "best.json", TINY_STRUCTURE.shape)
    content = json.loads((tmp_path / "found" / "search.json").read_text())
    assert report.probabilities == content["probabilities"]
    assert [{name: row[name] for name in row if name != "default"} for row in report.epochs] == content["epochs"]
    assert report.epochs == trial.intermediate
    assert trial.final[0].items() > report.structure.items()  # NNI's page shows them


def test_a_repeated_trial_goes_on(trial: Trial, words: list[object], command: Command, tmp_path: Path) -> None:
    command(main, *words)
    command(main, *words)
    one, again = trial.final
    assert len(trial.intermediate) == 2  # nothing is trained again
    assert again["_trained"] == one["_trained"]
    assert (tmp_path / "experiment" / "searches" / "seed_5" / "search.pt").exists()


def test_a_trial_added_by_hand_is_refused(trial: Trial, words: list[object], exit_of: Exit) -> None:
    trial.added_by_hand = True
    assert exit_of(main, *words).code == 2
    assert "cannot be added by hand" in trial.final[0]["_trained"]["failure"]
