from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from studies.ranking.early_epochs import random_structures
from studies.ranking.surrogate import agreement_of_halves, features_of, report, ridge
from studies.search_quality.evaluator import read_short_trainings
from trials.training.metrics import METRICS

NETWORK = find_network("ms-tcn:stages=2,layers=3")


def test_features_by_hand() -> None:
    features = features_of(Structure((1, 2, 4, 1, 1, 16), NETWORK))
    # Stages see 1 + 2 * 7 and 1 + 2 * 18 frames.
    assert features == pytest.approx([np.log2(15), np.log2(37), 1, 4 / 3, 2, 4, 0, 1, 2, 0, 0, 4])


def test_features_of_blocks_of_different_length() -> None:
    network = find_network("ms-tcn++:prediction=1,refinements=1,layers=2")
    # The longer of 4 and 16 counts: 1 + 2 x 16 frames, and 1 + 2 x (1 + 2).
    features = features_of(Structure((4, 16, 1, 2), network))
    assert features == pytest.approx([np.log2(33), np.log2(7), 3, 0.5, 4, 1, 2, 4, 0, 1])


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_the_closed_form_of_leaving_one_out_is_what_leaving_one_out_gives(penalty: float) -> None:
    random = np.random.default_rng(0)
    features, objectives = random.normal(size=(7, 3)), random.normal(size=7)
    features -= features.mean(axis=0)
    errors = []
    for index in range(7):
        others, known = np.delete(features, index, axis=0), np.delete(objectives, index)
        # The intercept is a column that is not penalised; features stay centred over all seven.
        columns = np.column_stack([np.ones(6), others])
        solution = np.linalg.solve(columns.T @ columns + penalty * np.diag([0, 1, 1, 1]), columns.T @ known)
        errors.append(objectives[index] - solution @ [1, *features[index]])
    assert ridge(features, objectives, penalty)[1] == pytest.approx(np.mean(np.square(errors)))


def test_what_depends_on_the_features_is_predicted_and_noise_is_not() -> None:
    structures = random_structures(40, NETWORK, seed=0)
    features = np.array([features_of(structure) for structure in structures])
    random = np.random.default_rng(1)
    depends = features @ random.normal(size=features.shape[1])
    assert agreement_of_halves(features, depends) > 0.8
    assert agreement_of_halves(features, -depends) > 0.8
    noise = [agreement_of_halves(features, random.normal(size=40)) for _ in range(20)]
    assert abs(np.mean(noise)) < 0.1


def keep(path: Path, seed: int, objectives: dict[Structure, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        for structure, objective in objectives.items():
            line = {"dataset": "a", "split": 1, "settings": {"seed": seed}, "dilations": structure.by_label()}
            file.write(json.dumps({**line, "epochs": [dict.fromkeys(METRICS, objective)], "seconds": 2.0}) + "\n")


def test_report_of_a_comparison_that_is_predictable(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps({"network": NETWORK.to_json(), "budget": 60}))
    structures = random_structures(24, NETWORK, seed=0)
    objectives = {structure: float(np.log2(structure.dilations).sum()) for structure in structures}
    path = tmp_path / "judgements" / "a" / "split1.jsonl"
    for seed in (0, 1):
        keep(path, seed, {structure: objectives[structure] for structure in structures[12 * seed : 12 * seed + 12]})
    keep(path, 2, dict.fromkeys(structures[:9], 1.0))  # too few
    assert [(seed, judged.seconds) for seed, _, judged in read_short_trainings(path, NETWORK)][::12] == [
        (0, 2.0),
        (1, 2.0),
        (2, 2.0),
    ]
    # Two seeds of one split leave no error.
    name, regressions, count, tau = report(tmp_path).splitlines()[1].split()
    assert (name, regressions, count) == ("a", "2", "24")
    assert float(tau) > 0.5
    keep(path.with_name("split2.jsonl"), 0, objectives)
    assert report(tmp_path).splitlines()[1].split()[1:3] == ["3", "48"]
    assert "±" in report(tmp_path).splitlines()[1]


def test_damaged_judgements_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps({"network": NETWORK.to_json()}))
    path = tmp_path / "judgements" / "a" / "split1.jsonl"
    path.parent.mkdir(parents=True)
    for line in ("{}", '{"epochs": [], "seconds": 1, "settings": {"seed": 0}, "dilations": {"s1l0": 1}}'):
        path.write_text(line + "\n")
        with pytest.raises(BadInput, match=r"split1\.jsonl: damaged"):
            report(tmp_path)


def test_too_few_judgements_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps({"network": NETWORK.to_json()}))
    with pytest.raises(BadInput, match="no split has 10 structures that were evaluated with one seed"):
        report(tmp_path)
