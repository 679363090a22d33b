"""Messages arrive as they were sent, or are known to be damaged, wherever the stream is cut or changed."""

from __future__ import annotations

import hashlib
import json
import threading
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines import messages
from machines.messages import LARGEST, MAGIC, Damaged, Sender, is_of_trial, receive

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
MESSAGES = st.dictionaries(st.sampled_from(["kind", "path", "value", "ä"]), VALUES | st.lists(VALUES, max_size=2))
SENT = st.lists(st.tuples(MESSAGES, st.binary(max_size=99)), max_size=3)
GREETINGS = st.binary(max_size=50).filter(lambda text: MAGIC not in text)
"""What a shell says before: it need not end its last line."""


def stream_of(sent: list[tuple[dict[str, Any], bytes]]) -> bytes:
    stream = BytesIO()
    sender = Sender(stream)
    for message, payload in sent:
        sender.send(message, payload)
    return stream.getvalue()


def received(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """All messages; the fields that only say what follows are left out. Raises Damaged."""
    found, source = [], BytesIO(stream)
    while (each := receive(source)) is not None:
        found.append(({name: value for name, value in each[0].items() if name not in ("size", "sha256")}, each[1]))
    return found


@settings(max_examples=60, deadline=None)
@given(GREETINGS, SENT)
def test_what_is_sent_is_received(greeting: bytes, sent: list[tuple[dict[str, Any], bytes]]) -> None:
    assert received(greeting + stream_of(sent)) == sent


@settings(max_examples=60, deadline=None)
@given(SENT, st.data())
def test_a_stream_that_breaks_off_gives_whole_messages_and_no_other(
    sent: list[tuple[dict[str, Any], bytes]], data: st.DataObject
) -> None:
    stream = stream_of(sent)
    source = BytesIO(stream[: data.draw(st.integers(0, len(stream)))])
    for message, payload in sent:
        try:
            each = receive(source)
        except Damaged:
            return
        if each is None:
            return
        assert each[0].items() >= message.items()
        assert each[1] == payload
    assert receive(source) is None


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.binary(min_size=1, max_size=99), st.data())
def test_another_payload_is_noticed(message: dict[str, Any], payload: bytes, data: st.DataObject) -> None:
    stream = stream_of([(message, payload)])
    index = data.draw(st.integers(len(stream) - len(payload), len(stream) - 1))
    changed = data.draw(st.integers(1, 255)) ^ stream[index]
    with pytest.raises(Damaged):
        receive(BytesIO(stream[:index] + bytes([changed]) + stream[index + 1 :]))


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_line_of_ours_is_a_message_or_damaged(line: bytes) -> None:
    try:
        each = receive(BytesIO(MAGIC + line))
    except Damaged:
        return
    assert each is None or isinstance(each[0], dict)


@pytest.mark.parametrize("size", [-1, True, 1.5, "1", None, LARGEST + 1, 10**30])
def test_a_size_that_would_fill_the_memory_or_is_none_is_refused(size: Any) -> None:
    with pytest.raises(Damaged, match=r"^a message announces .* bytes$"):
        receive(BytesIO(MAGIC + json.dumps({"kind": "file", "size": size}).encode() + b"\nabc"))


def test_bytes_without_a_checksum_are_refused() -> None:
    with pytest.raises(Damaged, match="mine: another checksum"):
        receive(BytesIO(MAGIC + b'{"path": "mine", "size": 3}\nabc'))


@pytest.mark.parametrize("line", [b"[]", b"1", b'"kind"', b"[" * 100_000, b"9" * 5000, b"\xff", b""])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(Damaged):
        receive(BytesIO(MAGIC + line + b"\n"))


def test_a_line_without_end_is_not_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LONGEST_LINE", 100)
    source = BytesIO(MAGIC + b'{"kind": "' + b"a" * 1000)
    with pytest.raises(Damaged):
        receive(source)
    assert source.tell() == 100


def test_messages_of_several_threads_do_not_mix() -> None:
    stream = BytesIO()
    sender = Sender(stream)

    def send(number: int) -> None:
        for _ in range(50):
            sender.send({"number": number}, bytes([number]) * 1000)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = received(stream.getvalue())
    assert len(found) == 200
    assert all(payload == bytes([message["number"]]) * 1000 for message, payload in found)


def test_the_format_is_this_one() -> None:
    """A machine may share the files of a home of another version: a change needs another number."""
    digest = hashlib.sha256(b"x").hexdigest()
    line = f'{{"kind": "file", "path": "a", "size": 1, "sha256": "{digest}"}}'
    assert stream_of([({"kind": "file", "path": "a"}, b"x")]) == f"\nglobal2local 1 {line}\nx".encode()


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "begun"},
        {"kind": "metric", "type": "PERIODICAL", "sequence": 3, "value": {"default": 1.5}},
        {"kind": "metric", "type": "FINAL", "sequence": 0, "value": {}},
        {"kind": "file", "path": "/a"},
        {"kind": "removed", "path": "/a"},
        {"kind": "end", "code": -1},
    ],
)
def test_what_a_trial_says_is_known(message: dict[str, Any]) -> None:
    assert is_of_trial(message)
    for name in message:
        assert not is_of_trial({each: value for each, value in message.items() if each != name})
        assert not is_of_trial({**message, name: [message[name]]})


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": None},
        {"kind": []},
        {"kind": "start"},
        {"kind": "metric", "type": "OTHER", "sequence": 0, "value": {}},
        {"kind": "metric", "type": "FINAL", "sequence": -1, "value": {}},
        {"kind": "metric", "type": "FINAL", "sequence": True, "value": {}},
        {"kind": "metric", "type": "FINAL", "sequence": 0, "value": 5},
        {"kind": "end", "code": "0"},
        {"kind": "end", "code": True},
        {"kind": "end", "code": None},
    ],
)
def test_anything_else_is_not(message: dict[str, Any]) -> None:
    assert not is_of_trial(message)
