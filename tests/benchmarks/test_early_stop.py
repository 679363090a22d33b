from __future__ import annotations

from analysis.history import Evaluation
from benchmarks.early_stop import at_epoch, median_stop, replay

CURVES = [[1.0, 5.0, 9.0], [2.0, 4.0, 8.0], [3.0, 6.0, 7.0], [4.0, 7.0, 10.0]]


def evaluation_of(curve: list[float]) -> Evaluation:
    """A trial that reached these scores after its epochs."""
    epochs = [{"default": score} for score in curve]
    return Evaluation(0, "trial", {}, epochs[-1], epochs, seconds=None, probabilities=None, about={}, time=0.0)


def test_a_trial_below_the_median_at_that_epoch_stops() -> None:
    # The best of the first two epochs: 5, 4, 6, 7; their median is 5.5.
    assert at_epoch(2)([5.4, 1.0, 99.0], CURVES) == 2
    assert at_epoch(2)([5.5, 1.0, 99.0], CURVES) is None
    assert at_epoch(2)([0.0, 0.0, 99.0], CURVES[:3]) is None
    assert at_epoch(3)([0.0, 0.0, 0.0], CURVES) is None


def test_median_stop_by_hand() -> None:
    # Running averages after two epochs: 3, 3, 4.5, 5.5; their median is 3.75.
    assert median_stop([1.0, 3.7, 99.0], CURVES) == 2
    assert median_stop([1.0, 3.8, 99.0], CURVES) is None
    assert median_stop([1.0, 3.7, 99.0], [*CURVES[:3], [4.0, 7.0]]) is None


def test_replay_counts_epochs_and_keeps_the_best_that_finished() -> None:
    evaluations = [evaluation_of(curve) for curve in [*CURVES, [0.0, 0.0, 99.0], [9.0, 9.0, 11.0]]]
    # One of 18 epochs is saved, and with it the best one is lost.
    saved, best = replay(evaluations, at_epoch(2))
    assert (round(saved * 18), best) == (1, 11.0)
    assert replay(evaluations, at_epoch(3)) == (0.0, 99.0)
