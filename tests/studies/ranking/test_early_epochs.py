from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_space.networks import find_network
from studies.ranking import early_epochs
from studies.ranking.early_epochs import Study, agreement, random_structures, report, spread
from trials.training.metrics import METRICS


def test_agreement_judges_a_seed_by_the_others_only() -> None:
    early = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    late = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    # Each seed's early ranking is the reverse of its own late one, and that of the other seed.
    assert agreement(early, late) == 1


def test_spread_by_hand() -> None:
    # Seeds deviate by sqrt(2) and by sqrt(8) from their structure's mean; the means are 2 and 6.
    assert spread(np.array([[1.0, 3.0], [4.0, 8.0]])) == pytest.approx((5**0.5, 8**0.5))


def test_random_structures_are_powers_of_two_and_the_same_for_the_same_seed() -> None:
    network = find_network("ms-tcn:stages=2,layers=3")
    structures = random_structures(20, network, seed=0)
    assert structures == random_structures(20, network, seed=0)
    assert {dilation for structure in structures for dilation in structure.dilations} == {2**e for e in range(11)}


def test_report_of_trainings_whose_ranking_is_known() -> None:
    # The first epoch ranks the structures 1, 2, 3 and the second one 3, 2, 1, whatever the seed.
    results: dict[tuple[str, int], dict[str, Any]] = {}
    for rank, name in enumerate(("hand", "random0", "random1")):
        for seed in (0, 1):
            history = [dict.fromkeys(METRICS, float(value)) for value in (rank, 10 - rank + seed)]
            results[name, seed] = {"history": history, "test": dict.fromkeys(METRICS, 50.0 + rank)}
    lines = {line[:28].strip(): line[28:].split() for line in report(results, [0, 1]).splitlines()}
    assert lines["hand"] == ["10.5", "50.0"]
    assert lines["best of the others"] == ["9.5", "52.0"]
    assert lines["worst of the others"] == ["8.5", "51.0"]
    assert lines["deviation between seeds"] == ["0.7", "0.0"]
    assert lines["deviation between structures"] == ["1.0", "1.0"]
    assert lines["after epoch 1"] == ["-1.00", "1.00"]
    assert lines["after epoch 2"] == ["1.00", "-1.00"]


def test_every_training_is_a_line_of_a_table(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = argparse.ArgumentParser()
    Study.add_arguments(parser)
    words = ["--dataset", "small", "--data-root", str(small_dataset.parent), "--split", "1", "--structures", "2"]
    study = Study.from_arguments(parser.parse_args([*words, "--seeds", "0", "3", "--output", str(tmp_path)]))

    def trained(_workers: int, _run: Any, jobs: dict[tuple[str, int], Any], _what: str) -> dict[tuple[str, int], Any]:
        history = [dict.fromkeys(METRICS, value) for value in (1.0, 2.126)]
        return {(name, seed): {"history": history, "test": dict.fromkeys(METRICS, 50.0 + seed)} for name, seed in jobs}

    monkeypatch.setattr(early_epochs, "run_all", trained)
    study.run()
    with open(tmp_path / "trainings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["structure"], row["seed"]) for row in rows] == [
        (name, seed) for name in ("hand", "random0", "random1") for seed in ("0", "3")
    ]
    assert rows[1] == {
        "structure": "hand",
        "dilations": str(study.structures["hand"]),
        "seed": "3",
        "test": "53.0",
        "validation_1": "1.0",
        "validation_2": "2.13",
    }
