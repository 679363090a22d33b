"""What a trial is sent, and what it may write: of each kind of trial, and nothing of its neighbours."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from common.bad_input import BadInput
from machines.trial_files import PATH_OPTIONS, TrialFiles, parse
from trials.trial_arguments import TRIALS

DATA = ("--dataset", "small")
OPTIONS = {
    "trials.search_trial": (*DATA, "--split", "1"),
    "trials.local_trial": DATA,
    "trials.differentiable_trial": (*DATA, "--split", "1"),
    "trials.final_trial": (*DATA, "--output", "final"),
}


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "expid" / "environments" / "local-env" / "trials" / "Ab3dE"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def checkpoint(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data", "x")
    return path


def files_of(module: str, output: Path, *words: str, **parameters: Any) -> TrialFiles:
    return TrialFiles.of(module, (*OPTIONS[module], *words), parameters, output)


def test_a_short_training_goes_on_from_nothing(output: Path) -> None:
    experiment = output.parents[3]
    known = experiment / "data-split1-every1-float32.json"
    touch(known, experiment / "machines.json", experiment / "chains" / "chain_0" / "iteration_0.pt", output / "stderr")
    files = files_of("trials.search_trial", output, s1l0=4, _uid=7)
    assert files.needed == [known]
    assert files.own == [output / "epoch.json", experiment / "trials" / "Ab3dE"]


def test_a_chain_goes_on_from_its_last_whole_checkpoint(output: Path) -> None:
    chains = output.parents[3] / "chains"
    first, second = (checkpoint(chains / "chain_2" / f"iteration_{number}.pt") for number in (0, 1))
    touch(chains / "chain_2" / "iteration_2.pt")  # damaged
    checkpoint(chains / "chain_2" / "iteration_3.pt")  # of the iteration itself, before it was repeated
    checkpoint(chains / "chain_1" / "iteration_1.pt")
    of = "trials.local_trial"
    assert files_of(of, output, chain=2, iteration=3).needed == [second]
    assert files_of(of, output, chain=2, iteration=1).needed == [first]
    assert files_of(of, output, chain=2, iteration=0).needed == []
    assert files_of(of, output, chain=3, iteration=1).needed == []
    assert files_of(of, output, chain=2, iteration=3).own[2:] == [chains / "chain_2"]


def test_chains_may_lie_elsewhere(output: Path, tmp_path: Path) -> None:
    before = checkpoint(tmp_path / "mine" / "chain_0" / "iteration_0.pt")
    files = files_of("trials.local_trial", output, "--chains", "mine", chain=0, iteration=1)
    assert files.needed == [before]
    assert files.own[2:] == [tmp_path / "mine" / "chain_0"]


def test_a_search_goes_on_from_its_last_epoch(output: Path) -> None:
    searches = output.parents[3] / "searches"
    kept = [searches / "seed_5" / name for name in ("search.json", "search.pt")]
    touch(*kept, searches / "seed_6" / "search.pt", searches / "seed_5" / ".search.pt.1.tmp")
    files = files_of("trials.differentiable_trial", output, seed=5)
    assert (files.needed, files.own[2:]) == (kept, [searches / "seed_5"])


def test_a_final_training_goes_on_from_its_last_epoch(output: Path, tmp_path: Path) -> None:
    structure, training = tmp_path / "split2" / "best.json", tmp_path / "final" / "best" / "split2" / "seed3"
    touch(structure, training / "training.pt", training.parent / "seed4" / "training.pt")
    files = files_of("trials.final_trial", output, structure="split{split}/best.json", split=2, seed=3)
    assert files.needed == [training / "training.pt", structure]
    assert files.own[2:] == [training]


@pytest.mark.parametrize("structure", ["hand", "missing.json"])
def test_a_structure_need_not_be_a_file(structure: str, output: Path) -> None:
    assert files_of("trials.final_trial", output, structure=structure, split=1, seed=0).needed == []


@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        ("trials.local_trial", {}),
        ("trials.local_trial", {"chain": 0, "iteration": "1"}),
        ("trials.differentiable_trial", {"s1l0": 1}),
        ("trials.final_trial", {"structure": "hand", "split": 1}),
        ("trials.final_trial", {"structure": 5, "split": 1, "seed": 0}),
    ],
)
def test_parameters_of_another_trial_are_refused(module: str, parameters: dict[str, Any], output: Path) -> None:
    with pytest.raises(BadInput, match=f"^{module}: not its parameters"):
        files_of(module, output, **parameters)


@pytest.mark.parametrize("package", ["mine.py", "mine/__init__.py", "mine/nets.py"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_network_of_the_users_own_is_sent_with_its_package(
    package: str, joined: bool, output: Path, tmp_path: Path
) -> None:
    layers = {"a": {"path": "net.0", "dilation": 1, "kernel": 3, "multiply_adds": 9}}
    content = {"name": "your-own", "function": "mine.nets:net", "feature_dim": 6, "classes": 3, "causal": False}
    described = tmp_path / "a=b" / "net.json"  # "--network=a=b/net.json" is one word
    touch(described.parent / package, described.parent / "other.py")
    described.write_text(json.dumps({**content, "parameters": 9, "layers": layers}))
    words = ["--network=a=b/net.json"] if joined else ["--network", "a=b/net.json"]
    files = files_of("trials.search_trial", output, *words)
    assert files.needed == [described, described.parent / package]


@pytest.mark.parametrize("module", OPTIONS)
def test_options_are_those_of_the_trial(module: str) -> None:
    assert parse(module, OPTIONS[module]).dataset == "small"
    for words, fault in ((("--epochs", "0"), "epoch"), (("--nothing",), "--nothing")):
        with pytest.raises(BadInput, match=fault):
            parse(module, [*OPTIONS[module], *words])


@pytest.mark.parametrize("module", OPTIONS)
def test_every_path_among_the_options_is_known(module: str) -> None:
    options = TRIALS[module].parser()._option_string_actions
    paths = {name for name, action in options.items() if action.type is Path}
    assert paths <= {*PATH_OPTIONS, "--data-root", "--cache"}


@pytest.mark.parametrize("words", [("--outp", "x"), ("--data-r=x",), ("--netw", "ms-tcn")])
def test_an_abbreviation_is_refused_as_no_path_may_be_missed(words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"unrecognized arguments: --\w+"):
        parse("trials.final_trial", [*OPTIONS["trials.final_trial"], *words])


@pytest.mark.parametrize("module", ["", "trials.train", "os", "trials.search_trial; rm"])
def test_another_module_is_refused(module: str) -> None:
    with pytest.raises(BadInput, match=r"on other machines, only trials of ours run: trials\.search_trial, "):
        parse(module, [])
