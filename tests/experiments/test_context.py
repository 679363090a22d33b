"""experiments.context: its cost, its time limit, its results. NNI is played by the test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput, KnownFailure
from experiments import context
from experiments.context import main, run_steps, write_results
from experiments.from_data import timed_steps
from experiments.run_folder import Run
from experiments.steps import PipelineStep
from tests.analysis.test_frontier import write_results as write_made_up_results
from tests.conftest import write_dataset

STEPS = [
    PipelineStep("found_1_8_split1", "global", "it", {}, Path("split1/found_1_8.json"), 3),
    PipelineStep("final_split1", "final", "it", {}, None, 5),
    PipelineStep("final_seed1", "final", "it", {}, None, 5),
]
EXPERIMENT = {"id": "Ab3dE", "port": 1, "manager": 0}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "context", {"dataset": "small", "global_search": "differentiable"})


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float | None]]:
    """The time that each step was given; each takes 0.4 hours of it, and ends early where it has less."""
    given: list[tuple[str, float | None]] = []

    def run_step(run: Run, step: PipelineStep, share: float | None, max_hours: float | None, _: object) -> None:
        given.append((step.name, share))
        early = share is not None and share < 0.4
        ran = share if early else 0.4
        run.note(step.name, done=True, ran=ran, ended_early=max_hours if early else None, experiment=EXPERIMENT)

    monkeypatch.setattr(context, "run_step", run_step)
    return given


def test_all_steps_run_where_the_time_has_no_limit(run: Run, shares: list[Any]) -> None:
    run_steps(run, STEPS, None)
    run_steps(run, STEPS, None)
    assert shares == [(step.name, None) for step in STEPS]


def test_the_time_that_is_left_goes_to_the_next_step(run: Run, shares: list[Any], capsys: Any) -> None:
    run_steps(run, STEPS, 0.6)
    assert shares == [("found_1_8_split1", pytest.approx(0.6)), ("final_split1", pytest.approx(0.2))]
    assert capsys.readouterr().err == "final_seed1 and what follows: left out, by --max-hours\n"
    # Longer, the step that ended early goes on.
    run_steps(run, STEPS, 1.0)
    assert shares[2:] == [("final_split1", pytest.approx(0.6)), ("final_seed1", pytest.approx(0.2))]


def test_a_search_without_a_result_in_its_time_ends_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def run_step(*_: Any) -> None:
        raise KnownFailure("experiment Ab3dE: no trial has succeeded within --max-hours; resume it with a longer one")

    monkeypatch.setattr(context, "run_step", run_step)
    run_steps(run, STEPS, 0.6)
    assert "found_1_8_split1 and what follows: left out: experiment Ab3dE" in capsys.readouterr().err


def test_results_are_a_sentence_a_table_a_figure_and_the_structures(tmp_path: Path) -> None:
    write_made_up_results(tmp_path)
    (tmp_path / "split1").mkdir()
    (tmp_path / "split1" / "found_1_8.json").touch()
    sentence, files, structures = write_results(tmp_path).splitlines()
    assert sentence.startswith("a context of 90 frames, 45 s (found_1_8")
    assert files == f"table and figure: {tmp_path}/frontier.csv, {tmp_path}/frontier.png"
    assert structures == f"its structures: {tmp_path}/split1/found_1_8.json"
    header, hand, *_ = (tmp_path / "frontier.csv").read_text().splitlines()
    assert header == "structure,frames,seconds,trainings,mean,mean_minus_hand,low,high"
    assert hand == "hand,800.0,400.0,3,82.0,,,"
    assert json.loads((tmp_path / "frontier.json").read_text())["answer"] == sentence
    assert (tmp_path / "frontier.png").stat().st_size > 10_000


def test_the_cost_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_steps, "_start_seconds", lambda: 3.0)
    write_dataset(tmp_path / "data" / "small", train=6, splits=3)
    monkeypatch.chdir(tmp_path)
    words = ["--dataset", "small", "--template", "demo", "--dry-run", "--max-hours", "2"]
    monkeypatch.setattr(sys, "argv", ["context", *words])
    main()
    outcome = capsys.readouterr()
    assert "searches within 1, 6, 13 frames\n" in outcome.err
    # Three budgets on three splits, each with the demo's two seeds; 7 structures on three splits with three seeds.
    assert "18 trainings of searches and 63 final trainings: about " in outcome.err
    assert outcome.err.endswith(" on this machine, by timed steps; ended after 2 hours\n")
    first, *others = outcome.out.splitlines()
    assert first.split()[:3] == ["found_1_32_split1", "2", "trainings,"]
    assert len(others) == 13
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "1", "1"], r"--seeds must be different whole numbers of at least 0, not \[1, 1\]"),
        (["--name", "a/b"], "--name must be a plain folder name, not 'a/b'"),
        (["--split", "9"], "no such split; small has 1"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "data" / "small")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["context", "--dataset", "small", "--template", "demo", *words])
    with pytest.raises(BadInput, match=message):
        main()
