from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.bad_input import BadInput
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from studies.search_quality.evaluator import Evaluator
from studies.search_quality.search import SearchResult, run_search
from studies.search_quality.searchers import SEARCHERS
from tests.studies.search_quality.conftest import NETWORK, play_trainings

NewEvaluator = Callable[..., Evaluator]


@pytest.mark.parametrize(("budget", "judged"), [(4, 2), (13, 6), (20, 10)])
@pytest.mark.parametrize("strategy", SEARCHERS)
def test_the_budget_is_kept_and_the_best_wins(
    strategy: str, budget: int, judged: int, new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = play_trainings(monkeypatch)
    winner = run_search(strategy, new_evaluator(epochs=2), budget, NETWORK)
    assert winner.epochs == 2 * judged
    assert len(trained) <= judged
    smallest = min(sum(structure.dilations) for structure in trained)
    assert sum(winner.structure.dilations) == smallest
    assert winner.objective == pytest.approx(100 / (1 + smallest) + 1)  # after the second of two epochs


@pytest.mark.parametrize("strategy", SEARCHERS)
def test_a_killed_search_goes_on_with_the_same_proposals_and_trains_nothing_again(
    strategy: str, new_evaluator: NewEvaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = play_trainings(monkeypatch)
    undisturbed = run_search(strategy, new_evaluator(), 24, NETWORK)
    (tmp_path / "judgements.jsonl").unlink()
    before = play_trainings(monkeypatch, kill_after=5)
    with pytest.raises(KeyboardInterrupt):
        run_search(strategy, new_evaluator(), 24, NETWORK)
    after = play_trainings(monkeypatch)
    resumed = run_search(strategy, new_evaluator(), 24, NETWORK)
    assert before + after == alone
    assert (resumed.structure, resumed.epochs) == (undisturbed.structure, undisturbed.epochs)


@pytest.mark.parametrize("strategy", SEARCHERS)
def test_each_split_and_seed_draws_for_itself(
    strategy: str, new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = []
    for split, seed in ((1, 0), (2, 0), (1, 1)):
        trained = play_trainings(monkeypatch)
        run_search(strategy, new_evaluator(split=split, seed=seed), 12, NETWORK)
        first.append(trained[0])
    assert len(set(first)) == 3


def test_a_population_may_begin_with_what_another_search_found(
    new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is judged first and pays for its training; the others are drawn as without it, one less."""
    alone = play_trainings(monkeypatch)
    run_search("genetic", new_evaluator(), 24, NETWORK)
    # Of 12 judgements the first four are the first population.
    for dilation, wins in ((1, True), (1024, False)):
        start = Structure((dilation,) * 6, NETWORK)
        trained = play_trainings(monkeypatch)
        winner = run_search("genetic", new_evaluator(), 24, NETWORK, start)
        assert winner.epochs == 24
        assert trained[0] == start
        assert (winner.structure == start) is wins
        assert not set(trained) & set(alone[:3])  # these are known already
    with pytest.raises(BadInput, match="the dilation 3 at"):
        run_search("genetic", new_evaluator(), 24, NETWORK, Structure((3,) * 6, NETWORK))


def test_seconds_are_those_of_all_judgements_whoever_paid_them(
    new_evaluator: NewEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_trainings(monkeypatch)
    ticks = iter(range(1000))
    monkeypatch.setattr("studies.search_quality.evaluator.time.monotonic", lambda: next(ticks))
    assert run_search("random", new_evaluator(), 12, NETWORK).seconds == 6
    # The genetic search shares its first structures with it.
    assert run_search("genetic", new_evaluator(), 12, NETWORK).seconds == 6
    assert next(ticks) < 24


def test_a_winner_is_a_structure_file(tmp_path: Path) -> None:
    winner = SearchResult(Structure.hand(NETWORK), 240, 12.5, 61.5)
    winner.write(tmp_path / "winner.json")
    assert SearchResult.read(tmp_path / "winner.json", NETWORK) == winner
    assert SearchResult.read("hand", NETWORK) == SearchResult(Structure.hand(NETWORK), 0, 0.0)


def test_what_goes_on_from_a_winner_costs_what_both_did() -> None:
    start, own = (
        SearchResult(Structure.hand(NETWORK), 30, 12.5, 61.5),
        SearchResult(Structure((2,) * 6, NETWORK), 60, 20.0, 50.0),
    )
    assert own.after(start) == SearchResult(own.structure, 90, 32.5, 50.0)
    assert own.after(SearchResult(start.structure, None, None)) == SearchResult(own.structure, None, None, 50.0)


def test_structures_of_others_may_tell_what_they_took(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    write_structure(Structure.hand(NETWORK), path, "seed")
    assert SearchResult.read(path, NETWORK) == SearchResult(Structure.hand(NETWORK), None, None)
    for about in ({"epochs": "many"}, {"objective": True}):
        write_structure(Structure.hand(NETWORK), path, about=about)
        with pytest.raises(BadInput, match=r"found\.json: about"):
            SearchResult.read(path, NETWORK)
