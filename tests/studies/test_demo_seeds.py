"""The table of the demo over several seeds of its data."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.bad_input import KnownFailure
from nas_space.networks import find_network
from nas_space.space import DEMO
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from studies import demo_seeds
from studies.demo_seeds import FINAL_SEEDS, main
from tests.analysis.test_final import write_run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started; each pipeline leaves what a real one would."""
    commands: list[list[str]] = []

    def run(words: list[str], *, cwd: Path, **_: Any) -> SimpleNamespace:
        commands.append(words[2:])
        if words[2] == "experiments.pipeline":
            folder = cwd / "runs" / words[words.index("--name") + 1]
            for seed in map(int, FINAL_SEEDS):
                write_run(folder / "final", "hand", 1, seed, 40.0 + seed)
                write_run(folder / "final", "global", 1, seed, 70.0 + 2 * seed)
            write_structure(Structure((32, 8, 4, 1), find_network(DEMO)), folder / "split1" / "global.json")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_each_seed_of_the_data_has_a_line_for_each_structure(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", "--output", str(tmp_path), "--seeds", "3", "5"])
    main()
    assert [command[0] for command in started] == ["experiments.demo_data", "experiments.pipeline"] * 2
    assert started[0][-2:] == ["--seed", "3"]
    assert started[1][started[1].index("--global-search") + 1] == "genetic"
    with (tmp_path / "demo_seeds.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["data_seed"], row["structure"]) for row in rows] == [
        ("3", "hand"),
        ("3", "global"),
        ("5", "hand"),
        ("5", "global"),
    ]
    # The mean of the five metrics is 2 above the first; 30, 31, 32, 33: mean 31.5, standard error sqrt(5 / 3 / 4).
    hand, found = rows[:2]
    assert (hand["mean"], hand["better_than_hand"], hand["dilations"]) == ("43.5", "", "")
    assert (found["mean"], found["better_than_hand"], found["standard_error"]) == ("75.0", "31.5", "0.65")
    assert (found["trainings"], found["dilations"]) == ("4", "32 8 | 4 1")


def test_a_run_that_failed_ends_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2))
    with pytest.raises(KnownFailure, match=r"failed: python -m experiments\.demo_data --output .* --seed 0"):
        demo_seeds.run_demo(tmp_path, 0, "genetic")
