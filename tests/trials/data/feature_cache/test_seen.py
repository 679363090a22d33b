from __future__ import annotations

from pathlib import Path

import pytest

from trials.data.feature_cache.seen import Seen, read_seen, write_seen

NOTHING = Seen({}, None)


@pytest.mark.parametrize("packed", [None, (7, 8, 9)])
def test_statuses_come_back_for_the_packed_file_that_they_are_of(
    tmp_path: Path, packed: tuple[int, int, int] | None
) -> None:
    path, seen = tmp_path / "x.seen", Seen({"a": (1, 2, 3), "b": (4, 5, 6)}, packed)
    write_seen(path, 7, seen)
    assert read_seen(path, 7) == seen
    assert read_seen(path, 8) == NOTHING


def test_earlier_versions_never_compared_the_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "x.seen"
    path.write_text('{"packed": 7, "files": {"a": [1, 2, 3]}}')
    assert read_seen(path, 7) == Seen({"a": (1, 2, 3)}, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"packed": 7}',
        '{"packed": 7, "files": []}',
        '{"packed": 7, "files": {"a": 1}}',
        '{"packed": 7, "files": {"a": [1, 2]}}',
        '{"packed": 7, "files": {"a": [1, 2, "3"]}}',
        '{"packed": 7, "files": {}, "intact": [1, 2]}',
        '{"packed": 7, "files": {}, "intact": 1}',
        "[" * 100_000,
    ],
)
def test_nothing_is_known_of_a_damaged_or_missing_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.seen"
    assert read_seen(path, 7) == NOTHING
    path.write_text(text)
    assert read_seen(path, 7) == NOTHING
