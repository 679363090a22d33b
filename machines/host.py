"""What home starts on another machine for a trial: it runs the trial, and lets it speak with home over this connection.

Standard input and output are the connection; what the trial prints goes to standard error. The files that the trial
goes on from arrive first. It works on copies in a folder of its own, under the paths of home, and each file that it
writes there is sent home at once, so that nothing is lost with this machine. A machine that shares home's files needs
none of that.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import shutil
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from common import atomic_file
from common.command_options import option
from machines.messages import HOME_GONE, SILENCE_SECONDS, Sender, receive
from nni_api.home import Home

WORK = Path("~/.cache/global2local/work")
"""Folder of the trials' copies, one for each process of each machine: several may share a home folder."""
THERE = "@there@"
"""Stands for a trial's own folder in what home sends: before the paths of home."""


def main() -> None:
    """Run one trial of a home that started this process over ssh."""
    into, sender = _connection()
    work = _new_folder()
    try:
        start = _receive_start(into, work)
        if start is not None:
            _run(start, into, work, sender)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _connection() -> tuple[IO[bytes], Sender]:
    """The streams from and to home, which nothing else reads or writes from now on."""
    into, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return into, Sender(out)


def _receive_start(into: IO[bytes], work: Path) -> dict[str, Any] | None:
    """What to run, after all files have arrived; None if home is gone."""
    start: dict[str, Any] = {}
    while (received := receive(into)) is not None:
        message, payload = received
        if message["kind"] == "go":
            return start
        if message["kind"] == "start":
            start = json.loads(json.dumps(message).replace(THERE, "" if message["shared"] else str(work)))
        elif message["kind"] == "file":
            path = _copy_of(message["path"], work)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(payload)
    return None


def _run(start: dict[str, Any], into: IO[bytes], work: Path, sender: Sender) -> None:
    """Run the trial, and tell home how it ended."""
    threading.Thread(target=_end_with_home, args=(into,), daemon=True).start()

    def send(message: dict[str, Any], payload: bytes = b"") -> None:
        try:
            sender.send(message, payload)
        except OSError:
            os._exit(HOME_GONE)

    def send_changed(path: Path) -> None:
        path = path.absolute()
        if path.is_relative_to(work):
            there = f"/{path.relative_to(work)}"
            content = path.read_bytes() if path.exists() else None
            send({"kind": "file" if content is not None else "removed", "path": there}, content or b"")

    def send_metric(kind: str, sequence: int, value: dict[str, Any]) -> None:
        send({"kind": "metric", "type": kind, "sequence": sequence, "value": value})

    # Before the trial begins: a disk that is not mounted fails no trial, let alone one after another.
    data = Path(option(start["words"], "--data-root") or "", option(start["words"], "--dataset") or "")
    for path in (data / "mapping.txt", data / "features"):  # the latter is often a link to another disk
        if not path.exists():
            sys.exit(f"{path}: no such file or folder, though it was there before the search: is its disk mounted?")
    os.environ.update(start["environment"])
    Path(os.environ["NNI_OUTPUT_DIR"]).mkdir(parents=True, exist_ok=True)
    Home.current = Home(start["record"], start["trials"], send_metric)
    if not start["shared"]:
        atomic_file.listeners.append(send_changed)
    sys.argv = [start["module"], *start["words"]]
    code: Any = 0
    send({"kind": "begun"})
    try:
        runpy.run_module(start["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    send({"kind": "end", "code": code if isinstance(code, int) else int(code is not None)})


def _end_with_home(into: IO[bytes]) -> None:
    """End this process as soon as home is gone, or silent for too long: another may have taken its place."""
    while select.select([into], [], [], SILENCE_SECONDS)[0] and os.read(into.fileno(), 65536):
        pass
    os._exit(HOME_GONE)


def _copy_of(path: str, work: Path) -> Path:
    """Where the copy of a file of home is."""
    return work / path.lstrip("/")


def _new_folder() -> Path:
    """A folder for this process; those of processes that were killed are removed."""
    base = WORK.expanduser() / atomic_file.HOST
    base.mkdir(parents=True, exist_ok=True)
    for left in base.iterdir():
        with suppress(ValueError, PermissionError):  # what is not named by a process, or one of another user's
            try:
                os.kill(int(left.name), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
    folder = base / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)  # of a process of the same number, before a restart
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
