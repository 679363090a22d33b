from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_api.records import RECORDS_FILE, Records, read_records
from tests.conftest import REPOSITORY

law = settings(deadline=None, max_examples=60)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
contents = st.lists(values, min_size=1, max_size=5)


def write_all(folder: Path, contents: list[Any]) -> Path:
    records = Records(folder)
    for content in contents:
        records.write("noted", content=content)
    return records.path


def read_contents(path: Path) -> list[Any]:
    return [event["content"] for event in read_records(path)]


@law
@given(contents)
def test_events_are_read_as_written(contents: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert read_contents(write_all(Path(folder), contents)) == contents


@law
@given(contents)
def test_one_json_line_an_event(contents: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = write_all(Path(folder), contents).read_bytes()
    assert text.endswith(b"\n")
    assert [json.loads(line)["content"] for line in text[:-1].split(b"\n")] == contents


def test_an_event_has_its_kind_and_time(tmp_path: Path) -> None:
    before = time.time()
    Records(tmp_path).write("finished", uid=3, metrics={"f1@10": 71.5})
    after = time.time()
    [event] = read_records(tmp_path / RECORDS_FILE)
    assert before - 0.001 <= event.pop("time") <= after + 0.001
    assert event == {"event": "finished", "uid": 3, "metrics": {"f1@10": 71.5}}


def test_an_event_is_on_disk_at_once(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number in range(3):
        records.write("noted", content=number)
        assert read_contents(records.path) == list(range(number + 1))


@law
@given(contents, contents)
def test_records_only_grow(first: list[Any], second: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = write_all(Path(folder), first).read_bytes()
        after = write_all(Path(folder), second).read_bytes()
    assert after.startswith(before)
    assert len(after.splitlines()) == len(first) + len(second)


@pytest.mark.filterwarnings("ignore:.* damaged line")
@law
@given(contents, st.floats(0, 1))
def test_a_killed_writer_damages_its_own_event_only(contents: list[Any], share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_all(Path(folder), contents)
        text = path.read_bytes()
        cut = round(share * len(text))  # so many bytes reached the disk
        path.write_bytes(text[:cut])
        # An event is whole if its last brace is on disk, with or without the end of the line.
        whole = sum(byte == ord("\n") and end <= cut for end, byte in enumerate(text))
        assert read_contents(path) == contents[:whole]
        write_all(Path(folder), ["next"])
        assert read_contents(path) == [*contents[:whole], "next"]


def test_damaged_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / RECORDS_FILE
    lines = [
        b'{"event": "a"}',
        b'{"event": "b',
        b"",
        b"\0\0\0",
        b"\xff\xfe",
        b"[" * 100_000,
        b"3",
        b'{"uid": 1}',
        b'{"event": "c"}',
    ]
    path.write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=r"records\.jsonl: 6 damaged line\(s\) are left out"):
        assert read_records(path) == [{"event": "a"}, {"event": "c"}]


def test_a_line_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / RECORDS_FILE
    path.write_text('{"event": "a"}\n{"event": "b')
    assert read_records(path) == [{"event": "a"}]


def test_an_event_that_does_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from nni_api.records import Records
records = Records(Path({str(tmp_path)!r}))
records.write("noted", content=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (records.path.stat().st_size + 20, resource.RLIM_INFINITY))
try:
    records.write("noted", content=1)
except OSError as fault:
    print(fault)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
records.write("noted", content=2)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    path = tmp_path / RECORDS_FILE
    assert done.stdout == f"[Errno 27] File too large: '{path}'\n"
    assert read_contents(path) == [0, 2]
    assert len(path.read_text().splitlines()) == 2


def test_the_order_is_that_of_the_events_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(tmp_path)
    for content, clock in enumerate([1000.0, 10.0, 5000.0]):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        records.write("noted", content=content)
    assert read_contents(records.path) == [0, 1, 2]


def test_nothing_is_written_before_the_first_event(tmp_path: Path) -> None:
    Records(tmp_path)
    assert list(tmp_path.iterdir()) == []
