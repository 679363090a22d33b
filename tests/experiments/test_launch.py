from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.history import History, read_history
from common.bad_input import BadInput, KnownFailure
from experiments import launch
from experiments.launch import IDLE_POLLS, Killed, kept_id, watch
from experiments.nni_experiment import Experiment, Trials
from tests.analysis.records import write_final_records


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment whose tuner has no more proposals, of which NNI 3.0 never says that it is DONE."""
    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    monkeypatch.setattr(Experiment, "has_tuner", lambda _: True)
    monkeypatch.setattr(Experiment, "history", lambda _: None)
    monkeypatch.setattr(Experiment, "status", lambda _: "TUNER_NO_MORE_TRIAL")
    return Experiment("Ab3dE", port=0, manager=0)


def stand(monkeypatch: pytest.MonkeyPatch, *trials: Trials | None) -> Iterator[Trials | None]:
    """Let the trials stand so, one time after another."""
    standing = iter(trials)
    monkeypatch.setattr(Experiment, "trials", lambda _: next(standing))
    return standing


def test_an_experiment_without_further_proposals_ends_with_its_last_trial(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = [Trials(0, 3, 2)] * (IDLE_POLLS + 1)
    left = stand(monkeypatch, Trials(2, 1, 1), None, Trials(1, 2, 1), *over)
    watch(experiment, total=None)
    assert list(left) == []


def test_a_trial_that_is_listed_late_is_waited_for(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a proposal and its trial NNI lists ended trials only."""
    between = [Trials(0, 2, 2)] * (IDLE_POLLS - 1)
    left = stand(monkeypatch, *between, Trials(1, 2, 2), *[Trials(0, 3, 3)] * (IDLE_POLLS + 1))
    watch(experiment, total=3)
    assert list(left) == []


def test_a_search_of_ours_goes_on(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain has nothing to propose while its iteration is trained, nor until its result is there."""
    monkeypatch.setattr(Experiment, "history", lambda _: History(Path("checkpoint")))
    statuses = iter([*["TUNER_NO_MORE_TRIAL"] * 3, "DONE"])
    monkeypatch.setattr(Experiment, "status", lambda _: next(statuses))
    left = stand(monkeypatch, Trials(0, 0, 0), Trials(0, 1, 1), Trials(1, 1, 1), Trials(0, 2, 2))
    watch(experiment, total=2)
    assert list(left) == []


def test_final_trainings_have_no_best(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are scored on the test videos, where nothing may be chosen."""
    history = read_history(write_final_records(tmp_path / "checkpoint", [50.0]))
    monkeypatch.setattr(Experiment, "history", lambda _: history)
    statuses = iter(["RUNNING", "DONE"])
    monkeypatch.setattr(Experiment, "status", lambda _: next(statuses))
    stand(monkeypatch, Trials(1, 1, 1), Trials(0, 2, 2))
    watch(experiment, 2, tmp_path / "progress.json")
    content = json.loads((tmp_path / "progress.json").read_text())
    assert (content["done"], content["best"]) == (2, None)
    assert capsys.readouterr().err == "1 of 2 trials done\n2 of 2 trials done\n"


def test_it_fails_if_no_trial_succeeded(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    stand(monkeypatch, Trials(1, 1, 0), *[Trials(0, 2, 0)] * (IDLE_POLLS + 1))
    monkeypatch.setattr(Experiment, "trials_folder", lambda _: "trials")
    with pytest.raises(KnownFailure, match="no trial of experiment Ab3dE succeeded: see trials"):
        watch(experiment, total=None)


def test_it_is_enough_once_its_time_is_over(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand(monkeypatch, Trials(1, 1, 1), Trials(1, 2, 1))
    assert watch(experiment, 24, tmp_path / "progress.json", None, seconds=0)
    content = json.loads((tmp_path / "progress.json").read_text())
    assert (content["status"], content["done"], content["total"]) == ("ENDED EARLY", 1, 24)


@pytest.mark.parametrize("records", [None, History(Path("checkpoint"))])
def test_its_time_is_not_enough_before_a_trial_has_succeeded(
    records: History | None, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Experiment, "history", lambda _: records)
    stand(monkeypatch, *[Trials(1, 1, 0)] * 2)
    with pytest.raises(KnownFailure, match="no trial has succeeded within --max-hours"):
        watch(experiment, 24, seconds=0)


def test_an_experiment_that_ended_by_itself_did_not_end_early(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Experiment, "status", lambda _: "DONE")
    stand(monkeypatch, Trials(0, 3, 3))
    assert not watch(experiment, 3, seconds=0)


@pytest.mark.parametrize("error", ["the tuner failed: TypeError: unexpected keyword argument 'popsize'", None])
def test_a_tuner_that_is_gone_was_killed_unless_it_is_known_to_have_failed(
    error: str | None, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = iter([True, False, False])
    monkeypatch.setattr(Experiment, "has_tuner", lambda _: next(present))
    monkeypatch.setattr(Experiment, "status", lambda _: "RUNNING")
    monkeypatch.setattr(Experiment, "error", lambda _: error)
    stand(monkeypatch, *[Trials(0, 0, 0)] * 3)
    with pytest.raises(KnownFailure) as raised:
        watch(experiment, total=None)
    killed = "the tuner of experiment Ab3dE was killed (is there enough memory? 'nnictl log stderr Ab3dE' may say more)"
    assert str(raised.value) == (killed if error is None else f"experiment Ab3dE has ended: {error}")
    assert isinstance(raised.value, Killed) == (error is None)


def test_a_kept_id_is_that_of_an_experiment_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "nni-experiments").mkdir()
    register = {"Ab3dE": {"logDir": str(tmp_path / "nni-experiments")}}
    (tmp_path / "nni-experiments" / ".experiment").write_text(json.dumps(register))
    file = tmp_path / "search.experiment"
    assert kept_id(None) is None
    assert kept_id(file) is None
    file.write_text("Ab3dE\n")
    assert kept_id(file) == "Ab3dE"
    for damaged in ("", "Xy9zK\n", "Ab3dE Ab3dE"):
        file.write_text(damaged)
        with pytest.raises(BadInput, match=r"^\S+/search\.experiment: unknown experiment"):
            kept_id(file)
