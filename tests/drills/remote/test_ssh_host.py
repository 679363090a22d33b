from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pytest

from machines import ssh
from machines.machine_list import RemoteMachine, read_machines
from machines.ssh import NoConnection
from tests.drills.nni_home import processes_of, wait_for
from tests.drills.remote import ssh_host
from tests.drills.remote.ssh_host import ssh_to, two_hosts, why_none

needs_sshd = pytest.mark.skipif(why_none() is not None, reason=str(why_none()))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "data" / "demo").mkdir(parents=True)
    (tmp_path / "data" / "demo" / "mapping.txt").write_text("0 walk\n")
    return tmp_path / "data"


@needs_sshd
def test_hosts_have_homes_and_data_of_their_own(tmp_path: Path, data: Path) -> None:
    with two_hosts(tmp_path, data) as hosts:
        machines = read_machines(tmp_path / "machines.yml")
        for host, machine in zip(hosts, machines, strict=True):
            assert machine.name == host.name
            assert ssh.run(machine, "cd && pwd").decode().strip() == str(host.home)
            assert machine.data_root == str(host.folder / "data")
            assert (host.folder / "data" / "demo" / "mapping.txt").read_text() == "0 walk\n"
    assert len({machine.data_root for machine in machines}) == 2


@needs_sshd
def test_hosts_are_reached_by_name_like_nodes(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_hosts(tmp_path, data) as hosts:
        monkeypatch.setattr(ssh, "PROGRAM", str(ssh_to(dict(zip(("first", "second"), hosts, strict=True)), tmp_path)))
        for name, host in zip(("first", "second"), hosts, strict=True):
            assert ssh.run(RemoteMachine(name), "cd && pwd").decode().strip() == str(host.home)
        (tmp_path / "known_hosts").write_text("")
        with pytest.raises(NoConnection, match="Host key verification failed"):
            ssh.run(RemoteMachine("first"), "true")


@needs_sshd
def test_a_killed_host_drops_its_connections_with_all_that_they_run_and_may_come_back(
    tmp_path: Path, data: Path
) -> None:
    with two_hosts(tmp_path, data) as (host, _):
        machine = read_machines(tmp_path / "machines.yml")[0]
        session = subprocess.Popen(ssh.words(machine, "sleep 600 & sleep 600"))
        wait_for(lambda: len(processes_of(host.home)) == 3, 30)  # the shell, too
        killed = host.kill()
        assert killed >= 3 + 2  # sshd, and at least one process of its session
        assert session.wait(timeout=10) == 255
        assert host.processes() == []
        with pytest.raises(NoConnection, match="Connection refused"):
            ssh.run(machine, "true")
        host.start()
        assert ssh.run(machine, "echo back") == b"back\n"


@needs_sshd
def test_a_frozen_host_does_nothing_until_it_thaws(tmp_path: Path, data: Path) -> None:
    with two_hosts(tmp_path, data) as (host, _):
        machine = read_machines(tmp_path / "machines.yml")[0]
        said = tmp_path / "said"
        with open(said, "wb") as file:
            session = subprocess.Popen(ssh.words(machine, "while sleep 0.05; do echo x; done"), stdout=file)
        wait_for(lambda: said.stat().st_size > 0, 30)
        host.freeze()
        states = {process.status() for process in host.processes()}
        assert states - {psutil.STATUS_ZOMBIE} == {psutil.STATUS_STOPPED}
        assert session.poll() is None  # still connected
        before = said.stat().st_size
        host.thaw()
        wait_for(lambda: said.stat().st_size > before, 30)
        host.kill()
        assert session.wait(timeout=10) == 255


@needs_sshd
def test_what_is_left_on_a_host_is_told_and_ended(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_host, "ENDING_SECONDS", 1.0)

    def leave_one() -> None:
        with two_hosts(tmp_path, data):
            machine = read_machines(tmp_path / "machines.yml")[0]
            ssh.run(machine, "nohup sleep 600 >/dev/null 2>&1 </dev/null &")

    with pytest.raises(RuntimeError, match=r"1 processes were left: .*'sleep', '600'"):
        leave_one()
    assert processes_of(tmp_path / "a" / "home") == []


def test_why_there_can_be_none_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_host, "SBIN", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert why_none() == "no sshd: install OpenSSH (Debian: openssh-server, openssh-client)"
    for name in ("sshd", "ssh"):
        (tmp_path / name).touch(mode=0o755)
    assert str(why_none()).startswith("no ssh-keygen: ")
    (tmp_path / "ssh-keygen").touch(mode=0o755)
    assert why_none() is None
