"""Hosts to which trials can be sent over ssh, on this machine: each a sshd with its own home and data."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from tests.drills.nni_home import processes_of, wait_for

PORTS = range(20000, 32000)
"""None that the system gives away while a host is down."""
SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Where sshd is, which need not be on PATH."""
ENDING_SECONDS = 10.0
"""How long what was started on a host may take to end with the connection that started it."""
CONFIG = """\
Port {host.port}
ListenAddress 127.0.0.1
HostKey "{host.folder}/host_key"
AuthorizedKeysFile "{key}.pub"
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
AllowTcpForwarding no
AllowAgentForwarding no
MaxStartups 100
SetEnv "HOME={host.home}"
"""
"""Login with one key; no session may listen or forward anything."""


def why_none() -> str | None:
    """Why there can be no such hosts; None: there can."""
    missing = [name for name in ("sshd", "ssh", "ssh-keygen") if _find(name) is None]
    return f"no {missing[0]}: install OpenSSH (Debian: openssh-server, openssh-client)" if missing else None


@dataclass
class SshHost:
    """A host, which runs until it is killed, and may come back."""

    folder: Path
    port: int
    _listener: psutil.Popen | None = None

    @property
    def home(self) -> Path:
        """The home folder of all that is started there."""
        return self.folder / "home"

    @property
    def name(self) -> str:
        """As in messages: see ``RemoteMachine.name``."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Let it accept connections. Raises RuntimeError with the reason of sshd, where it cannot."""
        command = [_program("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        tried = _run([*command, "-t"])
        missing = re.search(r"Missing privilege separation directory: (\S+)", tried.stderr)
        if missing is not None:  # as before the first start of the system's own sshd
            Path(missing[1]).mkdir(mode=0o755, parents=True)
            tried = _run([*command, "-t"])
        if tried.returncode:
            raise RuntimeError(f"sshd refuses to start: {tried.stderr}")
        with open(self.folder / "sshd.log", "ab") as log:
            self._listener = psutil.Popen(command, env={"PATH": os.defpath}, stdin=subprocess.DEVNULL, stderr=log)
        wait_for(self._answers, 30)

    def _answers(self) -> bool:
        assert self._listener is not None
        if self._listener.poll() is not None:
            raise RuntimeError(f"sshd has ended: {(self.folder / 'sshd.log').read_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def processes(self) -> list[psutil.Process]:
        """All of its processes: sshd, its sessions, and what these have started."""
        started = processes_of(self.home)
        if self._listener is not None and self._listener.is_running():
            listener = psutil.Process(self._listener.pid)
            started = [listener, *listener.children(recursive=True), *started]
        return list(dict.fromkeys(started))

    def freeze(self) -> None:
        """Let it be silent, connections open."""
        while running := [process for process in self.processes() if _runs(process)]:
            for process in running:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()

    def thaw(self) -> None:
        """Let it go on after ``freeze``, as if nothing had been."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def kill(self) -> int:
        """kill -9 of all of its processes at one moment; returns how many these were."""
        self.freeze()  # none starts another while they are killed
        killed = self.processes()
        for process in killed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._listener is not None:
            self._listener.wait(timeout=30)
            self._listener = None
        wait_for(lambda: not processes_of(self.home), 30)
        return len(killed)


@contextmanager
def two_hosts(folder: Path, data: Path) -> Iterator[tuple[SshHost, SshHost]]:
    """Two hosts for one trial each, while the block runs, and ``machines.yml``, which describes them, in the folder.

    Args:
        folder: for all of their files, and the key that opens both.
        data: a folder of data sets; each has a copy.

    Raises:
        RuntimeError: a process that was started on a host is still there when the block ends.
    """
    _make_key(folder / "key")
    hosts = _new_host(folder, "a", data), _new_host(folder, "b", data)
    listed = [_described(host) for host in hosts]
    (folder / "machines.yml").write_text(yaml.safe_dump({"machineList": listed}))
    try:
        for host in hosts:
            host.start()
        yield hosts
        for host in hosts:
            with suppress(TimeoutError):
                wait_for(lambda host=host: not processes_of(host.home), ENDING_SECONDS)  # type: ignore[misc]
            if left := processes_of(host.home):
                raise RuntimeError(f"{host.name}: {len(left)} processes were left: {[each.cmdline() for each in left]}")
    finally:
        for host in hosts:
            host.kill()


def ssh_to(hosts: Mapping[str, SshHost], folder: Path) -> Path:
    """The path of an ``ssh`` that reaches hosts by these names, as if the network knew them; they have one key."""
    entries = [
        f"Host {name}\nHostName 127.0.0.1\nPort {host.port}\nHostKeyAlias {name}\n" for name, host in hosts.items()
    ]
    keys = [f"{name} {(host.folder / 'host_key.pub').read_text()}" for name, host in hosts.items()]
    config, known, program = folder / "ssh_config", folder / "known_hosts", folder / "bin" / "ssh"
    entries.append(f'Host *\nIdentityFile "{folder / "key"}"\nIdentitiesOnly yes\nUserKnownHostsFile "{known}"\n')
    config.write_text("".join(entries))
    known.write_text("".join(keys))
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {_program("ssh")} -F {shlex.quote(str(config))} "$@"\n')
    program.chmod(0o755)
    return program


def _new_host(folder: Path, name: str, data: Path) -> SshHost:
    host = SshHost(folder / name, _free_port())
    host.home.mkdir(parents=True)
    shutil.copytree(data, host.folder / "data")
    _make_key(host.folder / "host_key")
    (host.folder / "sshd_config").write_text(CONFIG.format(host=host, key=folder / "key"))
    return host


def _described(host: SshHost) -> dict[str, object]:
    """A host as a machine of ``--machines``."""
    return {
        "host": "127.0.0.1",
        "port": host.port,
        "sshKeyFile": "key",
        "hostKey": " ".join((host.folder / "host_key.pub").read_text().split()[:2]),
        "pythonPath": str(Path(sys.executable).parent),
        "dataRoot": str(host.folder / "data"),
    }


def _make_key(path: Path) -> None:
    made = _run([_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "drill", "-f", str(path)])
    if made.returncode:
        raise RuntimeError(made.stderr)


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))


def _program(name: str) -> str:
    """The path of a program of OpenSSH."""
    found = _find(name)
    assert found is not None
    return found


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
