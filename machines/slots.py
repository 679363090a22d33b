"""Who uses which machine: a place for each trial that may run there, taken by a lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from machines import ssh
from machines.machine_list import RemoteMachine

POLL_SECONDS = 1.0
REST_SECONDS = 30.0
"""How long a machine that was lost is left alone; after that it is tried again, so one that returns is used again."""


class Slot(NamedTuple):
    """A place for a trial on a machine."""

    machine: RemoteMachine
    number: int
    """Among those of the machine, from 0."""


def slots_of(machines: Sequence[RemoteMachine]) -> list[Slot]:
    """All places, in the order in which they are taken: one on each machine, then the next on each."""
    slots = [Slot(machine, number) for machine in machines for number in range(machine.trials)]
    return sorted(slots, key=lambda slot: slot.number)


@contextmanager
def free_slot(machines: Sequence[RemoteMachine]) -> Iterator[Slot]:
    """Take a place that is free, or wait for one, while the block runs.

    Places are those of this user, whatever the experiment: two searches share the machines.
    """
    waited = False
    while True:
        for slot in slots_of(machines):
            if _rests(slot.machine):
                continue
            lock = _taken(slot)
            if lock is not None:
                with lock:
                    yield slot
                return
        if not waited:
            print("waiting for a machine that is free and can be reached", file=sys.stderr, flush=True)
            waited = True
        time.sleep(POLL_SECONDS)


def _taken(slot: Slot) -> IO[str] | None:
    """The open lock of a place that was free; None if another has it."""
    file = open(_file(slot.machine, f"{slot.number}.lock"), "a")  # noqa: SIM115  closed by the caller
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def let_rest(machine: RemoteMachine) -> None:
    """Leave a machine alone for a while, as it was lost."""
    lost, now = _file(machine, "lost"), time.time()
    lost.touch()
    os.utime(lost, (now, now))  # by this machine's clock, not by that of a file server


def _rests(machine: RemoteMachine) -> bool:
    try:
        return 0 <= time.time() - _file(machine, "lost").stat().st_mtime < REST_SECONDS
    except FileNotFoundError:
        return False


def _file(machine: RemoteMachine, suffix: str) -> Path:
    folder = ssh.folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{machine.name}.{suffix}"
