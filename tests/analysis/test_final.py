from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.final import aggregate, final_table, read_runs
from nas_space.bad_input import BadInput
from trials.metrics import METRICS


def write_run(folder: Path, structure: str, split: int, seed: int, value: float) -> None:
    path = folder / structure / f"split{split}" / f"seed{seed}" / "metrics.json"
    path.parent.mkdir(parents=True)
    run = {"split": split, "settings": {"seed": seed}}
    path.write_text(json.dumps({"run": run, "test": {name: value + index for index, name in enumerate(METRICS)}}))


def test_means_and_deviations_are_over_splits_and_seeds(tmp_path: Path) -> None:
    for split, seed, value in ((1, 0, 50.0), (1, 1, 52.0), (2, 0, 54.0)):
        write_run(tmp_path, "hand", split, seed, value)
    write_run(tmp_path, "global", 1, 0, 60.0)
    rows = aggregate(read_runs(tmp_path))
    assert rows["hand"]["trainings"] == 3
    # 50, 52, 54: mean 52, sample deviation sqrt((4 + 0 + 4) / 2) = 2; edit is one larger, the mean of five two.
    assert rows["hand"]["acc"] == {"mean": 52.0, "std": 2.0}
    assert rows["hand"]["edit"] == {"mean": 53.0, "std": 2.0}
    assert rows["hand"]["mean"] == {"mean": 54.0, "std": 2.0}
    assert rows["global"]["acc"] == {"mean": 60.0, "std": None}
    _, of_global, of_hand = final_table(rows).splitlines()
    assert of_hand.split()[:4] == ["hand", "3", "52.0", "±"] or "52.0 ± 2.0" in of_hand
    assert of_global.split() == ["global", "1", "60.0", "61.0", "62.0", "63.0", "64.0", "62.0"]


def test_a_folder_without_trainings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished trainings"):
        read_runs(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "hand", 1, 0, 50.0)
    path = tmp_path / "hand" / "split1" / "seed0" / "metrics.json"
    path.write_text("{}")
    with pytest.raises(BadInput, match=f"{path}: damaged"):
        read_runs(tmp_path)
