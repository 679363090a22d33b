"""A trial as NNI and the tuner know it: what it reports of how it ended, its folders, its share of the cores."""

from __future__ import annotations

import json
import subprocess
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import nni_node
import pytest

from common.bad_input import BadInput, KnownFailure
from nas_space.networks import find_network
from nni_api.home import Home
from nni_api.trial_channel import TrialChannel
from nni_api.trial_report import TrialReport
from tests.nni_api.small_manager import OWN, RECORD, Manager
from trials.nni_trial import NniTrial, share_of_cores
from trials.training.training import NonFiniteLoss


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the trial ``Ab3dE`` tells NNI at its end."""
    reports: list[Any] = []
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "Ab3dE")
    monkeypatch.setattr(TrialChannel, "report_final_result", lambda _, result: reports.append(result))
    return reports


def read(report: dict[str, Any]) -> TrialReport:
    """A report as the tuner reads it."""
    return TrialReport.from_nni(json.loads(json.dumps(report)), None, None)


def trial(*, added_by_hand: bool = False) -> NniTrial:
    parameters = {"s1l0": 8, "s2l9": 4, "_uid": 2, "other": 1}
    channel = TrialChannel(lambda *_: None, None if added_by_hand else 1, parameters)
    return NniTrial(channel, find_network("ms-tcn"), time.monotonic() - 100)


def test_only_labels_are_dilations() -> None:
    assert trial().dilations() == {"s1l0": 8, "s2l9": 4}


@pytest.mark.parametrize(("added_by_hand", "uid"), [(False, 2), (True, None)])
def test_report_names_the_trial_and_what_it_trained(reports: list[Any], added_by_hand: bool, uid: int | None) -> None:
    trial(added_by_hand=added_by_hand).report(metrics={"default": 50.0, "acc": 60.0}, epochs=[{"acc": 60.0}])
    (report,) = map(read, reports)
    assert (report.uid, report.trial, report.structure) == (uid, "Ab3dE", {"s1l0": 8, "s2l9": 4})
    assert (report.metrics, report.epochs) == ({"default": 50.0, "acc": 60.0}, [{"acc": 60.0}])
    assert report.failure is None
    assert report.seconds == pytest.approx(100, abs=20)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (BadInput("x.npy: NaN"), "x.npy: NaN"),
        (NonFiniteLoss("the loss is nan"), "the loss is nan"),
        (KnownFailure("it is known"), "it is known"),
        (RuntimeError("on fire"), "RuntimeError: on fire"),
        (KeyError("s1l0"), "KeyError: 's1l0'"),
        (OSError(28, "No space left on device", "a.pt"), "a.pt: No space left on device"),
        (OSError("no name"), "OSError: no name"),
    ],
    ids=repr,
)
def test_failures_are_reported_and_raised(reports: list[Any], fault: Exception, told: str) -> None:
    with pytest.raises(type(fault)) as raised, trial().reporting_failures():
        raise fault
    assert raised.value is fault
    (report,) = map(read, reports)
    assert (report.failure, report.metrics, report.uid) == (told, {}, 2)


def test_success_and_interruption_are_no_failures(reports: list[Any]) -> None:
    with trial().reporting_failures():
        pass
    with pytest.raises(KeyboardInterrupt), trial().reporting_failures():
        raise KeyboardInterrupt
    assert reports == []


def test_event_files_go_where_the_button_of_nni_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", "/nni/expid/environments/local-env/trials/Ab3dE")
    folder = nni_node.__path__[0]
    program = """
        const Module = require('module');
        const globals = { paths: { experimentRoot: '/nni/expid' } };
        const stubs = {
            'common/globals': { __esModule: true, default: globals, globals },
            'common/log': { getLogger: () => ({}) },
            './factory': {},
        };
        const load = Module._load;
        Module._load = (request, ...others) => stubs[request] ?? load(request, ...others);
        const { V3asV1 } = require('./training_service/v3/compat');
        V3asV1.prototype.getTrialOutputLocalPath('Ab3dE').then(console.log);
    """
    answer = subprocess.check_output(
        [f"{folder}/node", "-e", program], cwd=folder, env={"NODE_PATH": folder}, text=True
    )
    assert trial().tensorboard_folder() == Path(answer.strip()) / "tensorboard"


def test_trial_begins_with_its_parameters(manager: Manager) -> None:
    received = NniTrial.receive(Namespace(threads=1, network=find_network("ms-tcn")))
    assert received.parameters == OWN["parameters"]
    assert received.started <= time.monotonic()
    assert len(manager.asked) == 1


# Cores


@pytest.mark.parametrize(
    ("cores", "concurrency", "share"), [(8, 2, 4), (8, 3, 2), (2, 2, 1), (2, 5, 1), (1, 1, 1)], ids=str
)
def test_each_trial_takes_its_share_of_the_cores(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, cores: int, concurrency: int, share: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    manager.answers = [(200, json.dumps({"params": {"trialConcurrency": concurrency}})), (200, RECORD)]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    arguments = Namespace(threads=None, cores=None, network=find_network("ms-tcn"))
    NniTrial.receive(arguments)
    assert (arguments.threads, arguments.cores) == (None, share)
    assert manager.asked[0] == "/api/v1/nni/experiment"


@pytest.mark.parametrize(("cores", "trials", "share"), [(8, 2, 4), (2, 5, 1)], ids=str)
def test_on_another_machine_its_trials_share_its_cores(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, cores: int, trials: int, share: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(Home, "current", Home({}, trials, lambda *_: None))
    assert share_of_cores() == share
    assert manager.asked == []


@pytest.mark.parametrize(("threads", "variable"), [(7, ""), (None, "7")], ids=str)
def test_a_chosen_number_of_threads_stands(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, threads: int | None, variable: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    arguments = Namespace(threads=threads, cores=None, network=find_network("ms-tcn"))
    NniTrial.receive(arguments)
    assert (arguments.threads, arguments.cores) == (threads, None)
    assert manager.asked == ["/api/v1/nni/trial-jobs/Ab3dE"]


@pytest.mark.parametrize("answer", [(404, "no such page"), (200, ""), (200, "{}"), (500, "not yet")], ids=str)
def test_threads_are_left_alone_where_nni_does_not_tell(manager: Manager, answer: tuple[int, str]) -> None:
    manager.answers = [answer]
    assert share_of_cores() is None
