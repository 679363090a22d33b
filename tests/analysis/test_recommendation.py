"""What a run recommends, from made-up trainings of its choice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.recommendation import Recommendation
from common.bad_input import BadInput
from nas_space.networks import find_network
from nas_space.structure import Structure
from nas_space.structure_files import read_structure
from trials.training.metrics import METRICS

NETWORK = find_network("ms-tcn:stages=1,layers=2,channels=2")
STRUCTURES = {name: Structure(dilations, NETWORK) for name, dilations in (("hand", (1, 2)), ("global", (4, 1)))}


def train(run: Path, phase: str, name: str, split: int, mean: float, seed: int = 0) -> None:
    path = run / phase / name / f"split{split}" / f"seed{seed}" / "metrics.json"
    path.parent.mkdir(parents=True)
    structure = {"network": NETWORK.to_json(), "structure": STRUCTURES[name].by_path()}
    about = {"split": split, "settings": {"seed": seed}, **structure}
    path.write_text(json.dumps({"run": about, "test": dict.fromkeys(METRICS, mean)}))


def end_choice(run: Path, **state: bool) -> None:
    (run / "pipeline.json").write_text(json.dumps({"steps": {"choice": state}}))


def test_the_best_on_validation_videos_is_recommended_whatever_the_test_videos_say(tmp_path: Path) -> None:
    for split, hand, found in ((1, 50.0, 49.0), (2, 60.0, 63.0)):
        train(tmp_path, "choice", "hand", split, hand)
        train(tmp_path, "choice", "global", split, found)
        train(tmp_path, "final", "hand", split, 90.0)
        train(tmp_path, "final", "global", split, 10.0)
    end_choice(tmp_path, done=True)
    recommended = Recommendation.of_run(tmp_path)
    assert recommended is not None
    assert recommended.sentence == (
        "Recommended: global. On videos held out of the training splits, the means of the five metrics are hand 55.0, "
        "global 56.0 (2 trainings of each); the test videos had no say in this."
    )
    files = recommended.write(tmp_path / "recommended")
    assert [path.name for path in files] == ["split1.json", "split2.json"]
    assert [read_structure(path, NETWORK).dilations for path in files] == [(4, 1)] * 2


def test_nothing_is_recommended_before_the_choice_has_ended(tmp_path: Path) -> None:
    (tmp_path / "pipeline.json").write_text('{"steps": {}}')
    assert Recommendation.of_run(tmp_path) is None
    train(tmp_path, "choice", "hand", 1, 50.0)
    train(tmp_path, "choice", "global", 1, 60.0)
    end_choice(tmp_path, done=False)
    assert Recommendation.of_run(tmp_path) is None  # a training of local may be missing


def test_a_choice_without_its_trainings_is_told(tmp_path: Path) -> None:
    train(tmp_path, "choice", "hand", 1, 50.0)
    train(tmp_path, "choice", "global", 2, 50.0)
    end_choice(tmp_path, done=True)
    with pytest.raises(BadInput, match="trainings of the choice are missing"):
        Recommendation.of_run(tmp_path)


def test_of_equals_hand_is_recommended(tmp_path: Path) -> None:
    train(tmp_path, "choice", "global", 1, 50.0)
    train(tmp_path, "choice", "hand", 1, 50.0)
    end_choice(tmp_path, done=True)
    recommended = Recommendation.of_run(tmp_path)
    assert recommended is not None
    assert recommended.name == "hand"
