from __future__ import annotations

import pytest

from nas_space.branching import Branching
from nas_space.networks import find_network
from studies.scale.simulate import Work
from studies.scale.works import genetic_work, local_work, training_work

NETWORK = find_network("ms-tcn:stages=2,layers=3")


def run(work: Work) -> list[bool]:
    """Do all trials one after another; returns whether each pulls a checkpoint."""
    pulls = []
    while (proposal := work.search.ask()) is not None:
        pulls.append(work.pulls(proposal))
        assert work.search.tell(proposal.uid, work.report(proposal))
    assert work.search.finished
    return pulls


@pytest.mark.parametrize(
    ("work", "pulls"),
    [
        (genetic_work(NETWORK, 3, 8, 1.0, 5), [False] * 8),
        (training_work(4, 1.0, 5), [False] * 4),
        # Chains take turns, and begin without a checkpoint.
        (local_work(NETWORK, Branching(), 2, 3, 1.0, 5), [False, False, True, True, True, True]),
    ],
)
def test_all_trials_of_a_search(work: Work, pulls: list[bool]) -> None:
    assert work.reports == 6  # of five epochs, and the result
    assert run(work) == pulls
