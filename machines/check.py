"""Checks of other machines before anything starts there: one line each, or why trials would fail."""

from __future__ import annotations

import json
import shlex
import time
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from common.bad_input import BadInput, one_line
from common.command_options import option
from machines import ssh
from machines.code import ROOT, Code, start_command, upload
from machines.facts import DATA_OPTIONS, facts_of
from machines.gpus import Gpu
from machines.machine_list import RemoteMachine
from machines.ssh import NoConnection
from machines.trial import words_there

CLOCK_SECONDS = 60.0
"""A clock that differs by more is warned of: times in logs and on NNI's page are those of each machine."""


def check_machines(
    machines: Sequence[RemoteMachine], code: Code, words: Sequence[str], splits: Sequence[int]
) -> dict[RemoteMachine, dict[str, Any]]:
    """The facts of each machine, which has the code then.

    Args:
        words: options of the trials.
        splits: whose videos they read.

    Raises:
        BadInput: a machine cannot be reached, has another Python, other packages or other data than this one, or no
            room for the packed features.
    """
    own = facts_of(asked_of(words, splits))
    if "fault" in own:
        raise BadInput(own["fault"])
    found = {}
    for machine in machines:
        try:
            found[machine] = _facts(machine, code, tuple(asked_of(words_there(words, machine), splits)))
        except NoConnection as fault:
            raise BadInput(f"{fault}; check it with: {ssh.by_hand(machine)}") from None
        try:
            _compare(machine, found[machine], own, words)
        except (LookupError, TypeError, AttributeError) as fault:
            raise BadInput(f"{machine.name}: it does not say what it has ({fault!r})") from None
    return found


def asked_of(words: Sequence[str], splits: Sequence[int]) -> list[str]:
    """The options of ``machines.facts``, from those of a trial, of which it takes which data it reads, and how."""
    given = [(name, option(words, name)) for name in DATA_OPTIONS]
    data = [word for name, value in given if value is not None for word in (name, value)]
    no_cache = ["--no-cache"] if "--no-cache" in words else []
    return ["--splits", *map(str, splits), *data, *no_cache]


@cache  # the steps of a pipeline read the same data
def _facts(machine: RemoteMachine, code: Code, asked: tuple[str, ...]) -> dict[str, Any]:
    folder = str(ROOT) if machine.shared_files else code.folder
    if not machine.shared_files:
        upload(machine, code)
    variables = "" if machine.cache is None else f"export G2L_CACHE={shlex.quote(machine.cache)}; "
    sent = time.time()
    try:
        printed = ssh.run(machine, variables + start_command(machine, folder, "machines.facts", *asked))
    except BadInput as fault:
        raise BadInput(f"{fault} (with {machine.python}: pythonPath names another, with our requirements)") from None
    try:
        facts = dict(json.loads(printed.splitlines()[-1]))
        # The difference that is certain: none where its time lies between question and answer.
        return {**facts, "clock": facts["clock"] - min(max(facts["clock"], sent), time.time())}
    except (ValueError, LookupError, TypeError):
        raise BadInput(f"{machine.name}: it does not say what it has, but: {printed[-200:]!r}") from None


def _compare(machine: RemoteMachine, facts: dict[str, Any], own: dict[str, Any], words: Sequence[str]) -> None:
    """Raise BadInput where trials would fail on a machine, or give other results than here."""
    name = machine.name
    if facts["python"].split(".")[:2] != own["python"].split(".")[:2]:
        raise BadInput(
            f"{name}: Python {facts['python']}, but {own['python']} here: give the pythonPath of an equal one"
        )
    for package, here in own["packages"].items():
        there = facts["packages"][package]
        if _release(there) != _release(here):
            raise BadInput(
                f"{name}: {package} {there or 'is missing'}, but {here} here: install requirements.txt with "
                f"constraints.txt there, for {machine.python}"
            )
    if "fault" in facts:
        raise BadInput(f"{name}: {facts['fault']} (dataRoot names the folder of data sets there)")
    if facts["digest"] != own["digest"]:
        raise BadInput(f"{name}: {facts['data']} is not the same data as {own['data']} here: copy it anew")
    if facts.get("to_pack", 0) > facts.get("free", 0):
        raise BadInput(
            f"{name}: the packed features take {_gigabytes(facts['to_pack'])}, and {_gigabytes(facts['free'])} are "
            "free: make room, or name another cache there"
        )
    missing = [gpu for gpu in machine.gpus if gpu not in [each["index"] for each in facts["gpus"]]]
    if missing:
        raise BadInput(f"{name}: gpuIndices: {missing[0]}, but it has GPUs {[each['index'] for each in facts['gpus']]}")
    device = option(words, "--device") or "auto"
    if device.startswith("cuda") and facts["no_gpu"]:
        raise BadInput(f"{name}: trialCommand: --device {device}, but {facts['no_gpu']}")
    if facts["gpus"] and not machine.gpus and device != "cpu":
        warnings.warn(
            f"{name}: gpuIndices is missing: its trials see all GPUs, and use the first of them", stacklevel=2
        )
    if abs(facts["clock"]) > CLOCK_SECONDS:
        warnings.warn(f"{name}: its clock differs from this one's by {facts['clock']:+.0f} s", stacklevel=2)


def _release(found: str | None) -> str | None:
    """A version without the build of PyTorch: the CPU's and CUDA's are the same code."""
    return None if found is None else found.partition("+")[0]


def describe(machine: RemoteMachine, facts: dict[str, Any]) -> str:
    """A machine in one line."""
    packages = ", ".join(f"{name} {found}" for name, found in facts["packages"].items())
    used = machine.gpus or [each["index"] for each in facts["gpus"]]
    gpus = ", ".join(f"GPU {each['index']} {each['name']}" for each in facts["gpus"] if each["index"] in used)
    cache = f"{_gigabytes(facts['free'])} free for the packed features, " if "free" in facts else ""
    return one_line(
        f"{machine.name}: {machine.trials} trials side by side on {facts['cores']} cores, {gpus or 'no GPU'}; "
        f"Python {facts['python']}, {packages}; the same data ({facts['videos']} videos), {cache}"
        f"clock {facts['clock']:+.1f} s"
    )


def gpus_of(machine: RemoteMachine, facts: dict[str, Any]) -> list[Gpu]:
    """The GPUs that its trials use."""
    gpus = [Gpu(**each) for each in facts["gpus"]]
    return [gpu for gpu in gpus if gpu.index in machine.gpus] if machine.gpus else gpus[:1]


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
