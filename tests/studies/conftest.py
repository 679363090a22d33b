"""Clones of the public repositories, where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


@pytest.fixture
def find_clone() -> Callable[[str], Path]:
    """The clone of that name in the folder $G2L_CLONES; skips where there is none."""

    def find(name: str) -> Path:
        folder = os.environ.get("G2L_CLONES")
        if not folder or not (Path(folder) / name).is_dir():
            pytest.skip(f"no clone of {name}: set G2L_CLONES to the folder that it lies in")
        return Path(folder) / name

    return find


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of a pool is done here, one after another: new processes would import PyTorch first."""

    def one_thread(_: int) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1)

    monkeypatch.setattr("studies.worker_pool.new_pool", one_thread)
    monkeypatch.setattr("studies.search_quality.work.new_pool", one_thread)
