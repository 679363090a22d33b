"""What signals do to an experiment, by real signals to this process; NNI is played by the test."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from common.bad_input import KnownFailure
from experiments import launch
from experiments.launch import running
from experiments.nni_experiment import Experiment
from experiments.stopping import stop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The signals of this process arrive, also under nohup, and are as before after each test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Played(Experiment):
    """An experiment that is signalled while it starts and while it stops."""

    signalled_in_stop: tuple[int, ...] = ()

    def stop(self) -> None:
        calls.append("stop")
        send(*self.signalled_in_stop)
        calls.append("stopped")

    def kill(self) -> None:
        calls.append("kill")
        send(signal.SIGINT)


calls: list[str] = []


def send(*numbers: int) -> None:
    """Python calls a handler before the next line of the test."""
    for number in numbers:
        os.kill(os.getpid(), number)


def play(
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_start: tuple[int, ...] = (),
    in_run: tuple[int, ...] = (),
    in_stop: tuple[int, ...] = (),
) -> list[str]:
    """Run an experiment with these signals; what happened to it, in order."""
    calls.clear()
    experiment = Played("Ab3dE", port=0, manager=99)
    experiment.signalled_in_stop = in_stop

    def start(*_: object) -> Experiment:
        send(*in_start)
        return experiment

    monkeypatch.setattr(launch, "start", start)
    try:
        with running(["create"], 0, "resume {id}", lambda _: calls.append("known")):
            calls.append("run")
            send(*in_run)
            calls.append("done")
    except KeyboardInterrupt:
        calls.append("interrupted")
    return list(calls)


def test_without_signals_it_runs_and_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(monkeypatch) == ["known", "run", "done", "stop", "stopped"]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_stops_it_in_order(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch, in_run=(number,)) == ["known", "run", "stop", "stopped", "interrupted"]
    assert capsys.readouterr().err == "\nstopping experiment Ab3dE; to resume: resume Ab3dE\n"


def test_a_second_says_what_is_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    happened = play(monkeypatch, in_run=(signal.SIGINT,), in_stop=(signal.SIGTERM,))
    assert happened == ["known", "run", "stop", "stopped", "interrupted"]
    waiting = (
        "waiting for NNI's manager (process 99) to stop experiment Ab3dE; once more ends it at once, by process id"
    )
    assert capsys.readouterr().err.splitlines()[-1] == waiting


@pytest.mark.parametrize(
    ("in_start", "in_run", "in_stop"), [(0, 1, 2), (0, 1, 5), (1, 0, 2), (2, 0, 1), (3, 0, 0), (0, 0, 3)]
)
def test_a_third_ends_it_at_once(in_start: int, in_run: int, in_stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    happened = play(
        monkeypatch,
        in_start=(signal.SIGINT,) * in_start,
        in_run=(signal.SIGINT,) * in_run,
        in_stop=(signal.SIGINT,) * in_stop,
    )
    assert happened[-2:] == ["kill", "interrupted"]
    assert "stopped" not in happened


def test_one_that_comes_while_nni_starts_waits_until_the_experiment_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch, in_start=(signal.SIGINT,)) == ["known", "stop", "stopped", "interrupted"]
    assert capsys.readouterr().err.startswith("waiting for NNI to start the experiment, which is then stopped\n")


def test_one_that_comes_while_it_stops_by_itself_interrupts_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    happened = play(monkeypatch, in_stop=(signal.SIGINT,))
    assert happened == ["known", "run", "done", "stop", "stopped", "interrupted"]


def test_an_interruption_that_got_lost_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops an exception that is raised within a destructor, for one."""
    calls.clear()
    monkeypatch.setattr(launch, "start", lambda *_: Played("Ab3dE", port=0, manager=99))

    def lose_the_first() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            send(signal.SIGINT)
        send(signal.SIGINT, signal.SIGINT)
        calls.append("done")

    with pytest.raises(KeyboardInterrupt), running([], 0, ""):
        lose_the_first()
    assert calls == ["kill"]


def test_a_failure_is_reported_even_after_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Played("Ab3dE", port=0, manager=99)
    experiment.signalled_in_stop = (signal.SIGINT,)
    monkeypatch.setattr(launch, "start", lambda *_: experiment)
    with pytest.raises(KnownFailure, match="no trial succeeded"), running([], 0, ""):
        raise KnownFailure("no trial succeeded")


def test_it_is_stopped_where_it_cannot_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the disk is full when a pipeline notes it."""
    calls.clear()
    monkeypatch.setattr(launch, "start", lambda *_: Played("Ab3dE", port=0, manager=99))

    def full(_: Experiment) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"), running([], 0, "", full):
        pass
    assert calls == ["stop", "stopped"]


def test_what_an_earlier_command_left_is_stopped_alike() -> None:
    calls.clear()
    experiment = Played("Ab3dE", port=0, manager=99)
    experiment.signalled_in_stop = SIGNALS
    with pytest.raises(KeyboardInterrupt):
        stop(experiment)
    assert calls == ["stop", "kill"]


def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert play(monkeypatch, in_run=(signal.SIGHUP,)) == ["known", "run", "done", "stop", "stopped"]
