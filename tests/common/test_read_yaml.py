from __future__ import annotations

from pathlib import Path

import pytest

from common.bad_input import BadInput
from common.read_yaml import MOST_VALUES, read_yaml


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.yml"


def test_it_is_read_with_its_aliases(path: Path) -> None:
    path.write_text("base: &base {a: 1, b: 2}\nown:\n  <<: *base\n  b: [no, 3]\n")
    assert read_yaml(path) == {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": [False, 3]}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1\n", "while parsing a flow sequence"),
        ("a: 1\nb: 2\na: 3\n", r"'a' comes twice in the values from line 1"),
        ("a:\n  b: {c: 1, d: 2, c: 3}\n", "'c' comes twice in the values from line 2"),
        ('a: "\\0"\n', "a NUL character in line 1"),
        ("a: &a [*a]\n", f"more than {MOST_VALUES} values"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor for the tag"),
        ("a: !!bool maybe\n", "KeyError"),
        ("a: 2001-99-99\n", "ValueError"),
        (f"a: {'9' * 5000}\n", "ValueError"),
        ("[" * 5000, "RecursionError"),
    ],
)
def test_what_is_none_is_refused_in_one_line(path: Path, text: str, fault: str) -> None:
    path.write_text(text)
    with pytest.raises(BadInput, match=f"^{path}: not a YAML file: .*{fault}") as refused:
        read_yaml(path)
    assert "\n" not in str(refused.value)


def test_a_missing_one_is_named(path: Path) -> None:
    with pytest.raises(BadInput, match=f"^{path}: no such file$"):
        read_yaml(path)
