"""How far a network must look, from made-up final trainings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.frontier import Point, answer, read_frontier, smallest_sufficient
from common.bad_input import BadInput
from trials.training.metrics import METRICS

SCORES: dict[str, tuple[float, ...]] = {
    "hand": (80, 82, 84),
    "found_1_8": (80, 81.8, 84.2),
    "cut_1_8": (70, 79, 81),
    "found_1_32": (60, 60, 60),
}
"""On splits 1, 2 and 3."""
FRAMES = {"hand": 800, "found_1_8": 90, "cut_1_8": 99, "found_1_32": 21}


def write_results(folder: Path, scores: dict[str, tuple[float, ...]] = SCORES, rate: float | None = 2.0) -> None:
    """The ``metrics.json`` of a final training of each structure on each split, with one seed."""
    for name, of_splits in scores.items():
        for split, score in enumerate(of_splits, start=1):
            path = folder / "final" / name / f"split{split}" / "seed0" / "metrics.json"
            path.parent.mkdir(parents=True)
            seen = FRAMES[name] + split - 2
            field = {"network": seen, "network_seconds": None if rate is None else seen / rate}
            run = {"split": split, "settings": {"seed": 0}}
            metrics = dict.fromkeys(METRICS, float(score))
            path.write_text(json.dumps({"run": run, "test": metrics, "receptive_field": field}))


def test_points_are_means_over_splits(tmp_path: Path) -> None:
    write_results(tmp_path)
    points = read_frontier(tmp_path)
    assert [point.name for point in points] == ["hand", "found_1_32", "found_1_8", "cut_1_8"]
    assert [(point.frames, point.seconds, point.score) for point in points] == [
        (800, 400.0, 82.0),
        (21, 10.5, 60.0),
        (90, 45.0, 82.0),
        (99, 49.5, pytest.approx(230 / 3)),
    ]
    assert points[0].comparison is None
    # Differences 0, -0.2 and 0.2: mean 0, standard error 0.2 / sqrt(3); t of two degrees of freedom is 4.30.
    row = points[2].row()
    assert (row["mean_minus_hand"], row["low"], row["high"]) == (0.0, -0.5, 0.5)
    assert points[0].row()["low"] is None


def test_the_smallest_context_that_is_enough_is_named(tmp_path: Path) -> None:
    write_results(tmp_path)
    points = read_frontier(tmp_path)
    found = smallest_sufficient(points)
    assert found is not None
    assert found.name == "found_1_8"
    assert answer(points) == (
        "a context of 90 frames, 45 s (found_1_8: found by the search) is enough: found_1_8 - hand = +0.0 (-0.5 to "
        "+0.5), not worse by more than one point. hand itself sees 800 frames, 400 s."
    )


def test_a_mean_alone_shows_nothing(tmp_path: Path) -> None:
    write_results(tmp_path, {"hand": (80, 80), "cut_1_8": (85, 74.9)}, rate=None)
    points = read_frontier(tmp_path)
    assert smallest_sufficient(points) is None
    assert answer(points).startswith(
        "No smaller context is shown to be within one point of hand; by the mean, a context of 98 frames "  # 98.5
    )
    worse = [points[0], Point("found_1_8", 90, None, 50, 2, None)]
    assert answer(worse) == "No smaller context comes within one point of hand. hand itself sees 800 frames."


@pytest.mark.parametrize(("seconds", "text"), [(8185.0, "8185 s"), (45.25, "45.2 s"), (0.5, "0.5 s")])
def test_seconds_are_written_without_an_exponent(seconds: float, text: str) -> None:
    hand = Point("hand", 8185, seconds, 80, 2, None)
    assert answer([hand, Point("found_1_8", 90, 1, 50, 2, None)]).endswith(f"hand itself sees 8185 frames, {text}.")


def test_only_what_all_structures_have_counts(tmp_path: Path) -> None:
    write_results(tmp_path, {"hand": (80, 82), "cut_1_8": (79,)})
    assert [point.score for point in read_frontier(tmp_path)] == [80, 79]
    write_results(tmp_path / "other", {"hand": (), "cut_1_8": (79,)})
    with pytest.raises(BadInput, match="no split and seed on which all structures have been trained yet"):
        read_frontier(tmp_path / "other")


def test_damaged_results_are_named(tmp_path: Path) -> None:
    write_results(tmp_path)
    path = tmp_path / "final" / "hand" / "split1" / "seed0" / "metrics.json"
    content = json.loads(path.read_text())
    del content["receptive_field"]
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"seed0/metrics\.json: damaged, or of a version without receptive fields"):
        read_frontier(tmp_path)
