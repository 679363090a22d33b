"""What a local search cannot start with ends its experiment before a trial."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from tests.strategies.fake_nni import SPACE, FakeNni
from tests.strategies.local_tuners import tuner


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": ["/nowhere/start.json"]}, "/nowhere/start.json: no such structure file"),
        ({"max_dilation": 3}, "layer s1l2: dilation 4 lies outside the bounds 1 to 3"),
        ({"min_dilation": 2}, "layer s1l0: dilation 1 lies outside the bounds 2 to 2048"),
        ({"max_dilation": 1}, "dilations of 1 to 1 leave no room for two branches"),
        ({"branches": 1}, "the number of branches must be a whole number of at least 2, not 1"),
        ({"expand_rate": 1.5}, "the expand rate must be at least 0 and below 1, not 1.5"),
        ({"expand_rate": math.nan}, "the expand rate must be at least 0 and below 1, not nan"),
        ({"iterations": math.inf}, "iterations must be a whole number of at least 1, not inf"),
        ({"iterations": 0}, "iterations must be a whole number of at least 1, not 0"),
        ({"network": "ms-tcn:stages=1,layers=2"}, "the search space must name the layers of the network"),
        ({"network": "ms-tcn:stages=0"}, "network ms-tcn: stages must be a whole number from 1 to 1000, not 0"),
        ({"starts": []}, "starts must be a list of file names, at least one, not []"),
        ({"starts": "hand"}, "starts must be a list of file names, at least one, not 'hand'"),
        ({"splits": 1}, "splits must be a list of numbers of splits, at least one, not 1"),
        ({"seeds": None}, "seeds must be a list of whole numbers of at least 0, at least one, not None"),
        ({"check_command": "python3 -c 'raise SystemExit(\"error: no features\")'"}, "error: no features"),
    ],
    ids=str,
)
def test_bad_class_args_end_the_experiment_before_a_trial(
    nni: FakeNni, arguments: dict[str, Any], message: str
) -> None:
    nni.start(tuner(**arguments))
    [error] = nni.errors
    assert message in error
    assert "\n" not in error
    assert nni.trials == []


@pytest.mark.parametrize(
    "arguments", [{"starts": [3]}, {"splits": ["all"]}, {"splits": [1.5]}, {"seeds": [-1]}, {"seeds": ["x"]}], ids=str
)
def test_chains_of_the_wrong_kind_end_the_experiment_before_a_trial(nni: FakeNni, arguments: dict[str, Any]) -> None:
    nni.start(tuner(**arguments))
    [error] = nni.errors
    assert next(iter(arguments)) in error
    assert "\n" not in error
    assert nni.trials == []


@pytest.mark.parametrize("dialect", ["native", "seed", "mmcv"])
@pytest.mark.parametrize("layers", [2, 4])
def test_a_structure_of_another_network_is_refused(nni: FakeNni, layers: int, dialect: Any, tmp_path: Path) -> None:
    path = tmp_path / "start.json"
    write_structure(Structure.hand(ms_tcn.describe(stages=1, layers=layers)), path, dialect)
    nni.start(tuner(starts=[str(path)]))
    [error] = nni.errors
    assert error.startswith(f"{path}: ")
    assert "\n" not in error
    assert nni.trials == []


def test_a_relative_start_is_sought_from_the_repository_root(nni: FakeNni) -> None:
    nni.start(tuner(starts=["runs/no such run/best.json"]))
    root = Path(__file__).parent.parent.parent
    assert nni.errors == [
        f"{root}/runs/no such run/best.json: no such structure file (give a JSON file, or the name 'hand')"
    ]


@pytest.mark.parametrize("space", [None, [], {}, {**SPACE, "s1l3": {}}], ids=str)
def test_the_search_space_must_name_the_layers(nni: FakeNni, space: Any) -> None:
    nni.start(tuner(), space)
    [error] = nni.errors
    assert error.startswith("the search space must name the layers of the network")
    assert nni.trials == []
