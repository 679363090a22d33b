"""Segments and frames: the borders, overlaps and gaps, and that one is made of the other and back."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bad_input import BadInput
from trials.data.segments import Segment, first_frame, label_frames, read_number, read_rate, to_frames
from trials.training.metrics import Segments

IDS = {"none": 0, "cut": 1, "peel": 2}


def segment(label: str, start: object, end: object, line: int = 2) -> Segment:
    return Segment(label, Fraction(str(start)), Fraction(str(end)), f"a.csv, line {line}")


def labels(*segments: Segment, frames: int, rate: int | None, background: str | None = None) -> list[int]:
    placed = to_frames(segments, None if rate is None else Fraction(rate))
    return label_frames(placed, frames, IDS, background, None if rate is None else Fraction(rate)).tolist()


@pytest.mark.parametrize(
    ("time", "rate", "frame"),
    [
        ("0", "10", 0),
        ("0.2", "10", 2),  # the start of frame 2
        ("0.2004", "10", 2),  # rounded up by less than half a millisecond
        ("0.2005", "10", 2),
        ("0.2006", "10", 3),  # frame 2 starts before it
        ("0.1999", "10", 2),
        ("0.067", "30", 2),  # 2 / 30 = 0.0667
        ("0.06666666666666667", "30", 2),  # as Python prints it, which is more
        ("0.033", "30", 1),
        ("1.001", "30000/1001", 30),
        ("0.0005", "1000", 0),
        ("0.00051", "1000", 1),
        ("0.00005", "10000", 0),  # half a frame: less than half a millisecond
        ("0.00006", "10000", 1),
    ],
)
def test_a_frame_belongs_to_the_segment_in_which_it_starts(time: str, rate: str, frame: int) -> None:
    assert first_frame(Fraction(time), read_rate(rate)) == frame


def test_frames_are_taken_as_they_are() -> None:
    assert labels(segment("cut", 0, 2), segment("peel", 2, 3), frames=3, rate=None) == [1, 1, 2]


def test_segments_in_any_order_with_a_background() -> None:
    found = labels(segment("peel", "0.5", "0.7"), segment("cut", "0.1", "0.3"), frames=9, rate=10, background="none")
    assert found == [0, 1, 1, 0, 0, 2, 2, 0, 0]


def test_an_overlap_without_a_common_frame_is_none() -> None:
    assert labels(segment("cut", 0, "0.18"), segment("peel", "0.12", "0.3"), frames=3, rate=10) == [1, 1, 2]


def test_what_has_no_frame_is_left_out() -> None:
    assert to_frames([segment("cut", "0.11", "0.19")], Fraction(10)) == []


def test_overlaps_name_both_segments() -> None:
    with pytest.raises(BadInput) as fault:
        to_frames([segment("cut", 0, 5, line=2), segment("peel", 4, 6, line=3)], None)
    assert str(fault.value).startswith(
        "a.csv, line 3: 'peel' (frames 4 to 5) overlaps 'cut' (frames 0 to 4) of a.csv, line 2, "
    )


def test_the_same_segment_twice_is_an_overlap() -> None:
    with pytest.raises(BadInput, match="overlaps"):
        to_frames([segment("cut", 0, 5, line=2), segment("cut", 0, 5, line=3)], None)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([("cut", "0.5", 1)], r"line 2: before 'cut' \(frames 5 to 9\), frames 0 to 4 \(0\.000 s to 0\.500 s\) lie in"),
        ([("cut", 0, "0.4")], r"line 2: after 'cut' \(frames 0 to 3\), frames 4 to 9 \(0\.400 s to 1\.000 s\) lie in"),
        ([("cut", 0, "0.4"), ("peel", "0.6", 1)], r"line 3: before 'peel' .*, frames 4 to 5 \(0\.400 s to 0\.600 s\)"),
    ],
)
def test_gaps_are_told_with_their_time(segments: list[tuple[str, object, object]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        labels(*(segment(*each, line=line) for line, each in enumerate(segments, 2)), frames=10, rate=10)


def test_hours_for_seconds_do_not_fill_the_memory() -> None:
    with pytest.raises(BadInput, match="ends at frame 3000000000: are --fps and --unit right"):
        to_frames([segment("cut", 0, 100_000_000)], Fraction(30))


@pytest.mark.parametrize("text", ["", "-1", "+1", "1e5", "nan", "1,5", "1.", ".5", "0:01", "1 0", "٣", "9" * 10])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        read_number(text)
    with pytest.raises(BadInput, match="not a frame rate"):
        read_rate(text)


@pytest.mark.parametrize("text", ["0", "0.0", "100001", "1/0", "30/", "/2", "1/2/3", "1e99999999"])
def test_impossible_rates_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"--fps {text}: not a frame rate"):
        read_rate(text)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=60),
    st.sampled_from(["1", "15", "29.97", "30000/1001", "59.94", "120", "999.9"]),
    st.sampled_from([None, 3, 6, 12]),
)
def test_segments_become_the_same_frames_again(ids: list[int], rate_text: str, decimals: int | None) -> None:
    """In frames, and in seconds that are rounded to milliseconds or better."""
    rate = None if decimals is None else read_rate(rate_text)
    names = list(IDS)
    found = Segments.of(np.array(ids))

    def time(frame: int) -> str:
        return str(frame) if rate is None else f"{float(frame / rate):.{decimals}f}"

    segments = [
        Segment(names[label], read_number(time(int(start))), read_number(time(int(end))), "here")
        for label, start, end in zip(found.classes, found.starts, found.ends, strict=True)
    ]
    assert label_frames(to_frames(segments, rate), len(ids), IDS, None, rate).tolist() == ids
