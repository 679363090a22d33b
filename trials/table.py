"""Metrics as a table, of text or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any


def metrics_table(rows: Mapping[str, Mapping[str, float | None]], columns: Sequence[str]) -> str:
    """One named row per line, one aligned column per metric; missing values and None are shown as a dash."""
    width = max(len(name) for name in rows)
    lines = [" " * width + "".join(f"{name:>8}" for name in columns)]
    for name, row in rows.items():
        values = (row.get(column) for column in columns)
        lines.append(
            f"{name:<{width}}" + "".join(f"{'-':>8}" if value is None else f"{value:8.1f}" for value in values)
        )
    return "\n".join(lines)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys, at least one, as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
