from __future__ import annotations

import pytest

from analysis.comparison import Comparison


@pytest.mark.parametrize(
    ("mean", "error", "samples", "half_width", "verdict"),
    [
        # Quantiles from any table of Student's t, two-sided 95 %: 12.706 for 1 degree of freedom, 2.776 for 4.
        (4.5, 1.5, 2, 19.06, "inconclusive"),
        (3.0, 1.0, 5, 2.78, "better"),
        (-3.0, 1.0, 5, 2.78, "worse"),
        (2.7, 1.0, 5, 2.78, "inconclusive"),
        (9.0, None, 1, None, "inconclusive"),
        (2.2, 1.0, 30, 2.26, "inconclusive"),
    ],
)
def test_only_an_interval_without_zero_is_a_difference(
    mean: float, error: float | None, samples: int, half_width: float | None, verdict: str
) -> None:
    comparison = Comparison(mean, error, samples)
    assert comparison.half_width == (None if half_width is None else pytest.approx(half_width, abs=0.01))
    assert comparison.verdict == verdict


def test_the_error_comes_from_the_spread_of_the_differences() -> None:
    # 1, 2, 3: mean 2, sample deviation 1.
    comparison = Comparison.of([1.0, 2.0, 3.0])
    assert (comparison.difference, comparison.samples) == (2.0, 3)
    assert comparison.standard_error == pytest.approx(3**-0.5)
    assert Comparison.of([2.0]) == Comparison(2.0, None, 1)
