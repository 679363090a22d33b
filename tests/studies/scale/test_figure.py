from __future__ import annotations

from dataclasses import replace

from studies.scale.figure import draw_scale
from studies.scale.table import Row
from tests.studies.scale.test_table import OUTCOME


def test_what_is_drawn() -> None:
    rows = [
        Row(plan, gpus, 10.0, replace(OUTCOME, seconds=hours * 3600))
        for plan in "ab"
        for gpus, hours in ((1, 8), (8, 1))
    ]
    short = [Row("a", gpus, seconds, OUTCOME) for gpus in (8, 64) for seconds in (5.0, 10.0)]
    hours, lengths, bars = draw_scale(rows[:2], rows[2:], short).axes
    assert [line.get_label() for line in hours.lines] == ["a"]
    assert list(hours.lines[0].get_ydata()) == [8, 1]  # type: ignore[arg-type]
    assert [line.get_label() for line in lengths.lines] == ["a: 8 GPUs", "a: 64 GPUs"]
    assert list(lengths.lines[0].get_ydata()) == [90, 90]  # type: ignore[arg-type]
    # For the most GPUs, a bar of six parts for each plan.
    assert [text.get_text() for text in bars.get_yticklabels()] == ["a (24 trials)", "b (24 trials)"]
    assert len(bars.patches) == 12
    assert bars.patches[0].get_width() == 90  # type: ignore[attr-defined]
