from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_space.branching import Branching
from nas_space.networks import find_network
from studies.scale.costs import Costs
from studies.scale.simulate import Work, simulate
from studies.scale.works import genetic_work, local_work, training_work

NETWORK = find_network("ms-tcn:stages=1,layers=2")
FREE = Costs(0.5, submission=0, end=0, report=0, listing=0, watch=1, decision=0, decision_growth=0, start=0, store=10)
"""Nothing costs anything, but that the manager looks every half second, and that the store takes 10 bytes a second."""


def test_three_trainings_by_hand() -> None:
    costs = replace(FREE, submission=0.1, end=0.1, decision=0.2, start=1.0)
    outcome = simulate([training_work(3, seconds=10.3, epochs=0)], 1, costs)
    # The first is decided at 0.1, and started in the look from 0.5 to 0.6. It ends at 11.9. Looks follow 0.6 every
    # half second: the one at 12.1 notes the end until 12.2, and asks; decided at 12.3, started from 12.7 to 12.8.
    assert outcome.first_start == pytest.approx(0.6)
    assert outcome.seconds == pytest.approx(0.6 + 2 * 12.2 + 11.3)
    assert outcome.spent == pytest.approx(
        {"training": 30.9, "start": 3, "store": 0, "manager": 0.5 + 2 * 0.8, "tuner": 0.3, "no proposal": 0}
    )
    # Three starts and three ends; three results, and one request more than there are trainings.
    assert outcome.trials == 3
    assert outcome.busy["manager"] * outcome.seconds == pytest.approx(0.3 + 0.3)
    assert outcome.busy["tuner"] * outcome.seconds == pytest.approx(4 * 0.1 + 3 * 0.1)


@given(st.integers(1, 12), st.integers(1, 5))
def test_without_costs_trainings_take_whole_rounds(count: int, workers: int) -> None:
    rounds = -(-count // workers)
    outcome = simulate([training_work(count, seconds=10.25, epochs=3)], workers, FREE)
    # Started at the first look at 0.5; noted and asked at the look after 10.75, started at the next one.
    assert outcome.seconds == pytest.approx(0.5 + 11.0 * (rounds - 1) + 10.25)


def test_a_chain_keeps_one_of_two_workers() -> None:
    outcome = simulate([local_work(NETWORK, Branching(), 1, iterations=3, seconds=10.25, epochs=1)], 2, FREE)
    # The second worker has asked already: the end at 10.75 brings a proposal, which is started in the next look, at 11.
    assert outcome.seconds == pytest.approx(0.5 + 2 * 10.5 + 10.25)
    assert outcome.share("training") == pytest.approx(3 * 10.25 / (2 * outcome.seconds))
    assert outcome.share("no proposal") > 0.45


def test_the_store_serves_one_after_another() -> None:
    # Both end at 10.75, and push 20 bytes for 2 seconds each: one ends at 12.75, the other at 14.75.
    outcome = simulate([training_work(2, 10.25, epochs=0, bytes_left=20)], 2, FREE)
    assert outcome.seconds == pytest.approx(14.75)
    assert outcome.spent["store"] == pytest.approx(2 + 4)
    assert outcome.busy["store"] == pytest.approx(4 / 14.75)
    # So it is with a manager for each: there is one store.
    apart = simulate([training_work(1, 10.25, epochs=0, bytes_left=20) for _ in range(2)], 1, FREE)
    assert apart.seconds == pytest.approx(14.75)
    assert (apart.trials, apart.workers) == (2, 2)


def test_iterations_pull_what_the_one_before_has_pushed() -> None:
    outcome = simulate([local_work(NETWORK, Branching(), 1, 2, 10.25, epochs=0, bytes_left=20)], 1, FREE)
    # 2 seconds to push, 2 to pull, 2 to push.
    assert outcome.spent["store"] == pytest.approx(6)
    # 12.75 is the end of the first, noted at 13; the second starts at 13.5.
    assert outcome.seconds == pytest.approx(13.5 + 2 + 10.25 + 2)


def test_starts_follow_one_another() -> None:
    outcome = simulate([training_work(4, 10.25, epochs=0)], 4, replace(FREE, submission=1.0))
    # Started at 1.5, 2.5, 3.5 and 4.5.
    assert outcome.seconds == pytest.approx(4.5 + 10.25)
    # The ends at 11.75, 12.75 and 13.75 are noted a quarter of a second later.
    assert outcome.spent["manager"] == pytest.approx(1.5 + 2.5 + 3.5 + 4.5 + 3 * 0.25)


def test_reports_occupy_the_manager() -> None:
    # The report of the first training, which ends at 4.5, is stored until 7.5. Then the end can be, and the next look,
    # at 8, starts the second training.
    slow = simulate([training_work(2, 4.0, epochs=0)], 1, replace(FREE, report=3.0))
    assert slow.seconds == pytest.approx(8.0 + 4.0)


def test_a_list_of_many_trials_slows_the_manager() -> None:
    # After one trial, each thing takes (1 + 0.5 / 1) times as long: the second start 3 s in place of 2.
    costs = replace(FREE, submission=2.0, listing=0.5)
    assert simulate([training_work(2, 10.25, epochs=0)], 2, costs).seconds == pytest.approx(0.5 + 2 + 3 + 10.25)


def test_a_tuner_slows_with_its_history() -> None:
    costs = replace(FREE, decision=1.0, decision_growth=2.0)
    outcome = simulate([training_work(2, 10.25, epochs=0)], 1, costs)
    # Half a second for each request and each result, until the first result is processed: then 0.5 + 1.
    assert outcome.busy["tuner"] * outcome.seconds == pytest.approx(0.5 + 0.5 + 0.5 + 1.5 + 1.5)


COSTS = st.builds(
    Costs,
    poll=st.floats(0.1, 2),
    submission=st.floats(0, 1),
    end=st.floats(0, 1),
    report=st.floats(0, 1),
    listing=st.floats(0, 0.01),
    decision=st.floats(0, 1),
    decision_growth=st.floats(0, 0.01),
    start=st.floats(0, 5),
    store=st.floats(1e6, 1e9),
)


@given(COSTS, st.sampled_from(["genetic", "local", "trainings"]), st.integers(1, 9), st.integers(1, 3))
def test_every_second_of_every_worker_is_spent_once(costs: Costs, kind: str, workers: int, managers: int) -> None:
    def work() -> tuple[Work, int]:
        if kind == "genetic":
            return genetic_work(NETWORK, 3, 12, seconds=5.0, epochs=2), 12
        if kind == "local":
            return local_work(NETWORK, Branching(), 3, 4, seconds=5.0, epochs=2, bytes_left=10**7), 12
        return training_work(7, seconds=5.0, epochs=2, bytes_left=10**7), 7

    works = [work() for _ in range(managers)]
    outcome = simulate([each for each, _ in works], workers, costs)
    trials = sum(count for _, count in works)
    assert outcome.trials == trials
    assert outcome.workers == managers * workers
    assert all(spent >= -1e-9 for spent in outcome.spent.values())
    assert sum(outcome.spent.values()) == pytest.approx(outcome.workers * outcome.seconds)
    assert outcome.spent["training"] == pytest.approx(5.0 * trials)
    assert all(each.search.finished for each, _ in works)
