"""What a machine says of itself: equal for equal data, and what is wrong with other data."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from machines import facts
from machines.facts import facts_of, main
from machines.gpus import Gpu, Machine
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(0, "GPU-1", "10 MiB of 90 MiB", "H100")
    monkeypatch.setattr(facts, "read_machine", lambda: Machine((gpu,), pytorch="2.13.0", cores=4))


def words(folder: Path, *more: str) -> list[str]:
    return ["--data-root", str(folder.parent), "--dataset", folder.name, "--splits", "1", *more]


def test_a_machine_and_its_data(small_dataset: Path) -> None:
    before = time.time()
    found = facts_of(words(small_dataset, "--no-cache"))
    assert before <= found.pop("clock") <= time.time()
    assert len(found.pop("digest")) == 64
    versions = found.pop("packages")
    assert list(versions) == ["torch", "numpy", "tqdm"]
    assert versions["numpy"] == np.__version__
    gpu = {"index": 0, "uuid": "GPU-1", "memory": "10 MiB of 90 MiB", "name": "H100", "busy": False, "mig": False}
    assert found == {
        "python": platform.python_version(),
        "cores": 4,
        "gpus": [gpu],
        "no_gpu": None,
        "data": str(small_dataset),
        "videos": 6,
    }


def test_a_missing_package_has_no_version(small_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "PACKAGES", ("numpy", "a_package_that_is_nowhere"))
    assert facts_of(words(small_dataset))["packages"] == {"numpy": np.__version__, "a_package_that_is_nowhere": None}


def test_room_is_asked_for_features_that_are_not_packed(small_dataset: Path, tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    found = facts_of(words(small_dataset, "--cache", str(cache)))
    total = sum(path.stat().st_size for path in (small_dataset / "features").iterdir())
    assert 0.5 * total < found["to_pack"] < 2 * total
    assert found["free"] > 0
    assert not cache.exists()
    assert "to_pack" not in facts_of(words(small_dataset, "--no-cache"))


def test_copies_are_the_same_data(small_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dataset, tmp_path / "elsewhere" / "other")
    for path in (tmp_path / "elsewhere" / "other").rglob("*"):
        os.utime(path, ns=(0, 10**18))
    here, there = facts_of(words(small_dataset)), facts_of(words(tmp_path / "elsewhere" / "other"))
    assert here["digest"] == there["digest"]


@pytest.mark.parametrize("name", [name for name in CHANGES if not name.startswith("features")])
def test_another_list_label_or_class_is_other_data(name: str, small_dataset: Path) -> None:
    before = facts_of(words(small_dataset))["digest"]
    CHANGES[name](small_dataset)
    assert facts_of(words(small_dataset)).get("digest") != before


def test_longer_features_are_other_data_or_a_fault(small_dataset: Path) -> None:
    before = facts_of(words(small_dataset))["digest"]
    path = small_dataset / "features" / "p00-1.npy"
    np.save(path, np.load(path).astype(np.float64))
    assert facts_of(words(small_dataset)).get("digest") != before


def test_what_is_wrong_is_said_in_place_of_data(small_dataset: Path, tmp_path: Path) -> None:
    for name in ("p00-1", "p00-2"):
        (small_dataset / "features" / f"{name}.npy").unlink()
    found = facts_of(words(small_dataset))
    assert str(small_dataset / "features" / "p00-1.npy") in found["fault"]
    assert found["fault"].endswith(" (and 1 more faults)")
    assert "digest" not in found
    assert str(tmp_path / "nowhere") in facts_of(words(tmp_path / "nowhere" / "small"))["fault"]


def test_only_splits_that_are_read_matter(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "data" / "two", splits=2)
    (folder / "splits" / "train.split2.bundle").unlink()
    assert "digest" in facts_of(words(folder))
    assert "split2" in facts_of([*words(folder)[:-1], "2"])["fault"]


def test_all_of_it_is_one_line_of_json(
    small_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["facts", *words(small_dataset)])
    main()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["videos"] == 6
