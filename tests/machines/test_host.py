"""What home starts on another machine, as a process of its own: it ends with home, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from common.atomic_file import HOST
from machines.host import THERE
from machines.messages import BEAT, HOME_GONE, Sender, receive
from tests.machines.conftest import MODULE, WORDS, Write

ENVIRONMENT = {"NNI_TRIAL_JOB_ID": "Ab3dE", "NNI_OUTPUT_DIR": f"{THERE}/home/expid/environments/local-env/trials/Ab3dE"}
START: dict[str, Any] = {
    "kind": "start",
    "module": MODULE,
    "words": ["--output", f"{THERE}/home/final", *WORDS],
    "environment": ENVIRONMENT,
    "record": {"parameter_id": 3, "parameters": {"s1l0": 4, "ä": None}},
    "trials": 2,
    "shared": False,
}


class Host:
    """The process, and home's ends of its connection."""

    def __init__(self, code: Path, home: Path, silence: float = 60) -> None:
        program = f"from machines import host; host.SILENCE_SECONDS = {silence}; host.main()"
        self.work = home / ".cache" / "global2local" / "work" / HOST
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=code,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.sender = Sender(self._stream(self.process.stdin))

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream

    def begin(self, *files: tuple[str, bytes], **start: Any) -> None:
        self.sender.send({**START, **start})
        for path, content in files:
            self.sender.send({"kind": "file", "path": path}, content)
        self.sender.send({"kind": "go"})

    def said(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """All that it says, without what belongs to the format."""
        while (received := receive(self._stream(self.process.stdout))) is not None:
            message, payload = received
            yield {name: value for name, value in message.items() if name not in ("size", "sha256")}, payload

    def end(self) -> tuple[int, str]:
        """How it ends without home: its exit code, and what it printed."""
        _, printed = self.process.communicate(timeout=60)
        return self.process.returncode, printed.decode()


@pytest.fixture
def start(code_of: Write, tmp_path: Path) -> Iterator[Any]:
    """``start(script)``: the process on a host whose trial is the script."""
    started: list[Host] = []

    def run(script: str, **how: Any) -> Host:
        (tmp_path / "there").mkdir(exist_ok=True)
        started.append(Host(code_of(script), tmp_path / "there", **how))
        return started[-1]

    yield run
    for host in started:
        host.process.kill()
        host.process.communicate()


def test_a_trial_has_its_files_and_parameters_and_home_all_that_it_writes(start: Any) -> None:
    host = start("""
from nni_api.home import Home
given = Path(sys.argv[2])
assert sys.argv[3:5] == ["--dataset", "small"]
assert (given / "training.pt").read_bytes() == b"\\0\\n" and Home.current.trials == 2
assert (channel.parameter_id, channel.parameters) == (3, {"s1l0": 4, "ä": None})
write_text(output / "epoch.json", "")
write_text(given / "metrics.json", "new")
channel.report_intermediate_result({"default": 1.5})
remove(given / "training.pt")
write_text(Path("of_this_machine"), "stays")
with open(given / "events", "ab") as file:
    file.write(b"12")
announce(given / "events")
channel.report_final_result({"default": 2.5})
sys.exit(3)
""")
    host.begin(("/home/final/training.pt", b"\0\n"))
    assert list(host.said()) == [
        ({"kind": "begun"}, b""),
        ({"kind": "file", "path": "/home/expid/environments/local-env/trials/Ab3dE/epoch.json"}, b""),
        ({"kind": "file", "path": "/home/final/metrics.json"}, b"new"),
        ({"kind": "metric", "type": "PERIODICAL", "sequence": 0, "value": {"default": 1.5}}, b""),
        ({"kind": "removed", "path": "/home/final/training.pt"}, b""),
        ({"kind": "file", "path": "/home/final/events"}, b"12"),
        ({"kind": "metric", "type": "FINAL", "sequence": 0, "value": {"default": 2.5}}, b""),
        ({"kind": "end", "code": 3}, b""),
    ]
    assert host.end() == (0, "")
    assert list(host.work.iterdir()) == []


@pytest.mark.parametrize(
    ("end", "code", "printed"),
    [
        ("", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('why')", 1, ""),
        ("sys.exit(2)", 2, ""),
        ("raise ValueError('why')", 1, "ValueError: why\n"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt\n"),
    ],
)
def test_every_end_is_told(end: str, code: int, printed: str, start: Any) -> None:
    host = start(end)
    host.begin()
    assert [message for message, _ in host.said()] == [{"kind": "begun"}, {"kind": "end", "code": code}]
    assert host.end()[1].endswith(printed)


def test_what_a_trial_prints_is_no_message(start: Any) -> None:
    host = start("""
print("by Python", flush=True)
os.write(1, b"by the system\\n")
os.system("echo by another program; cat")
""")
    host.begin()
    assert [message["kind"] for message, _ in host.said()] == ["begun", "end"]
    assert host.end() == (0, "by Python\nby the system\nby another program\n")


def test_a_machine_with_homes_files_sends_none(start: Any, tmp_path: Path) -> None:
    host = start("write_text(output / 'epoch.json', 'new')")
    environment = {**ENVIRONMENT, "NNI_OUTPUT_DIR": f"{THERE}{tmp_path / 'output'}"}
    host.begin(shared=True, environment=environment)
    assert [message["kind"] for message, _ in host.said()] == ["begun", "end"]
    assert (tmp_path / "output" / "epoch.json").read_text() == "new"


FOREVER = "print(os.getpid(), flush=True); time.sleep(600)"


def wait_until_begun(host: Host) -> None:
    assert next(host.said())[0] == {"kind": "begun"}


@pytest.mark.parametrize("before", [True, False], ids=["before it begins", "while it runs"])
def test_it_ends_with_home(before: bool, start: Any) -> None:
    host = start(FOREVER)
    if before:
        host.sender.send(START)
        host.sender.send({"kind": "file", "path": "/home/a"}, b"a")
    else:
        host.begin()
        wait_until_begun(host)
    assert host.end()[0] == (0 if before else HOME_GONE)


def test_it_ends_with_home_in_the_middle_of_a_message(start: Any) -> None:
    host = start(FOREVER)
    stdin = host.process.stdin
    host.sender.send(START)
    stdin.write(b'\nglobal2local 1 {"kind": "file", "path": "/home/a", "size": 9, "sha256": "0"}\nab')
    code, printed = host.end()
    assert code != 0
    assert "Damaged" in printed
    assert list(host.work.iterdir()) == []


def test_it_ends_if_home_is_silent_and_not_before(start: Any) -> None:
    host = start(FOREVER, silence=2)
    host.begin()
    wait_until_begun(host)
    longer = time.monotonic() + 2.1
    while time.monotonic() < longer:
        host.sender.send(BEAT)
        time.sleep(0.02)
    assert host.process.poll() is None
    assert host.process.wait(60) == HOME_GONE  # its input is still open


def test_it_ends_when_home_reads_no_more(start: Any) -> None:
    host = start("""
while True:
    channel.report_intermediate_result({"default": 1.5})
""")
    host.begin()
    wait_until_begun(host)
    host.process.stdout.close()
    assert host.process.wait(60) == HOME_GONE


def test_what_killed_processes_left_is_removed_and_nothing_else(start: Any, tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    work = tmp_path / "there" / ".cache" / "global2local" / "work"
    kept = [work / HOST / str(os.getpid()), work / HOST / "mine", work / ("0" * 8) / str(dead.pid)]
    left = work / HOST / str(dead.pid)
    for folder in (*kept, left):
        (folder / "home").mkdir(parents=True)
    host = start("")
    host.begin()
    assert [message["kind"] for message, _ in host.said()] == ["begun", "end"]
    assert not left.exists()
    assert all((folder / "home").exists() for folder in kept)
