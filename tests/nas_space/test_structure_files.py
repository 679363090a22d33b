from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.bad_input import BadInput
from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import (
    DIALECTS,
    FORMAT,
    Dialect,
    read_single,
    read_structure,
    structure_to_json,
    write_structure,
)
from tests.conftest import REPOSITORY
from tests.nas_space.generators import structures

NETWORK = ms_tcn.describe(stages=2, layers=1)
STRUCTURE = Structure((4, 16), NETWORK)
FIRST, SECOND = "stage1.layers.0.conv_dilated", "stages.0.layers.0.conv_dilated"


def native(dilations: Any) -> dict[str, Any]:
    return {"format": "global2local-structure", "dilations": dilations}


def seed(first: Any, second: Any = 16) -> dict[str, Any]:
    return {"global": {"step": 30, "exp_rate": 0.1}, "model": {FIRST: first, SECOND: second}}


def mmcv(first: Any, second: Any = (16,)) -> dict[str, Any]:
    return {"search": {"step": 0}, "structure": {f"module.{FIRST}": first, f"module.{SECOND}": second}}


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


EARLIER = {"name": "ms_tcn", "stages": 2, "layers": 1, "kernel": 3}


@pytest.mark.parametrize(
    "network", [EARLIER, {**NETWORK.to_json()}, {**NETWORK.to_json(), "channels": 8}, None], ids=str
)
def test_a_structure_says_its_network_in_this_version_or_an_earlier_one(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps({**native({FIRST: 4, SECOND: 16}), "network": network}))
    assert read_structure(path, NETWORK) == STRUCTURE


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


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    options = ["-m", "nas_space.structure_files", "--network", "ms-tcn:stages=2,layers=1", *map(str, arguments)]
    return subprocess.run([sys.executable, *options], cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_command_shows_dilations_and_what_they_see(tmp_path: Path) -> None:
    path = tmp_path / "structure.json"
    path.write_text(json.dumps(mmcv([4])))
    done = command(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "stage 1: dilations 4; sees 9 frames",
        "         its layers see 9 frames",
        "stage 2: dilations 16; sees 33 frames",
        "         its layers see 33 frames",
        "the network sees 41 frames",
    ]
    assert "\nthe network sees 41 frames (2.7 s)\n" in command(path, "--fps", "15").stdout


def test_the_command_puts_branches_around_dilations(tmp_path: Path) -> None:
    path, ours = tmp_path / "multiple.json", tmp_path / "ours.json"
    write_structure(STRUCTURE, ours)
    assert command(ours, "--branches", "3", "--expand-rate", "0.5", "--output", path).returncode == 0
    shares = [1 / 3] * 3
    assert json.loads(path.read_text())["dilations"] == {
        FIRST: [list(pair) for pair in zip((2, 4, 6), shares, strict=True)],
        SECOND: [list(pair) for pair in zip((8, 16, 24), shares, strict=True)],
    }
    assert command(path).stdout.splitlines()[::2] == [
        "stage 1: dilations 2+4+6; sees 13 frames",
        "stage 2: dilations 8+16+24; sees 49 frames",
        "the network sees 61 frames",
    ]
    refused = command(path, "--branches", "3")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"error: {path}: keeps several branches in a layer already: leave out --branches, or give a structure of one "
        "dilation each\n",
    )


def test_the_command_translates(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    write_structure(STRUCTURE, ours)
    done = command(ours, "--dialect", "seed", "--output", theirs)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {theirs} (seed)\n", "")
    assert json.loads(theirs.read_text())["model"] == {FIRST: 4, SECOND: 16}


def test_the_command_keeps_the_name_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "hand.json"
    assert command("hand", "--output", path).returncode == 0
    assert json.loads(path.read_text())["about"] == {"source": "hand"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "error: none.json: no such structure file (give a JSON file, or the name 'hand')\n"),
        (
            ["hand", "--num-layers", "0"],
            "error: network ms-tcn: layers must be a whole number from 1 to 1000, not 0\n",
        ),
        (["hand", "--branches", "1000000"], "error: the number of branches must be at most 2048, not 1000000\n"),
        (["hand", "--fps", "nan"], "error: --fps must be above 0, not nan\n"),
        (["pyproject.toml"], "error: pyproject.toml: not a JSON file: Expecting value: line 1 column 2 (char 1)\n"),
    ],
)
def test_the_command_refuses_bad_input_in_one_line(arguments: list[str], message: str) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
