"""Places on machines: each is one trial's, they are freed by their end however it comes, and lost machines rest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from machines import slots
from machines.machine_list import RemoteMachine
from machines.slots import REST_SECONDS, Slot, free_slot, let_rest, slots_of
from tests.conftest import REPOSITORY

ONE, TWO = RemoteMachine("one", trials=3), RemoteMachine("two", trials=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


class Waits(Exception):
    """A trial would wait here."""


@pytest.fixture(autouse=True)
def sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_: float) -> None:
        raise Waits

    monkeypatch.setattr(time, "sleep", wait)


def test_machines_are_filled_evenly() -> None:
    places = [Slot(ONE, 0), Slot(TWO, 0), Slot(ONE, 1), Slot(ONE, 2)]
    assert slots_of([ONE, TWO]) == places
    with ExitStack() as taken:
        assert [taken.enter_context(free_slot([ONE, TWO])) for _ in places] == places
        with pytest.raises(Waits):
            taken.enter_context(free_slot([ONE, TWO]))


def test_waiting_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as taken:
        taken.enter_context(free_slot([TWO]))
        waits = iter([lambda: None, lambda: None, taken.close])
        monkeypatch.setattr(time, "sleep", lambda _: next(waits)())
        with free_slot([TWO]) as slot:
            assert slot == Slot(TWO, 0)
    assert capsys.readouterr().err == "waiting for a machine that is free and can be reached\n"


def test_a_place_is_free_again_after_any_end() -> None:
    with pytest.raises(RuntimeError), free_slot([TWO]):
        raise RuntimeError
    with free_slot([TWO]) as slot:
        assert slot == Slot(TWO, 0)


def test_a_killed_process_and_its_lock_leave_a_free_place(tmp_path: Path) -> None:
    code = """
import time
from machines.machine_list import RemoteMachine
from machines.slots import free_slot
with free_slot([RemoteMachine("two")]):
    print("taken", flush=True)
    time.sleep(600)
"""
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"taken\n"
    with pytest.raises(Waits), free_slot([TWO]):
        pass
    other.kill()
    other.communicate()
    with free_slot([TWO]) as slot:
        assert slot == Slot(TWO, 0)


def test_machines_of_similar_names_are_two() -> None:
    with free_slot([RemoteMachine("a", port=22)]), free_slot([RemoteMachine("a_22")]), free_slot([RemoteMachine("a")]):
        pass


@pytest.mark.parametrize(
    ("passed", "used"), [(0, TWO), (REST_SECONDS - 1, TWO), (REST_SECONDS + 1, ONE), (-3600, ONE)], ids=str
)
def test_a_lost_machine_rests_and_is_tried_again_also_by_a_clock_set_back(
    passed: float, used: RemoteMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    let_rest(ONE)
    monkeypatch.setattr(time, "time", lambda: now + 0.01 + passed)
    with free_slot([ONE, TWO]) as slot:
        assert slot.machine == used
    let_rest(ONE)  # lost once more: it rests by the clock as it is now
    with free_slot([ONE, TWO]) as slot:
        assert slot.machine == TWO


def test_all_machines_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    let_rest(ONE)
    let_rest(TWO)
    with pytest.raises(Waits), free_slot([ONE, TWO]):
        pass
    clock: Callable[[], float] = lambda: now + REST_SECONDS + 1  # noqa: E731
    monkeypatch.setattr(time, "time", clock)
    with free_slot([ONE, TWO]) as slot:
        assert slot.machine == ONE
    assert slots.REST_SECONDS > slots.POLL_SECONDS
