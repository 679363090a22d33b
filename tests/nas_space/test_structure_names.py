from __future__ import annotations

from pathlib import Path

import pytest

from nas_space.structure_names import short_name, structure_file, training_folder


@pytest.mark.parametrize(
    ("name", "file"),
    [("hand", "hand"), ("runs/it/split{split}/global.json", "runs/it/split3/global.json"), ("best.json", "best.json")],
)
def test_a_name_stands_for_the_file_of_a_split(name: str, file: str) -> None:
    assert structure_file(name, 3) == file


def test_trainings_of_a_structure_share_a_folder() -> None:
    assert training_folder("/runs/it/split{split}/global.json", 3, 0) == Path("global/split3/seed0")
    assert training_folder("hand", 1, 2) == Path("hand/split1/seed2")
    assert short_name("a/b.best.json") == "b.best"
