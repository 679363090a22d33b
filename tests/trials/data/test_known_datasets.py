"""The defaults of known data sets: those of the commands without NNI are those of the YAML files."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from nas_space.branching import Branching
from nas_space.space import from_nni
from tests.conftest import REPOSITORY, write_dataset
from tests.trials.conftest import Exit
from trials import differentiable_search, local_search
from trials.data.dataset import Dataset
from trials.data.known_datasets import KNOWN_DATASETS
from trials.trial_arguments import DIFFERENTIABLE_TRIAL, LOCAL_TRIAL, TrialOptions, candidates_of_layers

EXPERIMENTS = REPOSITORY / "experiments"
FILES = sorted(path.name for path in EXPERIMENTS.glob("*.yml"))
OF_NNI = {"chains", "tensorboard"}
"""Options that a trial has and the command without NNI has not."""
LONGEST_VIDEOS = {"50salads_mid_svm": 552}
"""In frames as the network reads them; those of the other data sets have more than 1024."""


def trial(file: str, module: str, options: TrialOptions) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The options of a file's trials, and the tuner's arguments."""
    config = yaml.safe_load((EXPERIMENTS / file).read_text())
    words = shlex.split(config["trialCommand"])
    assert words[2] == module
    return options.parse(words[3:]), config["tuner"].get("classArgs", {})


Parse = Callable[[list[str]], tuple[argparse.Namespace, str]]


def without_nni(parse: Parse, dataset: str, *words: str) -> dict[str, Any]:
    arguments, _ = parse(["--dataset", dataset, "--split", "1", "--output", "out", *words])
    return vars(arguments)


def network_of(arguments: argparse.Namespace) -> list[str]:
    """What the command without NNI must be told where the file is not of the data set's own network."""
    known = KNOWN_DATASETS[arguments.dataset].local_search.get("network", "ms-tcn")
    return [] if str(arguments.network) == known else ["--network", str(arguments.network)]


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith("_local.yml")])
def test_a_local_search_is_the_same_with_nni_and_without(file: str) -> None:
    arguments, of_tuner = trial(file, "trials.local_trial", LOCAL_TRIAL)
    own = without_nni(local_search.parse_arguments, arguments.dataset, "--structure", "hand", *network_of(arguments))
    wanted = vars(arguments)
    assert own.keys() >= wanted.keys() - OF_NNI
    assert {name: own[name] for name in wanted.keys() - OF_NNI} == {
        name: wanted[name] for name in wanted.keys() - OF_NNI
    }
    assert own["iterations"] == of_tuner["iterations"]
    assert [own["seed"]] == of_tuner["seeds"]
    branching = Branching(of_tuner["branches"], of_tuner["expand_rate"], maximum=of_tuner["max_dilation"])
    assert Branching.from_arguments(argparse.Namespace(**own)) == branching


@pytest.mark.parametrize(
    "file", [file for file in FILES if "trials.differentiable_trial" in (EXPERIMENTS / file).read_text()]
)
def test_a_differentiable_search_is_the_same_with_nni_and_without(file: str) -> None:
    arguments, _ = trial(file, "trials.differentiable_trial", DIFFERENTIABLE_TRIAL)
    own, wanted = (
        without_nni(differentiable_search.parse_arguments, arguments.dataset, *network_of(arguments)),
        vars(arguments),
    )
    assert wanted["candidates"] is None  # the search space has them
    compared = wanted.keys() - OF_NNI - {"candidates"}
    assert {name: own[name] for name in compared} == {name: wanted[name] for name in compared}
    space = json.loads((EXPERIMENTS / yaml.safe_load((EXPERIMENTS / file).read_text())["searchSpaceFile"]).read_text())
    dataset = Mock(split=lambda _: (("short",), ("long",)))
    dataset.frames = lambda video: LONGEST_VIDEOS.get(arguments.dataset, 1100) if video == "long" else 30
    dataset.longest = partial(Dataset.longest, dataset)
    assert candidates_of_layers(argparse.Namespace(**own), dataset) == from_nni(space, arguments.network)


def test_every_known_data_set_with_a_file_is_compared() -> None:
    files = {file.removesuffix("_local.yml") for file in FILES if file.endswith("_local.yml")}
    of_files = {name for name in files if not name.endswith(("_pp", "_causal"))}  # of other networks
    assert of_files == KNOWN_DATASETS.keys() - {"50salads_eval_svm", "hmr", "mozart"}
    assert KNOWN_DATASETS["50salads_eval_svm"] == KNOWN_DATASETS["50salads_mid_svm"]


def test_what_differs_from_the_general_defaults_is_said() -> None:
    def said(dataset: str, *words: str) -> str:
        needed = ("--split", "1", "--output", "out", "--structure", "hand")
        _, line = local_search.parse_arguments(["--dataset", dataset, *needed, *words])
        return line

    line = "defaults of 50salads_mid_svm: --batch-size 1 instead of 8, --objective mean instead of f1@10, "
    assert said("50salads_mid_svm") == f"{line}--expand-rate 0.5 instead of 0.1"
    assert said("50salads_mid_svm", "--expand-rate", "0.2", "--batch-size", "4") == (
        "defaults of 50salads_mid_svm: --objective mean instead of f1@10"
    )
    line = "defaults of demo: --network ms-tcn:stages=2,layers=2 instead of ms-tcn, --batch-size 1 instead of 8, "
    assert said("demo").startswith(line)
    assert said("demo", "--network", "ms-tcn").startswith("defaults of demo: --batch-size 1 instead of 8, ")
    assert said("gtea") == said("anything") == ""


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--data-root", "nowhere"), "no such data set folder"),
        (("--split", "7"), "no such split"),
        (("--epochs", "0"), "epochs (0)"),
        (("--device", "cuda:99"), "device 'cuda:99' is not there"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("main", "needed"),
    [(local_search.main, ("--structure", "hand")), (differentiable_search.main, ())],
    ids=["local", "differentiable"],
)
def test_what_is_refused_is_not_told_of_the_defaults(
    main: Callable[[], None],
    needed: tuple[str, ...],
    options: tuple[str, ...],
    fault: str,
    tmp_path: Path,
    exit_of: Exit,
) -> None:
    write_dataset(tmp_path / "demo", train=8)
    words = ("--dataset", "demo", "--data-root", tmp_path, "--split", "1", "--output", tmp_path / "out", *needed)
    outcome = exit_of(main, *words, *options)
    assert (outcome.code, outcome.err.startswith("error: "), outcome.err.count("\n")) == (2, True, 1)
    assert fault in outcome.err


def test_a_search_says_its_defaults_once(tmp_path: Path, exit_of: Exit) -> None:
    write_dataset(tmp_path / "demo", train=8)
    words = ("--dataset", "demo", "--data-root", tmp_path, "--split", "1", "--output", tmp_path / "out")
    short = ("--iterations", "1", "--epochs", "1", "--learning-rate", "0.01", "--expand-rate", "0.5")
    outcome = exit_of(local_search.main, *words, *short, "--structure", "hand")
    assert outcome.code == 0
    said = "defaults of demo: --network ms-tcn:stages=2,layers=2 instead of ms-tcn, --batch-size 1 instead of 8, "
    assert outcome.err.splitlines().count(f"{said}--objective mean instead of f1@10") == 1


def test_the_command_line_overrides_each() -> None:
    words = ("--structure", "hand", "--batch-size", "8", "--network", "ms-tcn:layers=3", "--decay-epochs", "7")
    own = without_nni(local_search.parse_arguments, "demo", *words)
    assert [own[name] for name in ("batch_size", "decay_epochs")] == [8, [7]]
    assert (str(own["network"]), own["expand_rate"]) == ("ms-tcn:layers=3", 0.25)
