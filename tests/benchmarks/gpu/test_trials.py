from __future__ import annotations

import pytest

from benchmarks.gpu.trials import rate


def test_the_first_trials_are_not_counted() -> None:
    # After the first one, three in 30 s.
    assert rate([100.0, 110.0, 120.0, 130.0], 1) == pytest.approx(360)
    # Two at a time: the first two end at 100 and 104, the other four within 20 s after that.
    assert rate([104.0, 100.0, 112.0, 114.0, 124.0, 122.0], 2) == pytest.approx(720)
