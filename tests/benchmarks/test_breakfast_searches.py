"""The sizes of the searches are those of the YAML files."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import yaml

from benchmarks.breakfast_searches import default_search, genetic_search
from tests.conftest import REPOSITORY


def content(name: str) -> tuple[dict[str, Any], int]:
    """The arguments of the tuner, and the epochs of a trial."""
    config = yaml.safe_load((REPOSITORY / "experiments" / f"breakfast_{name}.yml").read_text())
    words = shlex.split(config["trialCommand"])
    return config["tuner"]["classArgs"], int(words[words.index("--epochs") + 1])


@pytest.mark.parametrize("name", ["paper", "global"])
def test_a_genetic_search_has_its_budget(name: str) -> None:
    arguments, epochs = content(name)
    search = genetic_search(name)
    assert (search.trials, search.epochs, search.network, search.validates) == (
        arguments["budget"],
        epochs,
        "plain",
        True,
    )


def test_the_paper_trained_25000_epochs() -> None:
    assert genetic_search("paper").trials * genetic_search("paper").epochs == 25000


def test_the_default_search_has_the_trials_of_its_files() -> None:
    differentiable, local, final = default_search()
    arguments, epochs = content("differentiable")
    assert (differentiable.trials, differentiable.epochs) == (len(arguments["seeds"]), epochs)
    arguments, epochs = content("local")
    chains = len(arguments["starts"]) * len(arguments["splits"]) * len(arguments["seeds"])
    assert (local.trials, local.epochs) == (chains * arguments["iterations"], epochs)
    assert (final.trials, final.epochs) == (1, content("final")[1])
    assert [each.validates for each in (differentiable, local, final)] == [True, True, False]
