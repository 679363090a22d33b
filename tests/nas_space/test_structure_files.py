from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import (
    DIALECTS,
    Dialect,
    read_single,
    read_structure,
    structure_to_json,
    write_structure,
)
from tests.nas_space.dialects import EARLIER, FIRST, NETWORK, SECOND, STRUCTURE, mmcv, native, seed
from tests.nas_space.generators import structures


@pytest.mark.parametrize(
    "content",
    [
        native({FIRST: 4, SECOND: 16}),
        native({SECOND: 16, FIRST: 4}),
        seed(4, 16),
        seed([4], [16]),
        seed(4, [16]),
        mmcv([4], [16]),
        mmcv([[4]], [[16]]),
        mmcv([[4, 1]], [[1, 16]]),
        mmcv([4, 4], [[16, 16]]),
        {"structure": {FIRST: [4], SECOND: [16]}},
    ],
)
def test_a_dialect_is_told_by_its_content(content: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(content))
    assert read_structure(path, NETWORK) == read_structure(str(path), NETWORK) == STRUCTURE


def test_each_dialect_is_written_as_its_readers_expect_it() -> None:
    about = {"f1@10": 80.3}
    assert structure_to_json(STRUCTURE, "native", about) == {
        "format": "global2local-structure",
        "network": {"name": "ms-tcn", "stages": 2, "layers": 1, "kernel": 3, "channels": 64},
        "dilations": {FIRST: 4, SECOND: 16},
        "about": {"f1@10": 80.3},
    }
    assert structure_to_json(STRUCTURE, "seed", about) == {
        "global": {
            "step": 0,
            "max_step": 30,
            "search_interval": 3,
            "exp_rate": 0.1,
            "init_alphas": 0.01,
            "normlize": "absavg",
            "mmin": 1,
            "mmax": 2048,
            "finetune": False,
        },
        "model": {FIRST: 4, SECOND: 16},
    }
    assert structure_to_json(STRUCTURE, "mmcv", about) == {
        "search": {},
        "structure": {f"module.{FIRST}": [4], f"module.{SECOND}": [16]},
    }


@given(structures(), st.sampled_from(DIALECTS))
def test_every_dialect_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, structure: Structure, dialect: Dialect
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    write_structure(structure, path, dialect)
    assert read_structure(path, structure.network) == structure


def test_hand_is_a_name() -> None:
    assert read_structure("hand", ms_tcn.describe(stages=2, layers=3)).dilations == (1, 2, 4, 1, 2, 4)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(seed(4)), encoding="utf-8-sig")
    assert read_structure(path, NETWORK) == STRUCTURE


BRANCHED = Structure.from_labels({"s1l0": [[3, 0.25], [5, 0.75]], "s2l0": 16}, NETWORK)


def test_a_file_of_branches_is_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "multiple.json"
    write_structure(BRANCHED, path)
    content = json.loads(path.read_text())
    assert content["format"] == "global2local-structure-2"
    assert content["dilations"] == {FIRST: [[3, 0.25], [5, 0.75]], SECOND: 16}
    assert read_structure(path, NETWORK) == BRANCHED
    with pytest.raises(BadInput, match=f"^{path}: keeps several branches in a layer, but a search starts from one"):
        read_single(path, NETWORK)
    write_structure(STRUCTURE, path)
    assert read_single(path, NETWORK) == STRUCTURE


@pytest.mark.parametrize("dialect", ["seed", "mmcv"])
def test_other_dialects_cannot_say_branches(dialect: Dialect) -> None:
    with pytest.raises(BadInput, match="several branches with shares: only native"):
        structure_to_json(BRANCHED, dialect)


@pytest.mark.parametrize(
    "network", [EARLIER, {**NETWORK.to_json()}, {**NETWORK.to_json(), "channels": 8}, None], ids=str
)
def test_a_structure_says_its_network_in_this_version_or_an_earlier_one(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps({**native({FIRST: 4, SECOND: 16}), "network": network}))
    assert read_structure(path, NETWORK) == STRUCTURE
