"""The command line of ssh, and how its failures are told apart; the ssh itself is faked."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.bad_input import BadInput
from machines import ssh
from machines.machine_list import RemoteMachine
from machines.ssh import NoConnection
from tests.machines.conftest import Hosts

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"


def options(machine: RemoteMachine) -> dict[str, str]:
    words = ssh.words(machine, "true")
    return dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-o")


@pytest.mark.usefixtures("hosts")
def test_a_connection_is_only_to_a_known_host_and_nobody_is_asked() -> None:
    machine = RemoteMachine("gpu1", port=2222, user="me")
    first, *_, at, port, of, user, end, host, command = ssh.words(machine, "it's")
    assert (first, at, port, of, user, end, host) == (ssh.PROGRAM, "-p", "2222", "-l", "me", "--", "gpu1")
    assert shlex.split(command) == ["exec", "sh", "-c", "it's"]
    given = options(machine)
    expected = {"StrictHostKeyChecking": "yes", "BatchMode": "yes", "ForwardAgent": "no", "ClearAllForwardings": "yes"}
    assert given.items() >= expected.items()
    assert given["ControlPath"] == "none"  # else ssh would use a master connection of the user's
    # A silent machine is lost after 15 seconds.
    assert int(given["ServerAliveInterval"]) * int(given["ServerAliveCountMax"]) == 15
    assert "IdentityFile" not in given
    assert "UserKnownHostsFile" not in given


def test_a_given_host_key_is_the_only_one(hosts: Hosts) -> None:
    known = options(RemoteMachine("gpu1", port=7, host_key=KEY))
    file = Path(known["UserKnownHostsFile"].strip('"'))
    assert file.read_text() == f"{known['HostKeyAlias']} {KEY}\n"
    assert file.is_relative_to(hosts.folder.parent / "home" / "nni-experiments" / ".machines")
    assert options(RemoteMachine("gpu2", host_key=KEY)) == known
    assert options(RemoteMachine("gpu1", host_key=f"{KEY}x"))["UserKnownHostsFile"] != known["UserKnownHostsFile"]


def test_a_given_key_is_the_only_one_that_is_tried() -> None:
    given = options(RemoteMachine("gpu1", key=Path("/my keys/id")))
    assert (given["IdentityFile"], given["IdentitiesOnly"]) == ('"/my keys/id"', "yes")


@pytest.mark.parametrize("name", ['a"b', "%h", "$HOME", "a\\b"])
def test_a_key_that_ssh_would_read_as_another_file_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="ssh's options cannot name a path"):
        ssh.words(RemoteMachine("gpu1", key=Path("/keys", name)), "true")


def test_a_command_has_its_input_and_output(hosts: Hosts) -> None:
    machine = hosts.add()
    assert ssh.run(machine, "cat; pwd", b"\0\xff\n") == b"\0\xff\n" + f"{hosts.folder / 'one'}\n".encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
@given(words=st.lists(st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=9), max_size=6))
def test_words_arrive_as_they_are(words: list[str], hosts: Hosts) -> None:
    if not (hosts.folder / "one").exists():
        hosts.add()
    command = shlex.join(["printf", "%s\\0", *words, "end"])
    assert ssh.run(RemoteMachine("one"), command).decode().split("\0")[:-2] == words


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("exit 255", "one: the connection was lost"),
        ("kill -TERM $$", "one: the connection was lost"),
        ("kill -HUP $$", "one: the connection was lost"),
        ("echo first >&2; echo why >&2; exit 255", "one: why"),
    ],
)
def test_a_lost_connection_is_no_fault_of_the_command(command: str, message: str, hosts: Hosts) -> None:
    with pytest.raises(NoConnection) as lost:
        ssh.run(hosts.add(), command)
    assert str(lost.value) == message


def test_a_host_that_is_not_known_may_be_another(hosts: Hosts) -> None:
    machine = hosts.add()
    (hosts.folder / "one" / "refusal").write_text("@@@@\nHost key verification failed.\n")
    with pytest.raises(NoConnection, match=r"Host key verification failed\. .*compare its fingerprint.*hostKey"):
        ssh.run(machine, "true")


def test_no_such_host(hosts: Hosts) -> None:
    hosts.add()
    with pytest.raises(NoConnection, match="two: ssh: connect to host two port 22: No route to host"):
        ssh.run(RemoteMachine("two"), "true")


@pytest.mark.parametrize(
    ("command", "message"),
    [("exit 3", "one: the command failed (3)"), ("echo no room >&2; kill -KILL $$", "one: no room")],
)
def test_a_command_that_fails_says_why(command: str, message: str, hosts: Hosts) -> None:
    with pytest.raises(BadInput) as failed:
        ssh.run(hosts.add(), command)
    assert str(failed.value) == message


def test_a_machine_that_does_not_answer(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "TIME_LIMIT", 0.5)
    with pytest.raises(NoConnection, match=r"one: no answer within 0\.5 s"):
        ssh.run(hosts.add(), "exec sleep 3")


def test_without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "PROGRAM", "/nowhere/ssh")
    with pytest.raises(BadInput, match="/nowhere/ssh is not installed: other machines are reached by OpenSSH"):
        ssh.run(RemoteMachine("one"), "true")
