from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas_space.networks import find_network
from studies.ranking.early_epochs import agreement, random_structures, report, spread
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
