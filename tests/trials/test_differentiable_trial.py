from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.history import read_history
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from strategies.tuners import DifferentiableTuner
from tests.strategies.fake_nni import FakeNni
from tests.strategies.fake_nni import Trial as NniTrial
from tests.trials.conftest import TINY, TINY_STRUCTURE, Command, Exit, Trial
from trials import differentiable_search
from trials.differentiable_trial import main
from trials.training.metrics import METRICS
from trials.training.training import Training


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
    found = Structure.from_labels(report.structure, TINY_STRUCTURE.network)
    assert found == read_structure(tmp_path / "found" / "best.json", TINY_STRUCTURE.network)
    content = json.loads((tmp_path / "found" / "search.json").read_text())
    assert report.probabilities == content["probabilities"]
    assert [{name: row[name] for name in row if name != "default"} for row in report.epochs] == content["epochs"]
    assert report.epochs == trial.intermediate
    assert trial.final[0].items() > report.structure.items()  # NNI's page shows them


def test_a_repeated_trial_goes_on_and_shows_all_of_its_epochs(
    trial: Trial, words: list[object], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(differentiable_search.main, *words, "--seed", 5, "--output", tmp_path / "found")
    expected = json.loads((tmp_path / "found" / "search.json").read_text())
    run_epoch, begun = Training.run_epoch, list[int]()

    def killed_once(training: Training, *rest: Any) -> float:
        begun.append(training.epoch)
        if begun == [0, 1]:
            raise KeyboardInterrupt
        return run_epoch(training, *rest)

    monkeypatch.setattr(Training, "run_epoch", killed_once)
    with pytest.raises(KeyboardInterrupt):
        command(main, *words)
    assert (len(trial.intermediate), trial.final) == (1, [])
    trial.intermediate.clear()
    command(main, *words, "--tensorboard")
    assert begun == [0, 1, 1]
    assert trial.report.probabilities == expected["probabilities"]
    assert trial.report.epochs == trial.intermediate
    assert [row["loss"] for row in trial.intermediate] == [row["loss"] for row in expected["epochs"]]
    steps, losses = zip(*trial.scalars["loss"], strict=True)
    assert steps == (1, 2)
    assert losses == pytest.approx([row["loss"] for row in expected["epochs"]])
    assert (tmp_path / "experiment" / "searches" / "seed_5" / "search.pt").exists()


def test_default_is_the_objective(trial: Trial, words: list[object], command: Command) -> None:
    command(main, *words, "--objective", "edit")
    assert [row["default"] for row in trial.intermediate] == [row["edit"] for row in trial.intermediate]
    assert trial.report.metrics["default"] == trial.report.metrics["edit"]


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({"seed": -1}, (), "the seed must be at least 0, not -1"),
        ({}, ("--split", 9), "no such split"),
        ({}, ("--candidates", 4), "--candidates must be at least two different dilations"),
        ({}, ("--validation-fraction", 0), "a search needs validation videos"),
    ],
)
def test_bad_input_is_reported_in_one_line(
    change: dict[str, Any], options: tuple[object, ...], reason: str, trial: Trial, words: list[object], exit_of: Exit
) -> None:
    trial.parameters |= change
    outcome = exit_of(main, *words, *options)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert reason in outcome.err
    assert reason in str(trial.report.failure)
    assert (trial.report.uid, trial.intermediate) == (42, [])


def test_a_layer_chooses_among_what_the_search_space_names(
    trial: Trial, small_dataset: Path, command: Command, exit_of: Exit
) -> None:
    labels = list(TINY_STRUCTURE.network.paths)
    trial.parameters["_candidates"] = {label: [3 + layer, 9] for layer, label in enumerate(labels)}
    words = ["--data-root", small_dataset.parent, "--dataset", "small", "--split", 1, *TINY, "--epochs", 2]
    command(main, *words)
    assert trial.report.structure is not None
    for layer, label in enumerate(labels):
        assert trial.report.structure[label] in (3 + layer, 9)
    outcome = exit_of(main, *words, "--candidates", 1, 4)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "leave out --candidates: the experiment's search space has the candidates of each layer" in outcome.err


def test_a_trial_added_by_hand_is_refused(trial: Trial, words: list[object], exit_of: Exit) -> None:
    trial.parameter_id = None
    assert exit_of(main, *words).code == 2
    assert "cannot be added by hand" in trial.final[0]["_trained"]["failure"]


@pytest.mark.parametrize("trouble", [False, True], ids=["undisturbed", "killed and resumed"])
def test_a_search_under_nni_finds_what_the_command_finds_bit_for_bit(
    trouble: bool,
    trial: Trial,
    words: list[object],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = {"seed": {"_type": "choice", "_value": [5, 6, 9]}}
    (tmp_path / "nni").mkdir()
    nni = FakeNni(tmp_path / "nni", monkeypatch)
    nni.start(DifferentiableTuner(network="ms-tcn:stages=2,layers=3"), space)

    def run(job: NniTrial) -> Any:
        trial.parameters = job.parameters
        trial.final.clear()
        command(main, *words)
        return trial.final[0]

    if trouble:  # after its last checkpoint, and before its report
        run(nni.running[1])
        nni.crash(nni.running[1])
        nni.resume(DifferentiableTuner(network="ms-tcn:stages=2,layers=3"), space)
    while nni.running:
        job = nni.running[-1]
        nni.report(job, run(job))
        nni.end(job)
    assert (nni.endings, nni.errors, len(nni.records("failed"))) == (1, [], int(trouble))
    finished = read_history(nni.folder).evaluations
    assert sorted(evaluation.about["seed"] for evaluation in finished) == [5, 6, 9]
    for evaluation in finished:
        alone = tmp_path / f"alone{evaluation.about['seed']}"
        command(differentiable_search.main, *words, "--seed", evaluation.about["seed"], "--output", alone)
        content = json.loads((alone / "search.json").read_text())
        about = json.loads((alone / "best.json").read_text())["about"]
        assert evaluation.structure == read_structure(alone / "best.json", TINY_STRUCTURE.network).by_label()
        assert {name: evaluation.metrics[name] for name in METRICS} == about["metrics"]
        assert evaluation.probabilities == content["probabilities"]
        assert [row["loss"] for row in evaluation.epochs] == [row["loss"] for row in content["epochs"]]
