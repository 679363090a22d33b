"""A checkpoint that is missing or damaged costs the training of its iteration, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bad_input.conftest import Ending
from tests.bad_input.training_damages import LOST
from tests.bad_input.workspace import SEARCH
from trials import local_search


@pytest.mark.parametrize("damage", LOST)
def test_the_iteration_is_trained_again(damage: str, shared_files: Path, tmp_path: Path, ending: Ending) -> None:
    shutil.copytree(shared_files / "search", tmp_path / "search")
    path = tmp_path / "search" / "iteration_0.pt"
    good = path.read_bytes()
    LOST[damage](path)
    outcome = ending(shared_files, local_search.main, *SEARCH, "2", "--output", path.parent)
    assert outcome.code == 0
    line = next(line for line in outcome.err.splitlines() if str(path) in line)
    assert line.endswith(": that iteration is trained again")
    assert path.read_bytes() == good
    assert not (shared_files / "made").exists()  # no code of the file was run
