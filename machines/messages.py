"""What a trial on another machine and its home tell each other, over one ssh connection.

A message is a line of JSON, and the bytes that it announces: the content of a file, with its checksum. Each is sent
whole, under one lock; what comes before the first line of ours (a shell's greeting) is skipped.
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
BEAT = {"kind": "beat"}
BEAT_SECONDS = 10.0
"""How often home says that it is there."""
SILENCE_SECONDS = 60.0
"""A trial whose home is silent for so long ends: another may have taken its place."""


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
            self.stream.write(MAGIC + line + b"\n" + payload)
            self.stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message and its bytes; None at the end of the stream.

    Raises:
        Damaged: it breaks off, or its checksum differs.
    """
    while line := stream.readline(LONGEST_LINE):
        if not line.startswith(MAGIC):
            continue
        try:
            message = dict(json.loads(line.removeprefix(MAGIC)))
            payload = stream.read(message.get("size", 0))
        except (ValueError, TypeError) as fault:
            raise Damaged(f"a message breaks off: {fault}") from None
        if "sha256" in message and hashlib.sha256(payload).hexdigest() != message["sha256"]:
            raise Damaged(f"{message.get('path')}: another checksum than it was sent with")
        return message, payload
    return None
