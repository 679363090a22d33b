"""What a local search without NNI refuses: other settings, other data, damaged files, bad options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas_space.networks import ms_tcn
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from tests.conftest import write_dataset
from tests.trials.changes import CHANGES
from tests.trials.conftest import TINY, Exit, tree
from tests.trials.local_search.conftest import local
from trials.local_search import main


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", 1),
        ("--epochs", 2),
        ("--learning-rate", 0.5),
        ("--expand-rate", 0.4),
        ("--branches", 5),
        ("--max-dilation", 64),
        ("--inner-activation",),
        ("--validation-seed", 1),
        ("--split", 2),
        ("--network", "ms-tcn:stages=2,layers=2"),
        pytest.param(("--sample-rate", 2)),
        pytest.param(("--background", "class_0")),
    ],
    ids=str,
)
def test_other_settings_in_the_same_output_are_refused(
    tmp_path: Path, output: Path, options: tuple[object, ...], exit_of: Exit
) -> None:
    folder = write_dataset(tmp_path / "data" / "small", train=8, test=2, splits=2)
    data = ("--data-root", folder.parent, "--dataset", "small", "--split", 1)
    words = [*data, *TINY, "--epochs", 1, "--iterations", 1, "--structure", "hand", "--output", output]
    exit_of(main, *words)
    before = tree(output)
    outcome = exit_of(main, *words, *options)
    message = f"error: {output}: holds a local search with other settings; choose another --output\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)
    assert tree(output) == before


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"search": {}}'])
def test_a_damaged_history_is_refused(words: list[object], output: Path, content: str, exit_of: Exit) -> None:
    output.mkdir()
    (output / "local.json").write_text(content)
    outcome = exit_of(main, *words)
    message = f"error: {output / 'local.json'}: damaged; choose another --output\n"
    assert (outcome.code, outcome.err) == (2, message)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--iterations", 0), "--iterations must be at least 1, not 0"),
        (("--branches", 1), "the number of branches must be a whole number of at least 2, not 1"),
        (("--branches", 10**6), "the number of branches must be at most 2048, not 1000000"),
        (("--expand-rate", 1), "the expand rate must be at least 0 and below 1, not 1.0"),
        (("--max-dilation", 1), "dilations of 1 to 1 leave no room for two branches"),
        (("--max-dilation", 3), "layer s1l2: dilation 4 lies outside the bounds 1 to 3"),
        (("--min-dilation", 2), "layer s1l0: dilation 1 lies outside the bounds 2 to 32"),
        (("--structure", "nowhere.json"), "nowhere.json: no such structure file"),
        (("--split", "all"), "--split must be the number of a split, not 'all'"),
        (("--split", 7), "no such split"),
        (("--dataset", "nowhere"), "no such data set folder"),
        (("--validation-fraction", 0), "--validation-fraction must be above 0"),
        (("--epochs", 0), "epochs (0)"),
        (("--device", "cuda:99"), "device 'cuda:99' is not there"),
    ],
    ids=str,
)
def test_bad_options_are_refused_in_one_line(
    words: list[object], options: tuple[object, ...], fault: str, output: Path, exit_of: Exit
) -> None:
    outcome = exit_of(main, *words, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert fault in outcome.err
    assert outcome.err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("dialect", ["native", "seed", "mmcv"])
def test_a_structure_of_another_network_is_refused(
    words: list[object], output: Path, dialect: Any, exit_of: Exit, tmp_path: Path
) -> None:
    path = tmp_path / "start.json"
    write_structure(Structure.hand(ms_tcn.describe()), path, dialect)
    outcome = exit_of(main, *words, "--structure", path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {path}: ")
    assert outcome.err.count("\n") == 1
    assert not output.exists()


def test_another_data_set_under_the_same_name_is_refused(
    words: list[object], tmp_path: Path, output: Path, exit_of: Exit
) -> None:
    exit_of(main, *words, "--iterations", 1)
    write_dataset(tmp_path / "elsewhere" / "small", train=8, test=2, classes=4)
    outcome = exit_of(main, *words, "--data-root", tmp_path / "elsewhere")
    assert outcome.code == 2
    mapping = tmp_path / "elsewhere" / "small" / "mapping.txt"
    assert f"error: {mapping}: has changed since {output} was started (and so have" in outcome.err


@pytest.mark.parametrize(
    ("iterations", "lost"), [(1, False), (2, False), (2, True)], ids=["finished", "unfinished", "checkpoint lost"]
)
@pytest.mark.parametrize("name", CHANGES)
def test_a_search_does_not_go_on_with_other_data(
    name: str, iterations: int, lost: bool, words: list[object], folder: Path, output: Path, exit_of: Exit
) -> None:
    words += ["--no-cache"]
    assert exit_of(main, *words, "--iterations", 1).code == 0
    CHANGES[name](folder)
    if lost:
        (output / "iteration_0.pt").unlink()
    outcome = exit_of(main, *words, "--iterations", iterations)
    assert outcome.code == 2
    *_, last = outcome.err.splitlines()
    message = f"has changed since {output} was started; restore it, or choose another folder"
    assert last == f"error: {folder / name}: {message}"
    assert len(local(output)["iterations"]) == 1
    assert len(list(output.glob("*.pt"))) == (0 if lost else 1)


@pytest.mark.filterwarnings("default")  # as a user has them
def test_a_search_of_an_earlier_version_goes_on_with_a_warning(
    words: list[object], output: Path, exit_of: Exit
) -> None:
    assert exit_of(main, *words).code == 0
    content = local(output)
    del content["data"]
    (output / "local.json").write_text(json.dumps(content))
    outcome = exit_of(main, *words)
    assert outcome.code == 0
    assert f"warning: {output / 'local.json'}: made by an earlier version, without a fingerprint" in outcome.err
