from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nni.mutable import Categorical

from common.bad_input import BadInput
from nas_space import space
from nas_space.network import POWERS_OF_TWO, Network
from nas_space.networks import find_network, ms_tcn
from nas_space.space import COMMITTED_SPACES, from_nni, global_space, local_space, space_json, to_nni
from tests.conftest import REPOSITORY
from tests.nas_space.generators import networks

SMALL = ms_tcn.describe(stages=2, layers=1)
SMALL_SPACE = {"s1l0": {"_type": "choice", "_value": [1, 4]}, "s2l0": {"_type": "choice", "_value": [1, 4]}}


def test_each_of_the_40_layers_chooses_a_power_of_two() -> None:
    choices = global_space(ms_tcn.describe(), POWERS_OF_TWO)
    assert list(choices) == [f"s{stage}l{layer}" for stage in (1, 2, 3, 4) for layer in range(10)]
    for label, choice in choices.items():
        assert isinstance(choice, Categorical)
        assert choice.label == label
        assert choice.values == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def test_nni_is_told_one_choice_a_layer() -> None:
    assert to_nni(global_space(SMALL, [1, 4])) == SMALL_SPACE


def test_nni_is_told_that_a_local_search_may_choose_any_dilation() -> None:
    anything = {"_type": "qloguniform", "_value": [1, 2048, 1]}
    assert to_nni(local_space(SMALL)) == {"s1l0": anything, "s2l0": anything}


def test_a_space_file_has_one_layer_a_line() -> None:
    assert space_json(SMALL, [1, 4]) == (
        '{\n  "s1l0": {"_type": "choice", "_value": [1, 4]},\n  "s2l0": {"_type": "choice", "_value": [1, 4]}\n}\n'
    )


@given(networks(), st.lists(st.integers(1, 4096), min_size=2, max_size=11, unique=True))
def test_a_space_survives_nni(network: Network, candidates: list[int]) -> None:
    received = json.loads(json.dumps(to_nni(global_space(network, candidates))))
    assert from_nni(received, network) == dict.fromkeys(network.paths, tuple(candidates))
    assert json.loads(space_json(network, candidates)) == received


def test_layers_may_have_candidates_of_their_own_and_come_in_any_order() -> None:
    received = {"s2l0": {"_type": "choice", "_value": [9, 3]}, "s1l0": {"_type": "choice", "_value": [2, 4, 8]}}
    assert list(from_nni(received, SMALL).items()) == [("s1l0", (2, 4, 8)), ("s2l0", (9, 3))]


def test_committed_files_are_the_declared_spaces() -> None:
    folder = REPOSITORY / "experiments" / "spaces"
    declared = {
        name: space_json(find_network(network), candidates).encode()
        for name, (network, candidates) in COMMITTED_SPACES.items()
    }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == declared
    assert COMMITTED_SPACES["ms_tcn_global.json"] == ("ms-tcn", POWERS_OF_TWO)


@pytest.mark.parametrize("received", [None, [], "choice", 3])
def test_a_space_is_an_object(received: Any) -> None:
    with pytest.raises(BadInput, match=r"^the search space must be an object of choices by layer label"):
        from_nni(received, SMALL)


def test_a_label_without_a_layer_is_named() -> None:
    with pytest.raises(BadInput, match=f"^the search space names 's3l0', which is no layer of {SMALL}$"):
        from_nni({**SMALL_SPACE, "s3l0": SMALL_SPACE["s1l0"]}, SMALL)


def test_a_layer_without_a_choice_is_named() -> None:
    with pytest.raises(BadInput, match=f"^the search space has no choice for layer 's2l0' of {SMALL}$"):
        from_nni({"s1l0": SMALL_SPACE["s1l0"]}, SMALL)


@pytest.mark.parametrize(
    "choice",
    [
        [1, 4],
        {"_value": [1, 4]},
        {"_type": "choice"},
        {"_type": "choice", "_value": 4},
        {"_type": "choice", "_value": {"1": 4}},
        {"_type": "randint", "_value": [1, 4]},
    ],
)
def test_other_distributions_are_refused(choice: Any) -> None:
    with pytest.raises(BadInput, match=r"^the search space of layer 's2l0' must be {"):
        from_nni({**SMALL_SPACE, "s2l0": choice}, SMALL)


@pytest.mark.parametrize(
    ("candidates", "fault"),
    [
        ([1, True], "whole numbers of at least 0, not True"),
        ([1, 2.0], "whole numbers of at least 0, not 2.0"),
        ([1, "2"], "whole numbers of at least 0, not '2'"),
        ([1, [2]], r"whole numbers of at least 0, not \[2\]"),
        ([-1, 1], "whole numbers of at least 0, not -1"),
        ([4, 1, 4], r"differ, not \[4, 1, 4\]"),
        ([4], r"at least two, not \[4\]"),
        ([], r"at least two, not \[\]"),
    ],
)
def test_bad_candidates_are_refused(candidates: list[Any], fault: str) -> None:
    with pytest.raises(BadInput, match=f"^the candidates must (be )?{fault}$"):
        global_space(SMALL, candidates)
    with pytest.raises(BadInput, match=f"^the candidates of layer 's2l0' must (be )?{fault}$"):
        from_nni({**SMALL_SPACE, "s2l0": {"_type": "choice", "_value": candidates}}, SMALL)


def command(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["space", *options])
    space.main()


def test_the_command_writes_the_committed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(space, "SPACES_FOLDER", tmp_path)
    command(monkeypatch)
    assert {Path(line) for line in capsys.readouterr().out.splitlines()} == set(tmp_path.iterdir())
    committed = (REPOSITORY / "experiments" / "spaces").iterdir()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in committed
    }


def test_the_command_writes_a_space_of_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.json"
    options = ["--network", "ms-tcn:stages=2,layers=1", "--candidates", "1", "4", "--output", str(path)]
    command(monkeypatch, *options)
    assert capsys.readouterr().out == f"{path}\n"
    assert json.loads(path.read_text()) == SMALL_SPACE


def test_the_command_writes_nothing_for_bad_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="must be at least two"):
        command(monkeypatch, "--candidates", "4", "--output", str(tmp_path / "own.json"))
    assert list(tmp_path.iterdir()) == []
