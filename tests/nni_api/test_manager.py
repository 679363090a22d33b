from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nni_api.manager import NniManager


class RestServer(ThreadingHTTPServer):
    """A small REST interface like that of NNI's manager: fixed answers, and the requests are kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Any] = {}
        self.puts: list[tuple[str, Any]] = []

    def manager(self, prefix: str = "") -> NniManager:
        return NniManager(f"ws://127.0.0.1:{self.server_port}{prefix}/tuner")


class Handler(BaseHTTPRequestHandler):
    server: RestServer

    def do_GET(self) -> None:
        if self.path in self.server.answers:
            self._answer(200, json.dumps(self.server.answers[self.path]).encode())
        else:
            self._answer(404, b"")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.puts.append((self.path, json.loads(content)))
        self._answer(200, b"")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[RestServer]:
    with RestServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def job(name: str, status: str, parameter_id: int | None, parameters: dict[str, int], *finals: Any) -> dict[str, Any]:
    """A trial as NNI lists it: the parameters are JSON in JSON, and final results once more."""
    packed = json.dumps({"parameter_id": parameter_id, "parameter_source": "algorithm", "parameters": parameters})
    listed: dict[str, Any] = {"trialJobId": name, "status": status, "hyperParameters": [packed]}
    if finals:
        listed["finalMetricData"] = [{"type": "FINAL", "data": json.dumps(json.dumps(final))} for final in finals]
    return listed


@pytest.mark.parametrize("prefix", ["", "/mine", "/a/tuner"])
def test_speaks_to_the_manager_behind_the_channel(server: RestServer, prefix: str) -> None:
    server.answers[f"{prefix}/api/v1/nni/trial-jobs"] = [{"trialJobId": "abc"}]
    assert server.manager(prefix).trial_jobs() == [{"trialJobId": "abc"}]


def test_channel_is_in_the_environment(server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/api/v1/nni/trial-jobs"] = []
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", f"ws://127.0.0.1:{server.server_port}/tuner")
    assert NniManager().trial_jobs() == []


def test_no_proxy_comes_between(server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/api/v1/nni/trial-jobs"] = []
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert server.manager().trial_jobs() == []


def test_proposals_in_progress_are_of_trials_that_have_not_ended(server: RestServer) -> None:
    server.answers["/api/v1/nni/trial-jobs"] = [
        job("a", "WAITING", 0, {"s1l0": 1, "_uid": 10}),
        job("b", "RUNNING", 1, {"s1l0": 1, "_uid": 11}),
        job("c", "SUCCEEDED", 2, {"s1l0": 1, "_uid": 12}),
        job("d", "FAILED", 3, {"s1l0": 1, "_uid": 13}),
        job("e", "USER_CANCELED", 4, {"s1l0": 1, "_uid": 14}),
        job("f", "RUNNING", None, {"s1l0": 1}),
        {"trialJobId": "g", "status": "WAITING"},
        job("h", "ADD_RESUMED", 5, {"s1l0": 1, "_uid": 15}),  # NNI will run it again after a resume
    ]
    assert server.manager().uids_in_progress() == {10, 11, 15}


def test_the_latest_trial_of_parameters_whose_ids_restarted(server: RestServer) -> None:
    server.answers["/api/v1/nni/trial-jobs"] = [
        job("a", "FAILED", 3, {"s1l0": 1, "_uid": 10}),
        {"trialJobId": "b", "status": "WAITING"},
        job("c", "FAILED", 3, {"s1l0": 1, "_uid": 20}),
        job("d", "FAILED", 4, {"s1l0": 1, "_uid": 21}),
    ]
    latest = server.manager().latest_job(3)
    assert latest is not None
    assert latest["trialJobId"] == "c"
    assert server.manager().latest_job(5) is None


def test_results_of_added_trials_that_ended(server: RestServer) -> None:
    server.answers["/api/v1/nni/trial-jobs"] = [
        job("a", "SUCCEEDED", 0, {"s1l0": 1, "_uid": 0}, {"default": 1.0}),
        job("b", "SUCCEEDED", None, {"s1l0": 2}, {"default": 2.0, "_uid": None}),
        job("c", "SUCCEEDED", None, {"s1l0": 2}, 3.5),
        job("d", "FAILED", None, {"s1l0": 2}),
        job("e", "RUNNING", None, {"s1l0": 2}, {"default": 4.0}),
        {"trialJobId": "f", "status": "WAITING"},
        job("g", "ADD_RESUMED", None, {"s1l0": 2}),
    ]
    results = server.manager().results_of_added_trials()
    assert results == [("b", {"default": 2.0, "_uid": None}), ("c", 3.5), ("d", None)]


@pytest.mark.parametrize(("trials", "number"), [(3, 3), (1, 1), (0, 1)])
def test_finish_ends_the_experiment_at_its_number_of_trials(server: RestServer, trials: int, number: int) -> None:
    profile = {"id": "x1", "params": {"trialConcurrency": 2, "maxTrialNumber": 99999}, "revision": 7}
    server.answers["/mine/api/v1/nni/experiment"] = profile
    server.answers["/mine/api/v1/nni/trial-jobs"] = [{"trialJobId": str(trial)} for trial in range(trials)]
    assert server.manager("/mine").finish() == number
    changed = {**profile, "params": {"trialConcurrency": 2, "maxTrialNumber": number}}
    assert server.puts == [("/mine/api/v1/nni/experiment?update_type=MAX_TRIAL_NUM", changed)]


def test_concurrency_changes_nothing_else(server: RestServer) -> None:
    profile = {"id": "x1", "params": {"trialConcurrency": 2, "maxTrialNumber": 99999}, "revision": 7}
    server.answers["/api/v1/nni/experiment"] = profile
    server.manager().set_concurrency(5)
    changed = {**profile, "params": {"trialConcurrency": 5, "maxTrialNumber": 99999}}
    assert server.puts == [("/api/v1/nni/experiment?update_type=TRIAL_CONCURRENCY", changed)]


def test_silence_and_refusal_are_os_errors(server: RestServer) -> None:
    with pytest.raises(OSError, match="404"):
        server.manager().trial_jobs()
    with pytest.raises(OSError, match="refused"):
        NniManager("ws://127.0.0.1:1/tuner").finish()
