"""Metrics as a text table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def metrics_table(rows: Mapping[str, Mapping[str, float | None]], columns: Sequence[str]) -> str:
    """One named row a line, one aligned column a metric; a value that is missing or None shows as a dash."""
    width = max(len(name) for name in rows)
    lines = [" " * width + "".join(f"{name:>8}" for name in columns)]
    for name, row in rows.items():
        values = (row.get(column) for column in columns)
        lines.append(
            f"{name:<{width}}" + "".join(f"{'-':>8}" if value is None else f"{value:8.1f}" for value in values)
        )
    return "\n".join(lines)
