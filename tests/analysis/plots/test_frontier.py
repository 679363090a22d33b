from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from analysis.comparison import Comparison
from analysis.frontier import Point
from analysis.plots.frontier import draw_frontier

POINTS = [
    Point("hand", 800, 400.0, 82.0, 3, None),
    Point("found_1_32", 21, 10.5, 60.0, 3, Comparison(-22.0, 2.0, 3)),
    Point("found_1_8", 90, 45.0, 82.5, 3, Comparison(0.5, 1.0, 3)),
    Point("cut_1_8", 99, 49.5, 77.0, 3, Comparison(-5.0, 1.0, 3)),
]


def containers(axes: Axes) -> list[Any]:
    return list(axes.containers)


def test_scores_are_drawn_over_seconds_with_their_intervals() -> None:
    (axes,) = draw_frontier(POINTS).axes
    assert axes.get_xlabel() == "the network sees (seconds)"
    drawn: dict[str, Any] = {container.lines[0].get_marker(): container for container in containers(axes)}
    assert list(drawn) == ["*", "o", "s"]
    assert drawn["o"].lines[0].get_xydata().tolist() == [[10.5, 60.0], [45.0, 82.5]]
    (bars,) = drawn["o"].lines[2]
    # The t quantile of two degrees of freedom is 4.30.
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[51.4, 68.6], [78.2, 86.8]]


def test_without_a_rate_frames_are_counted() -> None:
    points = [Point(point.name, point.frames, None, point.score, 3, point.comparison) for point in POINTS]
    (axes,) = draw_frontier(points).axes
    assert axes.get_xlabel() == "the network sees (frames)"
    assert containers(axes)[0].lines[0].get_xdata().tolist() == [800]
