"""Colours of classes, distinguishable to colour-blind readers, and hatches for more classes than colours."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

COLOURS = (
    # Okabe and Ito's colours (2008).
    *("#0072B2", "#E69F00", "#56B4E9", "#D55E00", "#009E73", "#F0E442", "#CC79A7"),
    # Maximally distant from them and from each other, in normal, red-blind and green-blind vision.
    *("#443300", "#AADD88", "#332288", "#882255", "#0088FF"),
)
HATCHES = ("", "////", "\\\\\\\\", "xxxx", "----", "++++")
"""Lines only: dots and circles take 100 KB per colour in an SVG file."""
BACKGROUND = "#E4E4E4"
ERROR = "#B00000"
TRUE, PREDICTED = COLOURS[0], COLOURS[1]
FAINT, TEXT, STRIP = "#C8C8C8", "#222222", "#F0F0F0"
"""Light lines, text and empty strips: never used to distinguish data, since a dark page changes them."""
DARK = {TEXT: "#E8E8E8", FAINT: "#5C5C5C", BACKGROUND: "#4A4A4A", STRIP: "#333333", ERROR: "#FF6666"}
"""Replacements on a dark page, for the frame, background segments and errors."""


@dataclass(frozen=True)
class Look:
    """Colour and hatch of a class's segments."""

    colour: str
    hatch: str

    @property
    def hatch_colour(self) -> str:
        """Black lines on light colours, white ones on dark colours."""
        return "black" if is_light(self.colour) else "white"


def class_looks(classes: int, background: Collection[int] = ()) -> list[Look]:
    """A look per class id: light grey for background classes, distinct looks for the first 72 of the others."""
    looks, others = [], 0
    for identifier in range(classes):
        if identifier in background:
            looks.append(Look(BACKGROUND, ""))
            continue
        row, column = divmod(others, len(COLOURS))
        looks.append(Look(COLOURS[column], HATCHES[row % len(HATCHES)]))
        others += 1
    return looks


def is_light(colour: str) -> bool:
    """Whether black is more legible than white on a colour ``#RRGGBB`` (relative luminance of WCAG 2)."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179
