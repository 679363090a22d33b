from __future__ import annotations

from pathlib import Path

import pytest

from tests.strategies.fake_nni import FakeNni


@pytest.fixture
def nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNni:
    """NNI with two workers, for one tuner."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    return FakeNni(folder, monkeypatch)
