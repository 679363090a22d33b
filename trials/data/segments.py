"""Segments of a video, and the labels of its frames: one from the other.

A segment is half-open, ``[start, end)``. A frame belongs to the segment in which its start lies: frame ``i`` starts at
``i / rate`` seconds. Annotation tools round times to milliseconds, so a frame that starts up to ``ROUNDING`` before a
border (but at most half a frame) counts as starting at it. Borders that are frame starts rounded to milliseconds
are found exactly at any rate below 1000 frames a second.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import numpy as np

from common.bad_input import BadInput
from trials.data.label_files import Labels, check_video_name, is_class_name

NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,30})?")
ROUNDING = Fraction(1, 2000)
"""In seconds."""
FASTEST = 100_000
"""Largest frame rate: six decimals of a second tell its frames apart."""
MOST_FRAMES = 10**8
"""Of a video: 38 days at 30 frames a second."""


@dataclass(frozen=True)
class Segment:
    """A labelled part of a video."""

    label: str
    start: Fraction
    end: Fraction
    """Start and end, in seconds; in frames where there is no frame rate."""
    where: str
    """Its file and line, for messages."""


Unit = Literal["seconds", "frames"]
Videos = dict[str, list[Segment]]
"""The segments by video."""


@dataclass(frozen=True)
class FrameSegment:
    """A segment in frames, with at least one."""

    segment: Segment
    start: int
    end: int

    def describe(self) -> str:
        """Its label and frames."""
        return f"{self.segment.label!r} (frames {self.start} to {self.end - 1})"


def read_number(text: str) -> Fraction:
    """A number without sign and exponent, exactly. Raises ValueError for anything else."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return Fraction(text)


def read_rate(text: str) -> Fraction:
    """A frame rate such as ``30``, ``29.97`` or ``30000/1001``. Raises BadInput for anything else."""
    above, slash, below = text.partition("/")
    try:
        rate = read_number(above) / read_number(below if slash else "1")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise BadInput(f"--fps {text}: not a frame rate (frames a second, such as 30, 29.97 or 30000/1001)")
    return rate


def check_import_name(video: str, where: str) -> None:
    """Raise BadInput if a video cannot have this name in lists of videos, in which ``#`` begins a comment."""
    check_video_name(video, where)
    if (
        not video
        or video.startswith("#")
        or video.endswith(".txt")
        or not video.isprintable()
        or video != video.strip()
    ):
        raise BadInput(f"{where}: {video!r} is not the name of a video: that of its feature file, without .npy")


def make_segment(label: str, start: str, end: str, unit: Unit, where: str) -> Segment:
    """A segment from text. Raises BadInput, beginning with ``where``, for an impossible one."""
    if not (is_class_name(label) and label.isprintable()):
        raise BadInput(f"{where}: {label!r} is not a label" if label else f"{where}: no label")
    times = []
    for name, text in (("start", start), ("end", end)):
        try:
            time = read_number(text)
        except ValueError:
            raise BadInput(
                f"{where}: {name} {text[:40]!r} is not a number of {unit} (digits and a decimal point)"
            ) from None
        if unit == "frames" and time.denominator != 1:
            raise BadInput(f"{where}: {name} {text!r} is not a whole number of frames: --unit seconds?")
        times.append(time)
    if times[0] >= times[1]:
        raise BadInput(f"{where}: {label!r} ends at {end}, not after its start at {start}")
    return Segment(label, times[0], times[1], where)


def first_frame(time: Fraction, rate: Fraction | None) -> int:
    """The first frame that does not start before a time (in seconds; in frames if the rate is None)."""
    if rate is None:
        return math.ceil(time)
    return max(0, math.ceil(time * rate - min(ROUNDING * rate, Fraction(1, 2))))


def to_frames(segments: Iterable[Segment], rate: Fraction | None) -> list[FrameSegment]:
    """The segments of a video in frames, in order; those in which no frame starts are left out.

    Raises:
        BadInput: a frame lies in two of them, or there are more than ``MOST_FRAMES`` frames.
    """
    frames = [FrameSegment(each, first_frame(each.start, rate), first_frame(each.end, rate)) for each in segments]
    frames = sorted((each for each in frames if each.start < each.end), key=lambda each: (each.start, each.end))
    for before, after in pairwise(frames):
        if after.start < before.end:
            raise BadInput(
                f"{after.segment.where}: {after.describe()} overlaps {before.describe()} of {before.segment.where}, "
                "but a frame has one label (--tier chooses an ELAN tier, --subject a BORIS subject)"
            )
    for each in frames:
        if each.end > MOST_FRAMES:
            raise BadInput(f"{each.segment.where}: ends at frame {each.end}: are --fps and --unit right?")
    return frames


def label_frames(
    segments: Sequence[FrameSegment], frames: int, ids: Mapping[str, int], background: str | None, rate: Fraction | None
) -> Labels:
    """Class ids ``(frames,)`` of a video.

    Args:
        segments: as ``to_frames`` returns them, at least one; what lies beyond the last frame is cut.
        frames: of the video.
        ids: class ids by name, of all labels and of the background.
        background: label of the frames without a segment; None: there must be none.
        rate: for messages.

    Raises:
        BadInput: a frame has no label.
    """
    labels = np.full(frames, -1 if background is None else ids[background], dtype=np.int64)
    for each in segments:
        labels[each.start : each.end] = ids[each.segment.label]
    (unlabelled,) = np.nonzero(labels < 0)
    if len(unlabelled):
        first = int(unlabelled[0])
        after = next((each for each in segments if each.start > first), None)
        end = frames if after is None else after.start
        beside, neighbour = ("after", segments[-1]) if after is None else ("before", after)
        time = "" if rate is None else f" ({float(first / rate):.3f} s to {float(end / rate):.3f} s)"
        raise BadInput(
            f"{neighbour.segment.where}: {beside} {neighbour.describe()}, frames {first} to {end - 1}{time} lie in no "
            "segment: --background NAME labels such frames"
        )
    return labels
