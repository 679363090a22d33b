from __future__ import annotations

from pathlib import Path

import pytest

from experiments.from_data import timed_steps
from experiments.new import template_of
from experiments.plan import GENETIC, make_plan
from tests.conftest import write_dataset
from tests.experiments.from_data.test_phases import SPEEDS


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run on the data set ``mine``, for which there are no files."""
    write_dataset(tmp_path / "data" / "mine", train=8, test=2)
    monkeypatch.setenv("G2L_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setattr(timed_steps, "time_steps", lambda *_: SPEEDS)
    return tmp_path / "runs" / "mine"


def test_a_run_without_files_writes_its_own(run: Path) -> None:
    with template_of("mine", None, run, dry=False) as template:
        assert template == str(run / "mine")
        steps = make_plan(run, "mine", template, [1], ["global", "local"], [0], GENETIC)
    assert [step.trials for step in steps] == [24, 10]
    assert steps[0].config["searchSpaceFile"] == str(run / "spaces" / "mine_global.json")
    assert steps[0].source == str(run / "mine_global.yml")
    assert "--data-root" not in steps[0].config["trialCommand"]  # the run's own is inherited


def test_it_goes_on_by_them(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with template_of("mine", None, run, dry=False):
        pass
    file = run / "mine_local.yml"
    file.write_text(file.read_text().replace("iterations: 10", "iterations: 3"))
    monkeypatch.setattr(timed_steps, "time_steps", None)
    with template_of("mine", None, run, dry=False) as template:
        (step,) = make_plan(run, "mine", template, [1], ["local"], [0])
    assert step.trials == 3


def test_what_a_kill_left_out_is_written(run: Path) -> None:
    with template_of("mine", None, run, dry=False):
        pass
    (run / "mine_final.yml").unlink()
    (run / "mine_local.yml").write_text("changed")
    with template_of("mine", None, run, dry=False):
        pass
    assert (run / "mine_final.yml").exists()
    assert (run / "mine_local.yml").read_text() == "changed"


def test_a_dry_run_leaves_nothing(run: Path) -> None:
    with template_of("mine", None, run, dry=True) as template:
        assert make_plan(run, "mine", template, [1], ["global"], [0])[0].trials == 3  # seeds
    assert not run.exists()


@pytest.mark.parametrize(("dataset", "template", "used"), [("gtea", None, "gtea"), ("mine", "demo", "demo")])
def test_files_that_are_there_are_used(run: Path, dataset: str, template: str | None, used: str) -> None:
    with template_of(dataset, template, run, dry=False) as found:
        assert found == used
    assert not run.exists()
