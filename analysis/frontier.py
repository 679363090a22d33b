"""How far a network must look: test scores against context, of structures found within budgets and scaled by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from analysis.comparison import Comparison
from analysis.final import aggregate, common_trainings, compared_with_hand, read_runs
from common.bad_input import BadInput
from common.read_file import read_json

HAND = "hand"
KINDS = {
    HAND: "designed by hand",
    "found": "found by the search",
    "cut": "hand, cut off",
    "even": "hand, evenly shortened",
}
"""By the first part of a structure's name, such as ``found_1_8``."""
TOLERANCE = 1.0
"""Points of the mean of the five metrics by which a structure may be worse than ``hand``."""


@dataclass(frozen=True)
class Point:
    """A structure, or those that the searches of all splits found within one budget."""

    name: str
    frames: float
    """That the network sees, as it reads them; mean over the splits."""
    seconds: float | None
    """The same; None where the rate is not known."""
    score: float
    """Mean of the five test metrics over splits and seeds, in percent."""
    trainings: int
    comparison: Comparison | None
    """With ``hand``, paired over splits; None for ``hand`` itself."""

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""
        return self.name.partition("_")[0]

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        interval = None if self.comparison is None else self.comparison.interval
        low, high = interval or (None, None)
        return {
            "structure": self.name,
            "frames": round(self.frames, 1),
            "seconds": None if self.seconds is None else round(self.seconds, 2),
            "trainings": self.trainings,
            "mean": round(self.score, 2),
            "mean_minus_hand": None if self.comparison is None else round(self.comparison.difference, 2),
            "low": None if low is None else round(low, 2),
            "high": None if high is None else round(high, 2),
        }


def read_frontier(folder: Path) -> list[Point]:
    """The points of a folder of ``experiments.context``, ``hand`` first, then by rising context.

    Only splits and seeds on which all structures have been trained count.

    Raises:
        BadInput: no split and seed is complete yet, or a result is damaged.
    """
    runs = common_trainings(read_runs(folder / "final"))
    common = set(runs.get(HAND, ()))
    if not common:
        raise BadInput(f"{folder}: no split and seed on which all structures have been trained yet")
    rows = aggregate(runs)
    compared = compared_with_hand(rows)
    points = [_point(folder, name, row, compared.get(name), common) for name, row in rows.items()]
    return sorted(points, key=lambda point: (point.name != HAND, point.frames, point.name))


def _point(
    folder: Path, name: str, row: dict[str, Any], comparison: Comparison | None, common: set[tuple[int, int]]
) -> Point:
    fields = []
    for split, seed in common:
        path = folder / "final" / name / f"split{split}" / f"seed{seed}" / "metrics.json"
        try:
            seen = read_json(path)["receptive_field"]
            fields.append((float(seen["network"]), seen["network_seconds"]))
        except (KeyError, TypeError, ValueError):
            raise BadInput(f"{path}: damaged, or of a version without receptive fields") from None
    frames, seconds = zip(*fields, strict=True)
    return Point(
        name,
        mean(frames),
        None if None in seconds else mean(seconds),
        row["mean"]["mean"],
        row["trainings"],
        comparison,
    )


def smallest_sufficient(points: Sequence[Point], shown: bool = True) -> Point | None:
    """The smallest context that is not worse than ``hand`` by more than ``TOLERANCE``; None: there is none.

    Args:
        shown: by the whole 95 % interval; otherwise by the mean alone.
    """
    hand = next(point for point in points if point.name == HAND)
    for point in sorted(points, key=lambda point: point.frames):
        if point.comparison is None or point.frames >= hand.frames:
            continue
        interval = point.comparison.interval
        least = point.comparison.difference if not shown else -float("inf") if interval is None else interval[0]
        if least >= -TOLERANCE:
            return point
    return None


def answer(points: Sequence[Point]) -> str:
    """How far the network must look, in one or two sentences."""
    hand = next(point for point in points if point.name == HAND)
    found = smallest_sufficient(points)
    if found is not None:
        return f"{_context(found)} is enough: {_difference(found)}, not worse by more than one point. {_beside(hand)}"
    likely = smallest_sufficient(points, shown=False)
    if likely is None:
        return f"No smaller context comes within one point of hand. {_beside(hand)}"
    return (
        f"No smaller context is shown to be within one point of hand; by the mean, {_context(likely)} is enough: "
        f"{_difference(likely)}. More splits or seeds would tell. {_beside(hand)}"
    )


def _beside(hand: Point) -> str:
    return f"hand itself sees {_frames(hand)}."


def _context(point: Point) -> str:
    return f"a context of {_frames(point)} ({point.name}: {KINDS[point.kind]})"


def _frames(point: Point) -> str:
    """With seconds to three digits, but no exponent."""
    if point.seconds is None:
        return f"{point.frames:.0f} frames"
    seconds = f"{point.seconds:.3g}" if point.seconds < 100 else f"{point.seconds:.0f}"
    return f"{point.frames:.0f} frames, {seconds} s"


def _difference(point: Point) -> str:
    assert point.comparison is not None
    interval = point.comparison.interval
    between = "one pair" if interval is None else f"{interval[0]:+.1f} to {interval[1]:+.1f}"
    return f"{point.name} - hand = {point.comparison.difference:+.1f} ({between})"
