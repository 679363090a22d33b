from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.run_data import share_data_folders


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not the repository, and no places yet."""
    for name in ("G2L_DATA_ROOT", "G2L_CACHE"):
        monkeypatch.setenv(name, "")  # so that what is set meanwhile is undone
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_is_the_folder_data_of_the_user(elsewhere: Path) -> None:
    (elsewhere / "data").mkdir()
    share_data_folders()
    assert os.environ["G2L_DATA_ROOT"] == str(elsewhere / "data")


def test_without_a_folder_data_trials_have_their_own_default() -> None:
    share_data_folders()
    assert os.environ["G2L_DATA_ROOT"] == ""


def test_relative_places_are_those_of_the_user(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATA_ROOT", "sets")
    monkeypatch.setenv("G2L_CACHE", "cache")
    share_data_folders()
    assert os.environ["G2L_DATA_ROOT"] == str(elsewhere / "sets")
    assert os.environ["G2L_CACHE"] == str(elsewhere / "cache")


def test_the_option_comes_before_the_variable(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATA_ROOT", "sets")
    share_data_folders(Path("others"))
    assert os.environ["G2L_DATA_ROOT"] == str(elsewhere / "others")
