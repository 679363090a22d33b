from __future__ import annotations

from nas_space.budget import NO_LIMITS, Budget, multiply_adds
from nas_space.network import POWERS_OF_TWO
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from studies.search_quality.limited import differentiable_space, eighth, pattern
from studies.search_quality.strategy_names import CUT, DIFFERENTIABLE, EIGHTH, EVEN, FEWER
from tests.studies.search_quality.conftest import NETWORK
from trials.data.arguments import Task


def test_an_eighth_of_what_hand_sees_or_of_two_videos(task: Task) -> None:
    # hand of 2 stages x 3 layers sees 1 + 2 x 2 x (1 + 2 + 4) = 29 frames, less than two videos.
    budget = eighth(task, NETWORK)
    assert budget == Budget(network=29 // 8)
    for name in (CUT, EVEN):
        assert ReceptiveField.of(pattern(name, task, NETWORK)).network.frames <= 3


def test_layers_can_be_left_out_where_that_is_needed(task: Task) -> None:
    longest = max(task.dataset.frames(video) for video in task.dataset.videos())
    within = [2**power for power in range(11) if 2**power < longest]
    candidates, budget = differentiable_space(DIFFERENTIABLE, task, 1, NETWORK)
    assert (list(candidates["s1l0"]), budget) == (within, NO_LIMITS)
    candidates, _ = differentiable_space(DIFFERENTIABLE, task, 1, NETWORK, shorter=False)
    assert candidates["s1l0"] == POWERS_OF_TWO
    candidates, budget = differentiable_space(EIGHTH, task, 1, NETWORK)
    assert (list(candidates["s1l0"]), budget) == ([0, *within], Budget(network=3))  # with 1 in each it sees 13
    candidates, budget = differentiable_space(FEWER, task, 1, NETWORK)
    assert list(candidates["s2l2"]) == [0, *within]
    assert budget.multiply_adds == multiply_adds(Structure.hand(NETWORK)) // 2
