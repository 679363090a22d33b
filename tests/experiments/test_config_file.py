from __future__ import annotations

from pathlib import Path

import pytest

from common.bad_input import BadInput
from experiments.config_file import class_arguments, read_config


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experiment.yml"


def test_a_configuration_is_read_with_its_aliases(path: Path) -> None:
    path.write_text("base: &base {a: 1, b: 2}\ntuner:\n  classArgs:\n    <<: *base\n    b: 3\n")
    assert class_arguments(read_config(path)) == {"a": 1, "b": 3}


@pytest.mark.parametrize("config", [{}, {"tuner": None}, {"tuner": "a"}, {"tuner": {"classArgs": [1]}}])
def test_other_tuners_have_no_arguments(config: dict[str, object]) -> None:
    assert class_arguments(config) == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a\n", "not the YAML file of an experiment"),
        ("a: !!bool maybe\n", "KeyError"),
        ("searchSpaceFile: 5\n", "searchSpaceFile must be the name of a file"),
    ],
)
def test_a_bad_configuration_is_refused(path: Path, text: str, fault: str) -> None:
    path.write_text(text)
    with pytest.raises(BadInput, match=f"^{path}: .*{fault}"):
        read_config(path)


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"s1l0": 1, "s1l0": 2}'])
def test_its_search_space_is_looked_at(path: Path, content: str) -> None:
    path.write_text("searchSpaceFile: spaces/mine.json\n")
    space = path.parent / "spaces" / "mine.json"
    space.parent.mkdir()
    space.write_text(content)
    with pytest.raises(BadInput, match=f"^{space}: "):
        read_config(path)
