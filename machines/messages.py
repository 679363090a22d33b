"""What a trial on another machine and its home tell each other, over one ssh connection.

A message is a line of JSON, and the bytes that it announces: the content of a file, with its checksum. Each is sent
whole, under one lock, and begins a line; what comes before the first line of ours (a shell's greeting) is skipped.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import IO, Any

MAGIC = b"global2local 1 "
"""Every line begins with it; the number is that of this format."""
LONGEST_LINE = 2**26
LARGEST = 2**32
"""Bytes of a file: a host must not fill home's memory."""
BEAT = {"kind": "beat"}
BEAT_SECONDS = 10.0
"""How often home says that it is there."""
SILENCE_SECONDS = 60.0
"""A trial whose home is silent for so long ends: another may have taken its place."""
HOME_GONE = 75
"""Exit code of a trial that ends as its home is silent or gone: to a home that only slept, its machine was lost."""


OF_TRIAL: dict[str, dict[str, type]] = {
    "begun": {},
    "metric": {"type": str, "sequence": int, "value": dict},
    "file": {"path": str},
    "removed": {"path": str},
    "end": {"code": int},
}
"""What a trial says by the kinds of its messages, in this order but for the files, which come at any time."""


class Damaged(Exception):
    """A message is not as it was sent."""


@dataclass
class Sender:
    """Sends messages over a stream, from any thread."""

    stream: IO[bytes]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        """Send a message. Raises OSError where the other end is gone."""
        about = {"size": len(payload), "sha256": hashlib.sha256(payload).hexdigest()} if payload else {}
        line = json.dumps({**message, **about}).encode()
        with self._lock:
            self.stream.write(b"\n" + MAGIC + line + b"\n" + payload)
            self.stream.flush()


def is_of_trial(message: dict[str, Any]) -> bool:
    """Whether home knows what to do with a message: a machine may send anything."""
    fields = OF_TRIAL.get(str(message.get("kind")))
    if fields is None or any(type(message.get(name)) is not kind for name, kind in fields.items()):
        return False
    return "sequence" not in fields or (message["type"] in ("PERIODICAL", "FINAL") and message["sequence"] >= 0)


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message and its bytes; None at the end of the stream.

    Raises:
        Damaged: it breaks off, has another checksum, or is none.
    """
    while line := stream.readline(LONGEST_LINE):
        if not line.startswith(MAGIC):
            continue
        try:
            message = json.loads(line.removeprefix(MAGIC))
        except (ValueError, RecursionError) as fault:
            raise Damaged(f"a message breaks off: {fault}") from None
        if not isinstance(message, dict):
            raise Damaged("a message is no object")
        size = message.get("size", 0)
        if type(size) is not int or not 0 <= size <= LARGEST:
            raise Damaged(f"a message announces {size!r} bytes")
        payload = stream.read(size)
        if size and hashlib.sha256(payload).hexdigest() != message.get("sha256"):
            raise Damaged(f"{message.get('path')}: another checksum than it was sent with")
        return message, payload
    return None
