"""A trial receives its own parameters from NNI's manager and reports to it, as NNI's own client would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from common.bad_input import BadInput
from nni_api import trial_channel
from nni_api.home import Home
from nni_api.trial_channel import TrialChannel
from tests.nni_api.small_manager import HANDED, OWN, RECORD, Manager


def received() -> tuple[dict[str, Any], int | None]:
    channel = TrialChannel.receive()
    return channel.parameters, channel.parameter_id


def test_own_parameters_and_not_the_handed_ones(manager: Manager) -> None:
    assert received() == (OWN["parameters"], 2)
    assert manager.asked == ["/api/v1/nni/trial-jobs/Ab3dE"]


def test_asks_for_parameters_as_the_client_of_nni_does(manager: Manager) -> None:
    TrialChannel.receive()
    assert TrialCommandChannelV3(f"{manager.url}/env/local").receive_parameter() == HANDED
    ours, theirs = manager.received
    assert ours == theirs


def test_reports_as_the_client_of_nni_does(manager: Manager) -> None:
    value = {"default": 50.25, "acc": 60, "_trained": {"structure": {"s1l0": 8}, "failure": None, "trial": "ä"}}
    channel = TrialChannel.receive()
    for _ in range(2):
        channel.report_intermediate_result(value)
    channel.report_final_result(value)
    theirs = TrialCommandChannelV3(f"{manager.url}/env/local")
    for kind, sequence in (("PERIODICAL", 0), ("PERIODICAL", 1), ("FINAL", 0)):
        theirs.send_metric(kind, 2, "Ab3dE", sequence, value)
    _, *reports = [opened(command) for command in manager.received]
    assert reports[:3] == reports[3:]
    assert [report["sequence"] for report in reports[:3]] == [0, 1, 0]


def opened(command: dict[str, Any]) -> dict[str, Any]:
    """What is in a command: NNI wraps JSON in JSON in JSON."""
    metric = json.loads(command.get("metric", "{}"))
    return {**command, **metric, "metric": None, "value": json.loads(metric.get("value", "null"))}


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
    assert received() == (OWN["parameters"], 2)
    assert len(manager.asked) == 3


def test_waits_for_the_handed_ones(manager: Manager) -> None:
    manager.handed = [(408, "Request Timeout"), (408, "Request Timeout"), *manager.handed]
    assert received() == (OWN["parameters"], 2)
    assert len(manager.handed) == 1


@pytest.mark.parametrize("answer", [(200, ""), (200, "not JSON")], ids=["nothing", "cut short"])
def test_an_answer_that_is_lost_is_in_the_record(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str]
) -> None:
    monkeypatch.setattr(trial_channel, "TIME_LIMIT", 0.1)
    manager.handed = [answer]
    assert received() == (OWN["parameters"], 2)


def test_a_manager_in_trouble(manager: Manager) -> None:
    manager.handed = [(500, "on fire")]
    with pytest.raises(OSError, match="500"):
        TrialChannel.receive()


def test_added_by_hand(manager: Manager) -> None:
    record = {**OWN, "parameter_id": None, "parameter_source": "customized"}
    manager.answers = [(200, json.dumps({"hyperParameters": [json.dumps(record)]}))]
    channel = TrialChannel.receive()
    assert (channel.parameters, channel.added_by_hand) == (OWN["parameters"], True)


def test_remote_keeper_falls_back_to_the_handed_ones(manager: Manager) -> None:
    manager.answers = [(404, "no such page")]
    assert received() == (HANDED["parameters"], 1)
    assert len(manager.asked) == 1


def test_no_manager_to_ask(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/platform/local")
    assert received() == (HANDED["parameters"], 1)
    assert manager.asked == []


def test_manager_below_a_url_prefix(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/prefix/env/local")
    TrialChannel.receive()
    assert manager.asked == ["/prefix/api/v1/nni/trial-jobs/Ab3dE"]


@pytest.mark.usefixtures("manager")
def test_proxies_do_not_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    channel = TrialChannel.receive()
    channel.report_final_result({"default": 1.0})
    assert channel.parameters == OWN["parameters"]


def test_a_manager_that_does_not_tell(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_channel, "TIME_LIMIT", 0.1)
    manager.answers = [(200, "{}")]
    with pytest.raises(TimeoutError, match=f"does not have the parameters of this trial: {manager.url}/api"):
        TrialChannel.receive()


@pytest.mark.usefixtures("manager")
def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", "http://127.0.0.1:1/env/local")
    with pytest.raises(OSError, match="refused"):
        TrialChannel.receive()


def test_nothing_handed_and_nothing_to_ask(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", f"{manager.url}/platform/local")
    manager.handed = [(410, "Gone")]
    with pytest.raises(TimeoutError, match="closed the connection before this trial received its parameters"):
        TrialChannel.receive()


@pytest.mark.parametrize("missing", ["NNI_TRIAL_JOB_ID", "NNI_TRIAL_COMMAND_CHANNEL"])
@pytest.mark.usefixtures("manager")
def test_without_nni(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(BadInput, match=r"NNI starts this command .* use python -m trials\.train"):
        TrialChannel.receive()


@pytest.mark.usefixtures("manager")
def test_the_first_log_on_the_page_says_the_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    TrialChannel.receive()
    assert json.loads((tmp_path / "trial.log").read_text().splitlines()[0].split(maxsplit=1)[1]) == OWN["parameters"]


@pytest.mark.parametrize("number", [3, None])
def test_on_another_machine_all_goes_through_home(
    number: int | None, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int, dict[str, Any]]] = []
    record = {"parameter_id": number, "parameters": {"s1l0": 1}}
    monkeypatch.setattr(Home, "current", Home(record, 2, lambda *metric: sent.append(metric)))
    channel = TrialChannel.receive()
    assert (channel.parameters, channel.added_by_hand) == ({"s1l0": 1}, number is None)
    for value in (1.0, 2.0):
        channel.report_intermediate_result({"default": value})
    channel.report_final_result({"default": 3.0})
    assert sent == [
        ("PERIODICAL", 0, {"default": 1.0}),
        ("PERIODICAL", 1, {"default": 2.0}),
        ("FINAL", 0, {"default": 3.0}),
    ]
    assert (manager.received, manager.asked) == ([], [])
