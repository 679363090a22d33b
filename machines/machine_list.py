"""The machines of a search: a YAML file with the names that NNI has for remote machines."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, naming
from common.read_yaml import read_yaml

HOST_NAME = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9._:-]*")
"""No host begins with a hyphen: ssh would read it as an option."""
USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]*")
HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+")

FIELDS: dict[str, type | tuple[type, ...]] = {
    "host": str,
    "port": int,
    "user": str,
    "sshKeyFile": str,
    "hostKey": str,
    "pythonPath": str,
    "dataRoot": str,
    "cache": str,
    "trials": int,
    "gpuIndices": (list, int, str),
    "maxTrialNumberPerGpu": int,
    "sharedFiles": bool,
}
"""Everything that a machine may have, with its types."""
PATHS_THERE = ("pythonPath", "dataRoot", "cache")
"""Those that name a folder there."""
ELSEWHERE = {
    "password": "log in with a key (sshKeyFile), or an ssh agent",
    "sshPassphrase": "load the key into an ssh agent",
    "useActiveGpu": "leave it out: a GPU is used whoever else uses it",
}
"""What NNI's machines may also have, and what to do instead."""


@dataclass(frozen=True)
class RemoteMachine:
    """A machine that trials run on."""

    host: str
    port: int | None = None
    """None: as ssh's own configuration has it, else 22."""
    user: str | None = None
    """None: as ssh's own configuration has it, else that of this machine."""
    key: Path | None = None
    """The private key; None: as ssh's own configuration has it."""
    host_key: str | None = None
    """The host's public key, as in a line of known_hosts without the name; None: known_hosts must know it."""
    python: str = "python3"
    data_root: str | None = None
    """Folder of data sets there; None: the same path as here."""
    cache: str | None = None
    """Folder of the packed features there; None: the usual one there."""
    gpus: tuple[int, ...] = ()
    """Those for trials; none: a trial sees what a login sees."""
    trials: int = 1
    """How many trials run on it side by side."""
    shared_files: bool = False
    """Whether it has the files of this machine under the same paths."""

    @property
    def name(self) -> str:
        """For messages and files: unique among the machines of a list."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def visible_gpus(self, slot: int) -> str | None:
        """CUDA_VISIBLE_DEVICES of the trial in a slot, counted from 0; None: as a login has it."""
        return str(self.gpus[slot % len(self.gpus)]) if self.gpus else None


def read_machines(path: Path) -> list[RemoteMachine]:
    """The machines of a file with ``machineList``, as in an experiment's trainingService of platform remote.

    Raises:
        BadInput: the file is missing or damaged, or a machine has anything but what ``FIELDS`` names.
    """
    content = read_yaml(path)
    with naming(path):
        if not isinstance(content, dict) or set(content) != {"machineList"}:
            raise BadInput("it must have machineList, and nothing else")
        return machines_of(content["machineList"], path.parent)


def machines_of(listed: Any, folder: Path) -> list[RemoteMachine]:
    """The machines of a ``machineList``; ``folder``: base of relative paths of keys. Raises BadInput."""
    if not isinstance(listed, list) or not listed:
        raise BadInput("machineList: it must be a list of at least one machine")
    machines = []
    for number, fields in enumerate(listed, 1):
        with naming(f"machineList, machine {number}"):
            machines.append(_machine(fields, folder))
    names = [machine.name for machine in machines]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"machineList: {name} comes twice; trials: N lets one machine run N side by side")
    return machines


def _machine(fields: Any, folder: Path) -> RemoteMachine:
    if not isinstance(fields, Mapping) or "host" not in fields:
        raise BadInput("it must have at least a host, as in 'host: gpu1.example.org'")
    for name, value in fields.items():
        if name in ELSEWHERE:
            raise BadInput(f"{name}: {ELSEWHERE[name]}")
        if name not in FIELDS:
            raise BadInput(f"{name}: unknown; there are {', '.join(FIELDS)}")
        kind = FIELDS[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadInput(f"{name}: {value!r} will not do")
        if isinstance(value, str) and (not value or not value.isprintable()):
            raise BadInput(f"{name}: {value!r} will not do")
        if name in PATHS_THERE and not str(value).startswith("/"):
            raise BadInput(f"{name}: an absolute path on that machine, not {value!r}")
    for name, pattern in (("host", HOST_NAME), ("user", USER_NAME), ("hostKey", HOST_KEY)):
        if name in fields and pattern.fullmatch(fields[name]) is None:
            raise BadInput(f"{name}: {fields[name]!r} will not do")
    port = fields.get("port")
    if port is not None and not 0 < port < 2**16:
        raise BadInput(f"port: a number from 1 to 65535, not {port}")
    key = _key(fields["sshKeyFile"], folder) if "sshKeyFile" in fields else None
    gpus, shared = _gpus(fields.get("gpuIndices")), fields.get("sharedFiles", False)
    usual = sys.executable if shared else "python3"
    return RemoteMachine(
        host=fields["host"],
        port=port,
        user=fields.get("user"),
        key=key,
        host_key=fields.get("hostKey"),
        python=f"{fields['pythonPath'].rstrip('/')}/python3" if "pythonPath" in fields else usual,
        data_root=fields.get("dataRoot"),
        cache=fields.get("cache"),
        gpus=gpus,
        trials=_trials(fields, gpus),
        shared_files=shared,
    )


def _key(given: str, folder: Path) -> Path:
    """The private key of a machine."""
    try:
        key = (folder / Path(given).expanduser()).absolute()
        if key.is_file():
            return key
    except (OSError, RuntimeError):  # a name that is too long; the home folder of a user that does not exist
        pass
    raise BadInput(f"sshKeyFile: {given} is no file")


def _gpus(given: Any) -> tuple[int, ...]:
    """GPU numbers as NNI takes them: a list, one number, or numbers with commas."""
    if given is None:
        return ()
    parts = given if isinstance(given, list) else str(given).split(",")
    texts = [str(each).strip() for each in parts]
    if not all(re.fullmatch("[0-9]{1,4}", text) for text in texts) or len(set(map(int, texts))) < len(texts):
        raise BadInput(f"gpuIndices: different numbers of GPUs, as in 0,1, not {given!r}")
    return tuple(map(int, texts))


def _trials(fields: Mapping[str, Any], gpus: Sequence[int]) -> int:
    """How many trials run side by side on a machine."""
    each = fields.get("maxTrialNumberPerGpu")
    if each is not None and ("trials" in fields or not gpus):
        raise BadInput("maxTrialNumberPerGpu: it needs gpuIndices, and no trials")
    trials: int = fields.get("trials", max(1, len(gpus)) * (1 if each is None else each))
    if trials < 1:
        raise BadInput(f"trials, or maxTrialNumberPerGpu: at least 1, not {trials}")
    return trials
