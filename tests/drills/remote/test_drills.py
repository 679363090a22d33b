"""Two drills of searches on other hosts, small enough for every run of the tests; see also ``make remote-check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.drills.drilled_search import TRIALS, TUNERS, DrilledSearch
from tests.drills.faults import attempt
from tests.drills.remote.drills import LONGER, on_both, on_two_hosts, strike
from tests.drills.remote.search import ComparedSearch, checkpoints, places
from tests.drills.remote.ssh_host import why_none
from trials import local_search

pytestmark = [pytest.mark.long, pytest.mark.skipif(why_none() is not None, reason=str(why_none()))]

ITERATIONS = 2


def chains(folder: Path, seeds: list[int], options: str = "") -> DrilledSearch:
    """A local search with a chain for each seed."""
    return ComparedSearch(folder, "local", options, more_of_the_tuner={"seeds": seeds, "iterations": ITERATIONS})


def without_nni(search: DrilledSearch, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The iterations of the same chain, and its checkpoints, trained in this process."""
    rate, output = TUNERS["local"]["expand_rate"], search.folder / f"seed{seed}"
    chain = f"--split 1 --structure hand --seed {seed} --iterations {ITERATIONS} --expand-rate {rate}"
    words = [*chain.split(), *TRIALS["local"].split()[1:], *search.more_options.split(), "--output", str(output)]
    monkeypatch.setenv("G2L_DATA_ROOT", str(search.folder / "data"))
    monkeypatch.setattr(sys, "argv", ["local_search", *words])
    local_search.main()
    return json.loads((output / "local.json").read_text())["iterations"], checkpoints(output)


def assert_equal(search: DrilledSearch, seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Structures, metrics, probabilities and weights are those of chains that nothing has disturbed."""
    assert search.is_done(), search.said
    history = search.history()
    assert len(history.evaluations) == ITERATIONS * len(seeds)
    for chain, seed in enumerate(seeds):
        expected, weights = without_nni(search, seed, monkeypatch)
        trained = [evaluation for evaluation in history.evaluations if evaluation.about["chain"] == chain]
        for evaluation, row in zip(trained, expected, strict=True):
            assert evaluation.structure == row["structure"]
            assert evaluation.probabilities == row["probabilities"]
            assert [epoch["acc"] for epoch in evaluation.epochs] == [epoch["acc"] for epoch in row["epochs"]]
        assert history.chains[chain]["structure"] == expected[-1]["next"]
        folder = search.home / "nni-experiments" / search.id() / "chains" / f"chain_{chain}"
        assert checkpoints(folder) == weights
        assert len(weights) == ITERATIONS


def test_chains_on_two_hosts_are_those_of_one_process_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = attempt(lambda folder: on_both(chains(folder, [0, 1])), tmp_path / "search")
    assert_equal(search, [0, 1], monkeypatch)


def test_a_chain_goes_on_bit_for_bit_when_its_host_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drill(folder: Path) -> DrilledSearch:
        search = chains(folder, [0], LONGER)
        with on_two_hosts(search) as hosts:
            search.start()
            search.wait_for_results(1)
            strike(search, hosts)
            search.finish()
        names.extend(host.name for host in hosts)
        return search

    names: list[str] = []
    search = attempt(drill, tmp_path / "search")
    assert (search.kept(), len(search.before)) == (1, 1)
    first, second = sorted(places(search).values(), key=len)
    assert len(first) == 1
    assert sorted(second) == sorted(names)  # began on one, ended on the other
    assert_equal(search, [0], monkeypatch)
