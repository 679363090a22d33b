"""Commands on another machine, through OpenSSH: with the user's own configuration, and only to hosts that are known."""

from __future__ import annotations

import shlex
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from common.atomic_file import write_text
from common.bad_input import BadInput
from machines.machine_list import RemoteMachine

PROGRAM = "ssh"
HOST_KEY_ALIAS = "global2local"
"""Name of a host in a file of its own that has nothing but its given key."""
OPTIONS = {
    "BatchMode": "yes",  # nobody is there to be asked
    "StrictHostKeyChecking": "yes",
    "ServerAliveInterval": "5",  # with the next: a machine that is silent for 15 seconds is lost
    "ServerAliveCountMax": "3",
    "ConnectTimeout": "10",
    "ControlPath": "none",  # one connection for each trial, whatever the user's configuration: none ends with another's
    "RemoteCommand": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "LogLevel": "ERROR",
}
LOST = (255, 143, 129)
"""Exit codes of a connection that is lost, and of a command that ended by SIGTERM or SIGHUP, as when a machine goes."""
TIME_LIMIT = 120.0


class NoConnection(Exception):
    """A machine cannot be reached, or the connection was lost."""


def folder() -> Path:
    """Where this user's machines have their files: keys of hosts, and who uses which."""
    return Path.home() / "nni-experiments" / ".machines"


def words(machine: RemoteMachine, command: str) -> list[str]:
    """The command line that runs a command in the POSIX shell of a machine, whatever shell its user logs in with.

    Raises:
        BadInput: the path of a key is one that ssh's options cannot name.
    """
    options = dict(OPTIONS)
    if machine.key is not None:
        options |= {"IdentitiesOnly": "yes", "IdentityFile": _quoted(machine.key)}
    if machine.host_key is not None:
        line = f"{HOST_KEY_ALIAS} {machine.host_key}\n"
        known = folder() / f"known_hosts-{zlib.crc32(line.encode()):08x}"
        if not known.exists():
            write_text(known, line)
        # The alias is in no other file of known hosts: no other key will do.
        options |= {"HostKeyAlias": HOST_KEY_ALIAS, "UserKnownHostsFile": _quoted(known)}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    for name, value in (("-p", machine.port), ("-l", machine.user)):
        given += [] if value is None else [name, str(value)]
    return [PROGRAM, "-T", *given, "--", machine.host, f"exec sh -c {shlex.quote(command)}"]


def by_hand(machine: RemoteMachine) -> str:
    """The command by which a user may try to reach a machine, without the options that matter to programs only."""
    named = (("-i", machine.key), ("-p", machine.port), ("-l", machine.user))
    given = [word for name, value in named if value is not None for word in (name, str(value))]
    return shlex.join([PROGRAM, *given, machine.host, "true"])


def _quoted(path: Path) -> str:
    """A path as ssh's options take it, which expand some characters even within quotes."""
    if set('"\\%$') & set(str(path)):
        raise BadInput(f"{path}: ssh's options cannot name a path with a quote, a backslash, % or $: move the file")
    return f'"{path}"'


def run(machine: RemoteMachine, command: str, sent: bytes = b"") -> bytes:
    """Run a command on a machine; returns what it prints.

    Args:
        sent: its standard input.

    Raises:
        NoConnection: the machine cannot be reached within ``TIME_LIMIT``.
        BadInput: the command fails.
    """
    try:
        done = subprocess.run(words(machine, command), input=sent, capture_output=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise NoConnection(f"{machine.name}: no answer within {TIME_LIMIT:g} s") from None
    except FileNotFoundError:
        raise BadInput(f"{PROGRAM} is not installed: other machines are reached by OpenSSH") from None
    said = _last_line(done.stderr)
    if done.returncode in LOST:
        raise NoConnection(f"{machine.name}: {said or 'the connection was lost'}{_advice(said)}")
    if done.returncode:
        raise BadInput(f"{machine.name}: {said or f'the command failed ({done.returncode})'}")
    return done.stdout


def _last_line(printed: bytes) -> str:
    lines: Sequence[str] = [line for line in printed.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _advice(said: str) -> str:
    if "Host key verification failed" in said or "host key is known" in said:
        return (
            " (the host's key is not known, or another one: compare its fingerprint, then connect once with ssh, "
            "or give it as hostKey)"
        )
    return ""
