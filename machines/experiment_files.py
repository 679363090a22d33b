"""What an experiment on other machines has in its folder: the machines, and the code that they run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.atomic_file import write_atomically, write_json
from common.bad_input import BadInput
from common.read_file import read_json
from machines.code import Code
from machines.machine_list import RemoteMachine

MACHINES = "machines.json"
WAIT_SECONDS = 60.0
"""How long the first trials wait for these files, which are written as soon as the experiment has an id."""


def write(experiment: Path, machines: Sequence[RemoteMachine], code: Code) -> None:
    """Write the machines and the code into the folder of an experiment, in place of earlier ones."""
    write_atomically(experiment / f"code-{code.name}.tgz", lambda file: file.write(code.archive))
    listed = [{**asdict(machine), "key": machine.key and str(machine.key)} for machine in machines]
    write_json(experiment / MACHINES, {"machines": listed, "code": code.name})


def read(experiment: Path) -> tuple[list[RemoteMachine], Code] | None:
    """The machines and the code of an experiment; None where it has none.

    Raises:
        BadInput: they are damaged.
    """
    path = experiment / MACHINES
    if not path.exists():
        return None
    content = read_json(path)
    try:
        machines = [_machine(fields) for fields in content["machines"]]
        archive = (experiment / f"code-{content['code']}.tgz").read_bytes()
        code = Code(archive, content["code"])
        if machines and code.is_whole():
            return machines, code
    except (OSError, KeyError, TypeError, ValueError):
        pass
    raise BadInput(f"{path}: damaged; resume the experiment with --machines FILE")


def wait_for(experiment: Path) -> tuple[list[RemoteMachine], Code]:
    """As ``read``, for a trial, which may be earlier than these files. Raises BadInput where there are none."""
    last_chance = time.monotonic() + WAIT_SECONDS
    while (found := read(experiment)) is None:
        if time.monotonic() > last_chance:
            raise BadInput(f"{experiment / MACHINES}: missing; start the experiment with --machines FILE")
        time.sleep(0.2)
    return found


def _machine(fields: dict[str, Any]) -> RemoteMachine:
    key = fields["key"]
    return RemoteMachine(**{**fields, "key": None if key is None else Path(key), "gpus": tuple(fields["gpus"])})
