"""The figures of a report: in the page, and beside it as PNG and SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from matplotlib.figure import Figure

from analysis.plots.figure_file import WIDTH, adaptive_svg, write_figure
from common.bad_input import BadInput

PLAIN = " !$()*+,-./:;=?@[]^_`{|}~"
"""Safe in a data URI in an attribute, in addition to letters and digits; base64 would be a third longer."""


@dataclass(frozen=True)
class Picture:
    """One figure in the page."""

    name: str
    """Of its files, without suffix."""
    caption: str
    """Also the alternative text."""
    width: float
    """Relative to a full sheet, at most 1, so that text has the same size in every figure."""
    source: str
    """The SVG as a data URI."""


@dataclass
class Pictures:
    """Draws figures into a page, and writes each into a folder."""

    folder: Path
    drawn: Callable[[], object] = lambda: None
    """Called after each figure."""
    left_out: list[str] = field(default_factory=list)
    """Why figures could not be drawn."""

    def draw(self, name: str, caption: str, figure: Callable[[], Figure]) -> list[Picture]:
        """Write ``name.png`` and ``name.svg``; returns the picture for the page, or none if it cannot be drawn."""
        try:
            drawn = figure()
        except BadInput as fault:
            self.left_out.append(f"{name}: {fault}")
            return []
        write_figure(drawn, self.folder / f"{name}.png")
        drawn.set_layout_engine(None)  # the layout is settled, and slow to compute
        path = self.folder / f"{name}.svg"
        write_figure(drawn, path)
        svg = re.sub(r"\n\s*", " ", adaptive_svg(path.read_text(encoding="utf-8")))
        self.drawn()
        width = min(drawn.get_figwidth() / WIDTH, 1)
        return [Picture(name, caption, width, "data:image/svg+xml," + quote(svg, safe=PLAIN))]
