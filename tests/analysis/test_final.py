from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.final import aggregate, final_table, read_costs, read_runs
from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from trials.training.metrics import METRICS


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
    _, of_hand, of_global, difference = final_table(rows).splitlines()
    assert of_hand.split()[:4] == ["hand", "3", "52.0", "±"]
    assert of_global.split() == ["global", "1", "60.0", "61.0", "62.0", "63.0", "64.0", "62.0"]
    assert difference == "global - hand, in the mean of the five metrics: +10.0"


def test_differences_to_hand_are_paired_and_samples_are_splits(tmp_path: Path) -> None:
    for split, seed, hand, found in ((1, 0, 50.0, 53.0), (1, 1, 52.0, 53.0), (2, 0, 70.0, 76.0)):
        write_run(tmp_path, "hand", split, seed, hand)
        write_run(tmp_path, "global", split, seed, found)
    write_run(tmp_path, "global", 2, 1, 90.0)  # no training of hand to be paired with
    # Split 1: (3 + 1) / 2 = 2; split 2: 6. Their mean is 4, its standard error sqrt(8) / sqrt(2) = 2.
    rows = aggregate(read_runs(tmp_path))
    assert rows["global"]["better_than_hand"] == {"mean": 4.0, "standard_error": pytest.approx(2.0), "samples": 2}
    assert "better_than_hand" not in rows["hand"]
    assert final_table(rows).splitlines()[-1].endswith("+4.0 ± 2.0 (standard error)")


def test_with_one_split_its_seeds_are_the_samples(tmp_path: Path) -> None:
    for seed, found in ((0, 53.0), (1, 51.0)):
        write_run(tmp_path, "hand", 1, seed, 50.0)
        write_run(tmp_path, "global", 1, seed, found)
    rows = aggregate(read_runs(tmp_path))
    assert rows["global"]["better_than_hand"] == {"mean": 2.0, "standard_error": pytest.approx(1.0), "samples": 2}


def test_costs_are_means_over_the_trainings(tmp_path: Path) -> None:
    network = find_network("ms-tcn:stages=1,layers=3,channels=2")
    for split, dilations in ((1, (1, 0, 4)), (2, (1, 2, 4))):
        write_run(tmp_path, "global", split, 0, 60.0)
        path = tmp_path / "global" / f"split{split}" / "seed0" / "metrics.json"
        content = json.loads(path.read_text())
        content["run"] |= {"network": network.to_json(), "structure": Structure(dilations, network).by_path()}
        path.write_text(json.dumps(content))
    write_run(tmp_path, "hand", 1, 0, 50.0)  # of an earlier version
    costs = read_costs(tmp_path)
    # 11 and 15 frames; layers of 2 x 2 x (3 + 1) multiply-adds.
    assert costs == {"global": {"sees": 13, "layers": 2.5, "multiply_adds": 40}}
    head, of_hand, of_global, _ = final_table(aggregate(read_runs(tmp_path), costs)).splitlines()
    assert head.split()[-3:] == ["sees", "(frames)", "multiply-adds"]
    assert of_hand.split()[-2:] == ["-", "-"]
    assert of_global.split()[-2:] == ["13", "40"]
    content["run"]["structure"] = {"stage1.layers.0.conv_dilated": 1}
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"split2/seed0/metrics\.json: damaged: no structure of its network"):
        read_costs(tmp_path)


def test_a_folder_without_trainings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished trainings"):
        read_runs(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "hand", 1, 0, 50.0)
    path = tmp_path / "hand" / "split1" / "seed0" / "metrics.json"
    path.write_text("{}")
    with pytest.raises(BadInput, match=f"{path}: damaged"):
        read_runs(tmp_path)
