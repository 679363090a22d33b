"""Tables of segments: CSV, TSV, and the aggregated events of BORIS."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from common.bad_input import BadInput
from trials.data.segment_tables import Columns, read_table
from trials.data.segments import Segment, Unit

BORIS = """\
Observation id,Observation date,Description,Observation type,Source,Time offset (s),Coding duration,\
Media duration (s),FPS (frame/s),Subject,Observation duration by subject by observation,Behavior,\
Behavioral category,Behavior type,Start (s),Stop (s),Duration (s),Media file name,Image index start,\
Image index stop,Image file path start,Image file path stop,Comment start,Comment stop
day1,2024-05-02 10:11:12,,Media file,player #1:day1.mp4,0.0,60.000,60.000,25.000,ant,3.5,"dig, deep",Not defined,\
STATE,1.000,2.500,1.500,day1.mp4,25,62,NA,NA,,
day1,2024-05-02 10:11:12,,Media file,player #1:day1.mp4,0.0,60.000,60.000,25.000,ant,3.5,bite,Not defined,\
POINT,2.000,2.000,NA,day1.mp4,50,50,NA,NA,"hard,
twice",
day1,2024-05-02 10:11:12,,Media file,player #1:day1.mp4,0.0,60.000,60.000,25.000,bee,3.5,fly,Not defined,\
STATE,0.500,4.000,3.500,day1.mp4,12,100,NA,NA,,
day2,2024-05-03 10:11:12,,Media file,player #1:day2.mp4,0.0,60.000,60.000,25.000,bee,3.5,fly,Not defined,\
STATE,0.000,4.000,4.000,day2.mp4,0,100,NA,NA,,
"""
"""As BORIS 8 writes it (export_observation.py): behaviours of two subjects, and a point event, in two observations."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "segments.csv"


Found = dict[str, list[tuple[str, float, float]]]


def found(videos: dict[str, list[Segment]]) -> Found:
    return {
        video: [(each.label, float(each.start), float(each.end)) for each in segments]
        for video, segments in videos.items()
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_dialect_reads_the_same(file: Path, delimiter: str, line_end: str) -> None:
    text = 'video,start,end,label\none,0,1.5,"cut it"\ntwo,0.0,2,peel\n\none, 1.5 ,2,peel\n'
    file.write_bytes(b"\xef\xbb\xbf" + text.replace(",", delimiter).replace("\n", line_end).encode())
    videos = read_table(file, "seconds")
    assert found(videos) == {"one": [("cut it", 0, 1.5), ("peel", 1.5, 2)], "two": [("peel", 0, 2)]}
    assert [each.where for each in videos["one"]] == [f"{file}, line 2", f"{file}, line 5"]


def test_times_are_exact(file: Path) -> None:
    file.write_text("video,start,end,label\none,0.1,0.30000000000000004,cut\n")
    (segment,) = read_table(file, "seconds")["one"]
    assert (segment.start, segment.end) == (Fraction(1, 10), Fraction("0.30000000000000004"))


def test_columns_of_other_names_and_more_of_them(file: Path) -> None:
    file.write_text("from,clip,class,to,who\n3,one,cut,30.0,me\n")
    columns = Columns(video="clip", start="from", end="to", label="class")
    assert found(read_table(file, "frames", columns)) == {"one": [("cut", 3, 30)]}


@pytest.mark.filterwarnings("ignore:.*point events")
def test_aggregated_events_of_boris(file: Path) -> None:
    file.write_text(BORIS)
    assert found(read_table(file, "seconds")) == {
        "day1": [("dig, deep", 1, 2.5), ("fly", 0.5, 4)],
        "day2": [("fly", 0, 4)],
    }
    assert found(read_table(file, "seconds", subject="bee")) == {"day1": [("fly", 0.5, 4)], "day2": [("fly", 0, 4)]}


def test_point_events_and_videos_without_the_subject_are_named(file: Path) -> None:
    file.write_text(BORIS)
    with (
        pytest.warns(UserWarning, match=r"csv: 1 point events \('bite'\) have no duration: left out"),
        pytest.warns(UserWarning, match=r"csv: left out, without events of 'ant': day2"),
    ):
        videos = read_table(file, "seconds", subject="ant")
    assert found(videos) == {"day1": [("dig, deep", 1, 2.5)]}


@pytest.mark.filterwarnings("ignore:.*point events", "ignore:.*left out, without")
def test_other_columns_of_boris(file: Path) -> None:
    """Names of media files for those of observations, and frames of the video for seconds."""
    file.write_text(BORIS)
    columns = Columns("Media file name", "Image index start", "Image index stop", "Behavior")
    assert found(read_table(file, "frames", columns, "ant")) == {"day1.mp4": [("dig, deep", 25, 62)]}


def test_a_line_is_counted_as_an_editor_does(file: Path) -> None:
    """Also after a comment of two lines."""
    file.write_text(BORIS.replace("12,100,NA", "12,100,NA,NA"))
    with pytest.raises(BadInput, match="line 5: 25 columns, but line 1 has 24"):
        read_table(file, "seconds")


@pytest.mark.parametrize(
    ("unit", "subject", "message"),
    [
        ("seconds", "cat", r"csv: no events of the subject 'cat', but of 'ant', 'bee'"),
        ("frames", None, "csv: times of BORIS are seconds: leave --unit frames out"),
    ],
)
def test_what_boris_has_not(file: Path, unit: Unit, subject: str | None, message: str) -> None:
    file.write_text(BORIS)
    with pytest.raises(BadInput, match=message):
        read_table(file, unit, subject=subject)


def test_a_subject_needs_boris(file: Path) -> None:
    file.write_text("video,start,end,label\none,0,1,cut\n")
    with pytest.raises(BadInput, match="--subject is for aggregated events of BORIS"):
        read_table(file, "seconds", subject="ant")


def test_frames_are_whole(file: Path) -> None:
    file.write_text("video,start,end,label\none,0,1.5,cut\n")
    with pytest.raises(BadInput, match=r"line 2: end '1\.5' is not a whole number of frames"):
        read_table(file, "frames")
