from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from tests.nas_space.generators import branched_structures, structures

SMALL = ms_tcn.describe(stages=2, layers=2)
BY_LABEL = {"s1l0": 1, "s1l1": 3, "s2l0": 9, "s2l1": 27}
BY_PATH = {
    "stage1.layers.0.conv_dilated": 1,
    "stage1.layers.1.conv_dilated": 3,
    "stages.0.layers.0.conv_dilated": 9,
    "stages.0.layers.1.conv_dilated": 27,
}


def test_hand_designed_dilations_double_from_layer_to_layer() -> None:
    assert Structure.hand(ms_tcn.describe()).by_block() == [(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)] * 4
    assert Structure.hand(ms_tcn.describe(stages=3, layers=2)).dilations == (1, 2, 1, 2, 1, 2)


def test_one_structure_by_order_by_label_and_by_path() -> None:
    structure = Structure((1, 3, 9, 27), SMALL)
    assert Structure.from_labels(BY_LABEL, SMALL) == Structure.from_paths(BY_PATH, SMALL) == structure
    assert list(structure.by_label().items()) == list(BY_LABEL.items())
    assert list(structure.by_path().items()) == list(BY_PATH.items())
    assert structure.by_block() == [(1, 3), (9, 27)]
    assert str(structure) == "1 3 | 9 27"


@given(structures(), st.randoms())
def test_names_tell_a_structure_in_any_order(structure: Structure, random: Any) -> None:
    def shuffled(dilations: dict[str, int]) -> dict[str, int]:
        return dict(random.sample(list(dilations.items()), len(dilations)))

    assert Structure.from_labels(shuffled(structure.by_label()), structure.network) == structure
    assert Structure.from_paths(shuffled(structure.by_path()), structure.network) == structure


def test_equal_dilations_of_equal_shapes_are_one_structure() -> None:
    plain = Structure((1, 3, 9, 27), SMALL)
    others: list[Any] = [[1, 3, 9, 27], np.array([1, 3, 9, 27]), (1, 3, 9, np.int64(27))]
    assert {plain, *(Structure(dilations, ms_tcn.describe(stages=2, layers=2)) for dilations in others)} == {plain}
    assert plain != Structure((1, 3, 9, 28), SMALL)
    assert plain != Structure((1, 3, 9, 27), ms_tcn.describe(stages=1, layers=4))


def test_dilations_become_plain_integers() -> None:
    assert [type(dilation) for dilation in Structure(tuple(np.array([1, 3, 9, 27])), SMALL).dilations] == [int] * 4


def test_a_structure_does_not_change() -> None:
    structure = Structure.hand(SMALL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        structure.dilations = (1, 1, 1, 1)  # type: ignore[misc]
    structure.by_label()["s1l0"] = 7
    assert structure == Structure.hand(SMALL)


@pytest.mark.parametrize("number", [3, 5])
def test_the_number_of_dilations_is_the_number_of_layers(number: int) -> None:
    with pytest.raises(BadInput, match=f"^a structure needs 4 dilations, not {number}$"):
        Structure((1,) * number, SMALL)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(BadInput, match=r"^unknown layer 's3l0': ms-tcn:stages=2,layers=2 has no such"):
        Structure.from_labels({**BY_LABEL, "s3l0": 1}, SMALL)
    with pytest.raises(BadInput, match=r"^unknown layer 's1l0'"):
        Structure.from_paths({**BY_PATH, "s1l0": 1}, SMALL)


@pytest.mark.parametrize("label", BY_LABEL)
def test_a_missing_layer_is_named(label: str) -> None:
    path = SMALL.paths[label]
    with pytest.raises(BadInput, match=f"^layer '{label}' has no dilation"):
        Structure.from_labels({name: value for name, value in BY_LABEL.items() if name != label}, SMALL)
    with pytest.raises(BadInput, match=f"^layer '{path}' has no dilation"):
        Structure.from_paths({name: value for name, value in BY_PATH.items() if name != path}, SMALL)


@pytest.mark.parametrize("value", [True, np.True_, 1.0, 2.5, float("nan"), Fraction(2), "2", None])
def test_a_dilation_is_a_whole_number(value: Any) -> None:
    with pytest.raises(BadInput, match=r"^the dilation of layer 's2l0' must be a whole number, not "):
        Structure.from_labels({**BY_LABEL, "s2l0": value}, SMALL)


def test_a_layer_may_keep_several_branches() -> None:
    kept = {**BY_LABEL, "s1l1": [[5, 0.25], [3, 0.75]]}
    structure = Structure.from_labels(kept, SMALL)
    assert structure.dilations == (1, 5, 9, 27)  # what the layer sees, it sees through its longest branch
    assert ReceptiveField.of(structure) == ReceptiveField.of(Structure((1, 5, 9, 27), SMALL))
    assert structure.branches_by_label()["s1l1"] == ((3, 0.75), (5, 0.25))
    assert structure.branches_by_label()["s2l1"] == ((27, 1.0),)
    assert str(structure) == "1 3+5 | 9 27"
    assert structure.to_labels() == {**BY_LABEL, "s1l1": [[3, 0.75], [5, 0.25]]}
    assert structure != Structure((1, 5, 9, 27), SMALL)
    assert structure != Structure.from_labels({**kept, "s1l1": [[3, 0.5], [5, 0.5]]}, SMALL)


def test_a_list_of_one_branch_is_a_dilation() -> None:
    assert Structure.from_labels({**BY_LABEL, "s1l1": [[3, 1.0]]}, SMALL) == Structure((1, 3, 9, 27), SMALL)


@given(branched_structures())
def test_branches_survive_their_json(structure: Structure) -> None:
    by_path = json.loads(json.dumps(structure.to_paths()))
    by_label = json.loads(json.dumps(structure.to_labels()))
    assert Structure.from_paths(by_path, structure.network) == structure
    assert Structure.from_labels(by_label, structure.network) == structure
    assert list(by_path.values()) == list(by_label.values())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the branches of layer 's2l0' must be a list of [dilation, share], not []"),
        ([2], "the branches of layer 's2l0' must be a list of [dilation, share], not [2]"),
        ([[2, 0.5, 0.5]], "the branches of layer 's2l0' must be a list of [dilation, share], not [[2, 0.5, 0.5]]"),
        ([[2, 0.5], [2, 0.5]], "the branches of layer 's2l0' must have different dilations of at least 1"),
        ([[0, 0.5], [2, 0.5]], "the branches of layer 's2l0' must have different dilations of at least 1"),
        ([[1, 0.5], [2, 0.4]], "the shares of the branches of layer 's2l0' must sum to 1"),
        ([[1, 1.5], [2, -0.5]], "a share of layer 's2l0' must be a number from 0 to 1, not 1.5"),
        ([[1, True], [2, 0]], "a share of layer 's2l0' must be a number from 0 to 1, not True"),
        ([[1, float("nan")]], "a share of layer 's2l0' must be a number from 0 to 1, not nan"),
        ([[1.5, 1.0]], "the dilation of layer 's2l0' must be a whole number, not 1.5"),
    ],
)
def test_branches_are_dilations_with_shares(value: Any, message: str) -> None:
    with pytest.raises(BadInput) as refusal:
        Structure.from_labels({**BY_LABEL, "s2l0": value}, SMALL)
    assert str(refusal.value) == message


@pytest.mark.parametrize("value", [-1, -4, np.int64(-1)])
def test_a_dilation_is_at_least_0(value: Any) -> None:
    message = f"^the dilation of layer 'stages.0.layers.0.conv_dilated' must be at least 0, not {value}$"
    with pytest.raises(BadInput, match=message):
        Structure.from_paths({**BY_PATH, "stages.0.layers.0.conv_dilated": value}, SMALL)
    with pytest.raises(BadInput, match=f"^the dilation of layer 's2l0' must be at least 0, not {value}$"):
        Structure((1, 3, value, 27), SMALL)
