from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.bad_input import BadInput, KnownFailure
from studies.scale import __main__ as command
from studies.scale.__main__ import main, trial_seconds
from studies.scale.breakfast import TRIAL_SECONDS, Plan
from studies.scale.check import Checked
from studies.scale.real_run import RealRun
from studies.scale.works import genetic_work, training_work
from tests.studies.scale.test_works import NETWORK


def test_seconds_of_trials() -> None:
    assert trial_seconds(["local=45", "genetic=6e1"]) == {**TRIAL_SECONDS, "local": 45.0, "genetic": 60.0}


@pytest.mark.parametrize("word", ["local", "local=", "local=0", "local=-1", "local=inf", "local=nan", "global=5", "=5"])
def test_seconds_that_are_refused(word: str) -> None:
    with pytest.raises(BadInput, match="expected KIND=SECONDS, KIND one of genetic, differentiable, local, final"):
        trial_seconds([word])


def test_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    genetic = Plan("small", "genetic", lambda seconds, _: genetic_work(NETWORK, 3, 12, seconds, 1))
    final = Plan("trainings", "final", lambda seconds, _: training_work(4, seconds, 1))
    monkeypatch.setattr(command, "AS_THEY_ARE", (genetic, final))
    monkeypatch.setattr(command, "CHANGED", ())
    monkeypatch.setattr(command, "GPUS", (1, 2, 4))
    output = tmp_path / "scale"
    monkeypatch.setattr(sys, "argv", ["command", "--trial-seconds", "final=100", "--output", str(output)])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["1", "2", "4", "1", "2", "4"]
    plans = (output / "plans.csv").read_text().splitlines()
    assert plans[4].startswith("trainings,1,100.0,4,0.11")  # four of 100 s take 0.111 hours and a little
    assert len((output / "shorter_trials.csv").read_text().splitlines()) == 1 + 7 * 2
    assert (tmp_path / "scale.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(("simulated", "fails"), [(55.0, False), (80.0, True)])
def test_the_check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    simulated: float,
    fails: bool,
) -> None:
    run = RealRun(8, 50.0, 10.0, ("submission 1 80.00", "end 1 20.00", "report 1 10.00", "listing 1 0.10"))
    monkeypatch.setattr(command, "check_all", lambda: iter([Checked("local", 2, run, simulated, 60.0)]))
    monkeypatch.setattr(sys, "argv", ["command", "--check", "--output", str(tmp_path)])
    if fails:
        with pytest.raises(KnownFailure, match=r"local, workers: 2: 1\.60"):
            main()
    else:
        main()
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["local", "2"]
    assert len((tmp_path / "check.csv").read_text().splitlines()) == 2


def test_seconds_are_for_the_simulation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["command", "--measure", "--trial-seconds", "local=5"])
    with pytest.raises(BadInput, match="leave out --check and --measure"):
        main()
