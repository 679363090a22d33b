"""What NNI's manager, a node process, may open to the network: nothing; and whom it answers on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import nni_node
import pytest

from experiments.nni_experiment import MANAGER_CHANGES

LISTEN_LOCALLY = str(MANAGER_CHANGES[0])
NODE = Path(nni_node.__path__[0]) / "node"
NOBODY = 65534
SERVER = """
    const server = require('http').createServer((request, response) => {
        response.end(JSON.stringify({ served: ++served }));
    });
    let served = 0;
    server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n'));
    server.listen(0, () => console.log(server.address().port));
"""
ASKED_BY_PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
FOREIGN = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a web server as NNI's manager makes it."""
    command = [str(NODE), "--require", LISTEN_LOCALLY, "-e", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def ask(port: int, method: str = "GET", headers: dict[str, str] | None = None, path: str = "/") -> tuple[int, str]:
    """Status and text of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body="{}" if method in ("PUT", "POST") else None, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()


@contextmanager
def another_user() -> Iterator[None]:
    """New connections of this process are those of another user."""
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_servers_without_a_host_listen_on_this_machine_only() -> None:
    program = """
        const server = require('http').createServer();
        server.listen(0, () => { console.log(server.address().address); server.close(); });
    """
    assert subprocess.check_output([NODE, "--require", LISTEN_LOCALLY, "-e", program], text=True) == "127.0.0.1\n"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_this_machine_is_known_by_its_names_at_any_port(port: int, method: str, name: str) -> None:
    """Another port than the server's is that of an ``ssh -L``."""
    for host in (name, f"{name}:{port}", f"{name}:12345"):
        assert ask(port, method, {"Host": host})[0] == 200
        assert ask(port, method, {"Host": host, "Origin": f"http://{host}", **ASKED_BY_PAGE})[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil", ""],
)
def test_any_other_name_is_refused(port: int, method: str, host: str) -> None:
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}", **ASKED_BY_PAGE}):
        assert ask(port, method, headers) == (403, "NNI answers here as localhost, 127.0.0.1 or [::1] only\n")


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "OPTIONS"])
def test_requests_of_other_sites_are_refused(port: int, method: str, headers: dict[str, str]) -> None:
    assert ask(port, method, {"Host": "localhost", **headers}) == (403, "NNI answers no requests of other sites\n")


def test_the_page_may_be_opened_by_a_link(port: int) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert ask(port, "GET", link)[0] == 200
    assert ask(port, "POST", {**link, "Origin": "http://evil.example"})[0] == 403
    assert ask(port, "GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"})[0] == 200


def test_web_sockets_are_guarded_alike(port: int) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert ask(port, "GET", upgrade)[0] == 101
    assert ask(port, "GET", {**upgrade, "Host": "evil.example"})[0] == 403
    assert ask(port, "GET", {**upgrade, **FOREIGN}) == (403, "NNI answers no requests of other sites\n")


def test_every_connection_of_this_user_is_served(port: int) -> None:
    assert {ask(port)[0] for _ in range(300)} == {200}


def test_an_ipv6_socket_that_reaches_it_is_known(port: int) -> None:
    with socket.socket(socket.AF_INET6) as connection:
        connection.settimeout(10)
        connection.connect(("::ffff:127.0.0.1", port))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_users_are_refused(port: int, method: str) -> None:
    with another_user():
        refusal = ask(port, method)
    assert refusal == (403, "NNI answers the user who started it (uid 0) and root only\n")
    assert ask(port, method)[0] == 200


def test_other_users_who_hang_up_at_once_are_refused(port: int) -> None:
    """The system says of a connection without a process that it is root's."""
    before = json.loads(ask(port)[1])["served"]
    for _ in range(30):
        with another_user(), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert json.loads(ask(port)[1])["served"] == before + 1


def test_a_second_experiment_is_not_started(port: int) -> None:
    """By an nnictl that takes this manager for its own."""
    path = "/api/v1/nni/experiment"
    assert ask(port, "POST", path=path)[0] == 200
    assert ask(port, "POST", path=path) == (403, "another experiment runs on this port\n")
    assert ask(port, "GET", path=path)[0] == ask(port, "PUT", path=path)[0] == 200


def test_tensorboard_listens_on_this_machine_only(tmp_path: Path) -> None:
    tensorboard = tmp_path / "tensorboard"
    tensorboard.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    tensorboard.chmod(0o755)
    # NNI's own lines: nni_node/extensions/nniTensorboardManager.js, and getTunerProc.
    program = """
        const { getTunerProc } = require('./common/utils');
        const command = ['tensorboard', '--bind_all --logdir_spec=0-Ab3dE:/x', '--port=6006'];
        getTunerProc(command, 'inherit', process.cwd(), process.env, true, true);
    """
    words = subprocess.check_output(
        [NODE, "--require", LISTEN_LOCALLY, "-e", program],
        cwd=NODE.parent,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "NODE_PATH": str(NODE.parent)},
        text=True,
    )
    assert words.split() == ["--host=127.0.0.1", "--logdir_spec=0-Ab3dE:/x", "--port=6006"]
