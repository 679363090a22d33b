"""A trial learns its own parameters from NNI's manager, here a small local server with scripted answers."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import nni
import nni.trial
import nni_node
import pytest

from nas_space.bad_input import BadInput, KnownFailure
from nas_space.trial_report import TrialReport
from trials import nni_channel
from trials.nni_channel import NniTrial, own_parameters, share_of_cores
from trials.training import NonFiniteLoss

HANDED = {"parameter_id": 1, "parameters": {"s1l0": 4, "_uid": 1}}
OWN = {"parameter_id": 2, "parameter_source": "algorithm", "parameters": {"s1l0": 8, "_uid": 2}}
RECORD = json.dumps({"trialJobId": "Ab3dE", "status": "RUNNING", "hyperParameters": [json.dumps(OWN)]})


class Manager:
    """NNI's manager: gives these answers one after another, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = [(200, RECORD)]
        self.asked: list[str] = []
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                manager.asked.append(self.path)
                status, body = manager.answers.pop(0) if len(manager.answers) > 1 else manager.answers[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager at work, and this process as its trial ``Ab3dE``, which was handed another trial's parameters."""
    manager = Manager()
    thread = threading.Thread(target=manager.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "Ab3dE")
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/env/local")
    monkeypatch.setattr(nni.trial, "_params", HANDED)
    monkeypatch.setattr(nni, "get_next_parameter", lambda: HANDED["parameters"])
    monkeypatch.setattr(nni_channel, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(nni_channel, "TIME_LIMIT", 5.0)
    yield manager
    manager.server.shutdown()
    thread.join()
    manager.server.server_close()


def test_own_parameters_and_not_the_handed_ones(manager: Manager) -> None:
    assert own_parameters() == (OWN["parameters"], False)
    assert manager.asked == ["/api/v1/nni/trial-jobs/Ab3dE"]


@pytest.mark.usefixtures("manager")
def test_nni_pairs_the_result_with_them() -> None:
    own_parameters()
    assert nni.trial._params == OWN
    assert nni.get_current_parameter() == OWN["parameters"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, ""),
        (200, "{}"),
        (200, '{"status": "WAITING"}'),
        (200, '{"hyperParameters": []}'),
        (200, '{"hyperParameters": ["{"]}'),
        (200, "not JSON"),
        (500, "not yet"),
    ],
    ids=str,
)
def test_waits_for_the_record(manager: Manager, answer: tuple[int, str]) -> None:
    manager.answers = [answer, answer, (200, RECORD)]
    assert own_parameters() == (OWN["parameters"], False)
    assert len(manager.asked) == 3


def test_added_by_hand(manager: Manager) -> None:
    record = {**OWN, "parameter_id": None, "parameter_source": "customized"}
    manager.answers = [(200, json.dumps({"hyperParameters": [json.dumps(record)]}))]
    assert own_parameters() == (OWN["parameters"], True)


def test_remote_keeper_falls_back_to_the_handed_ones(manager: Manager) -> None:
    manager.answers = [(404, "no such page")]
    assert own_parameters() == (HANDED["parameters"], False)
    assert len(manager.asked) == 1


@pytest.mark.parametrize("channel", ["", "ws://127.0.0.1:1/env/local", "http://127.0.0.1:1/platform"])
def test_no_manager_to_ask(manager: Manager, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", channel)
    assert own_parameters() == (HANDED["parameters"], False)
    assert manager.asked == []


def test_manager_below_a_url_prefix(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/prefix/env/local")
    own_parameters()
    assert manager.asked == ["/prefix/api/v1/nni/trial-jobs/Ab3dE"]


@pytest.mark.usefixtures("manager")
def test_proxies_do_not_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert own_parameters() == (OWN["parameters"], False)


@pytest.mark.parametrize("silent", [True, False], ids=["nobody there", "never a record"])
def test_a_manager_that_does_not_tell(manager: Manager, silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nni_channel, "TIME_LIMIT", 0.1)
    manager.answers = [(200, "{}")]
    url = "http://127.0.0.1:1" if silent else manager.url
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{url}/env/local")
    with pytest.raises(TimeoutError, match=f"does not tell the parameters of this trial: {url}/api"):
        own_parameters()


@pytest.mark.usefixtures("manager")
def test_nothing_handed_and_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNI_TRIAL_COMMAND_CHANNEL")
    monkeypatch.setattr(nni.trial, "_params", None)
    with pytest.raises(TimeoutError, match="closed the connection before this trial received its parameters"):
        own_parameters()


def test_without_nni(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNI_TRIAL_JOB_ID", raising=False)
    with pytest.raises(BadInput, match=r"NNI starts this command .* use python -m trials\.train"):
        own_parameters()


# Reports.


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the trial ``Ab3dE`` tells NNI at its end."""
    reports: list[Any] = []
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "Ab3dE")
    monkeypatch.setattr(nni, "report_final_result", reports.append)
    return reports


def read(report: dict[str, Any]) -> TrialReport:
    """A report as the tuner reads it."""
    return TrialReport.from_nni(json.loads(json.dumps(report)), None, None)


def trial(*, added_by_hand: bool = False) -> NniTrial:
    return NniTrial({"s1l0": 8, "s2l10": 4, "_uid": 2, "other": 1}, added_by_hand, time.monotonic() - 100)


def test_only_labels_are_dilations() -> None:
    assert trial().dilations() == {"s1l0": 8, "s2l10": 4}


@pytest.mark.parametrize(("added_by_hand", "uid"), [(False, 2), (True, None)])
def test_report_names_the_trial_and_what_it_trained(reports: list[Any], added_by_hand: bool, uid: int | None) -> None:
    trial(added_by_hand=added_by_hand).report(metrics={"default": 50.0, "acc": 60.0}, epochs=[{"acc": 60.0}])
    (report,) = map(read, reports)
    assert (report.uid, report.trial, report.structure) == (uid, "Ab3dE", {"s1l0": 8, "s2l10": 4})
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
    received = NniTrial.receive(Namespace(threads=1))
    assert (received.parameters, received.added_by_hand) == (OWN["parameters"], False)
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
    arguments = Namespace(threads=None, cores=None)
    NniTrial.receive(arguments)
    assert (arguments.threads, arguments.cores) == (None, share)
    assert manager.asked[0] == "/api/v1/nni/experiment"


@pytest.mark.parametrize(("threads", "variable"), [(7, ""), (None, "7")], ids=str)
def test_a_chosen_number_of_threads_stands(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, threads: int | None, variable: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    arguments = Namespace(threads=threads, cores=None)
    NniTrial.receive(arguments)
    assert (arguments.threads, arguments.cores) == (threads, None)
    assert manager.asked == ["/api/v1/nni/trial-jobs/Ab3dE"]


@pytest.mark.parametrize("answer", [(404, "no such page"), (200, ""), (200, "{}"), (500, "not yet")], ids=str)
def test_threads_are_left_alone_where_nni_does_not_tell(manager: Manager, answer: tuple[int, str]) -> None:
    manager.answers = [answer]
    assert share_of_cores() is None
