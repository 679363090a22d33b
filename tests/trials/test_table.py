"""Metrics as a text table."""

from __future__ import annotations

from trials.table import metrics_table


def test_columns_align_and_gaps_are_dashes() -> None:
    rows: dict[str, dict[str, float | None]] = {
        "split 1": {"acc": 70.04, "edit": 100.0},
        "mean": {"acc": 5.0, "edit": None},
        "none": {},
    }
    assert metrics_table(rows, ("acc", "edit")).split("\n") == [
        "            acc    edit",
        "split 1    70.0   100.0",
        "mean        5.0       -",
        "none          -       -",
    ]
