"""Which structure files are refused, and how: in one line that names the file and the fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.structure_files import FORMAT, read_structure
from tests.nas_space.dialects import EARLIER, FIRST, NETWORK, SECOND, mmcv, native, seed


def refusal(path: Path) -> str:
    """Why a file is refused: in one line, after the file's name."""
    with pytest.raises(BadInput) as refused:
        read_structure(path, NETWORK)
    name, reason = str(refused.value).split(": ", maxsplit=1)
    assert name == str(path)
    assert len(reason.splitlines()) == 1
    return reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "not a structure"),
        (4, "not a structure"),
        ({"dilations": {FIRST: 4, SECOND: 16}}, "not a structure"),
        ({"format": "another", "dilations": {FIRST: 4, SECOND: 16}}, "not a structure"),
        ({"format": "global2local-structure"}, '"dilations" must be an object'),
        (native([4, 16]), '"dilations" must be an object'),
        ({"model": [4, 16]}, '"model" must be an object'),
        ({"structure": None}, '"structure" must be an object'),
        (native({FIRST: 4}), f"layer '{SECOND}' has no dilation"),
        (native({FIRST: 4, SECOND: 16, "stages.1": 2}), "unknown layer 'stages.1'"),
        (native({FIRST: 4, "two\nlines": 16}), "unknown layer 'two\\nlines'"),
        (native({FIRST: [4], SECOND: 16}), f"the branches of layer '{FIRST}' must be a list of [dilation, share]"),
        (
            native({FIRST: [[4, 0.5], [5, 0.5]], SECOND: 16}),
            'several branches in a layer need "format": "global2local-structure-2"',
        ),
        (seed([[[4, 0.5], [5, 0.5]]]), "a layer has several branches with shares: only native structure files"),
        (seed("4"), f"the dilation of layer '{FIRST}' must be a whole number, not '4'"),
        (seed(True), f"the dilation of layer '{FIRST}' must be a whole number, not True"),
        (seed([4.0]), f"the dilation of layer '{FIRST}' must be a whole number, not 4.0"),
        (native({FIRST: -1, SECOND: 16}), f"the dilation of layer '{FIRST}' must be at least 0, not -1"),
        (seed(0), f"layer '{FIRST}' has the dilation 0: only native structure files can say that a layer is left out"),
        (mmcv([0]), f"layer '{FIRST}' has the dilation 0: only native structure files"),
        (seed([]), f"layer '{FIRST}' has 0 dilations"),
        (seed([4, 8]), f"layer '{FIRST}' has 2 dilations"),
        (mmcv([[2], [4], [6]]), f"layer 'module.{FIRST}' has 3 branches"),
        (mmcv([[2, 4]]), f"layer 'module.{FIRST}' has the rate [2, 4]"),
        (mmcv([]), f"layer 'module.{FIRST}' has the rate []"),
        (mmcv([None]), f"the dilation of layer '{FIRST}' must be a whole number, not None"),
    ],
)
def test_a_file_that_is_no_structure_is_refused_in_one_line(content: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(content))
    assert refusal(path).startswith(reason)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ({**EARLIER, "stages": 3}, "the structure is of another network: give --network ms-tcn:stages=3,layers=1"),
        (
            {**EARLIER, "kernel": 5},
            "the structure is of another network: give --network ms-tcn:stages=2,layers=1,kernel=5",
        ),
        (
            {"name": "causal-ms-tcn", "stages": 2, "layers": 1},
            "the structure is of another network: give --network causal",
        ),
        ({**EARLIER, "name": "asformer"}, "there is no network 'asformer'"),
        ({**EARLIER, "stages": "two"}, "network ms-tcn: stages must be a whole number from 1 to 1000, not 'two'"),
        ({**NETWORK.to_json(), "causal": True}, "network ms-tcn has no option 'causal'"),
        ([], "not the description of a network: []"),
    ],
    ids=str,
)
def test_another_network_is_named(network: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps({**native({FIRST: 4, SECOND: 16}), "network": network}))
    assert refusal(path).startswith(reason)


@pytest.mark.parametrize(
    "content", [b"", b'{"model": {', b"[" * 100_000, b'{"model": NaN}'], ids=["empty", "cut off", "too deep", "NaN"]
)
def test_a_damaged_file_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_bytes(content)
    assert refusal(path).startswith("not a JSON file: ")


@pytest.mark.parametrize("place", [seed, mmcv, native, lambda value: {"format": FORMAT, "network": {"stages": value}}])
def test_no_nesting_is_too_deep_to_be_told(tmp_path: Path, place: Callable[[Any], dict[str, Any]]) -> None:
    path = tmp_path / "structure.json"
    for depth in (5, *range(800, 1000, 7)):  # up to what the JSON reader takes, and a little more
        path.write_text(json.dumps(place("DEEP")).replace('"DEEP"', "[" * depth + "]" * depth))
        assert len(refusal(path)) < 300


def test_a_missing_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json") == "no such structure file (give a JSON file, or the name 'hand')"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "cannot be read: Is a directory"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(content=ANYTHING | st.builds(seed, ANYTHING) | st.builds(mmcv, ANYTHING) | st.builds(native, ANYTHING))
@example(content=seed(4))
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        structure = read_structure(path, NETWORK)
    except BadInput:
        assert refusal(path)
    else:
        assert structure.dilations[1] == 16
