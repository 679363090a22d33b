"""The common style of all figures, and their files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.plots.colours import DARK, TEXT
from common.atomic_file import write_atomically
from common.bad_input import BadInput

ENDINGS = (".png", ".svg")
WIDTH, DPI = 16.0, 100
"""Inches, and pixels per inch: 1600 pixels."""
LONGEST_NAME = 36
"""Most characters of a name in a figure."""

STYLE: dict[Any, Any] = {
    "font.size": 12,
    "axes.titlesize": 14,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    **dict.fromkeys(("text.color", "legend.labelcolor", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor"), TEXT),
    **dict.fromkeys(("xtick.color", "ytick.color"), TEXT),
    "svg.hashsalt": "",  # identical figures give identical files
    "text.parse_math": False,  # names of classes and files may contain dollar signs
    "hatch.linewidth": 0.8,
}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty light figure of ``height`` x ``width`` inches, independent of the user's matplotlib style."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend below the axes, in as many columns as fit; the figure grows by its height."""
    for columns in range(min(len(labels), 8), 0, -1):
        legend = figure.legend(
            handles, [short(label) for label in labels], loc="outside lower center", ncols=columns, frameon=False
        )
        extent = legend.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
        if extent.width < 0.96 * figure.get_figwidth() * DPI or columns == 1:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + extent.height / DPI)


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name for a figure: printable, and with its middle elided where it is too long."""
    name = "".join(char if char.isprintable() else "?" for char in name)
    if len(name) <= longest:
        return name
    return f"{name[: (longest - 1) // 2]}…{name[-(longest // 2) :]}"


def positive_fps(fps: float | None) -> float | None:
    """``--fps`` as given. Raises BadInput unless it is a positive number or None."""
    if fps is not None and not 0 < fps < math.inf:
        raise BadInput(f"--fps must be above 0, not {fps}")
    return fps


def check_ending(path: Path) -> None:
    """Raise BadInput unless ``path`` has one of ``ENDINGS``."""
    if path.suffix.lower() not in ENDINGS:
        raise BadInput(f"--output {path}: must end in {' or '.join(ENDINGS)}")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically, as PNG or SVG by the ending of ``path``.

    Raises:
        BadInput: another ending.
        OSError: ``path`` cannot be written; the error names it.
    """
    check_ending(path)
    ending = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if ending == "svg" else {}
    write_atomically(path, lambda file: figure.savefig(file, format=ending, metadata=metadata))


def adaptive_svg(svg: str) -> str:
    """The SVG with a transparent background, and a light frame where the page that embeds it is dark."""
    rules = "".join(
        f'[style*="{use}: {light.lower()}"] {{ {use}: {dark.lower()} !important }}\n'
        for light, dark in DARK.items()
        for use in ("fill", "stroke")
    )
    dark_page = f"@media (prefers-color-scheme: dark) {{\n{rules}}}\n"
    # The background is drawn first.
    return svg.replace("fill: #ffffff", "fill: none", 1).replace("</style>", f"\n{dark_page}</style>", 1)
