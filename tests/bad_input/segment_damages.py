"""Damages of files with segments, and what a refusal says of each."""

from __future__ import annotations

from tests.bad_input.damages import TEXT, Damage, content, edited, swapped
from tests.bad_input.reader import Reader
from trials import import_labels

TABLE = """\
video,start,end,label
one,0,30,cut
one,30,50,peel
two,0,40,mix
"""
BORIS = """\
Observation id,Subject,Behavior,Behavior type,Start (s),Stop (s)
one,ant,dig,STATE,0.000,3.000
one,ant,eat,STATE,3.000,5.000
two,ant,eat,STATE,0.000,4.000
"""
ELAN = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0">
<HEADER TIME_UNITS="milliseconds"/>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="3000"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="5000"/>
</TIME_ORDER>
<TIER TIER_ID="action">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>cut</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>peel</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
</ANNOTATION_DOCUMENT>
"""

Damages = dict[str, tuple[Damage, str]]

OF_TABLES: Damages = {
    "no header": (edited(lambda of: of.split(b"\n", 1)[1]), "segments.csv, line 1: no column 'video'"),
    "only a header": (edited(lambda of: of.split(b"\n", 1)[0]), "segments.csv: no segments"),
    "only spaces": (content(b" \n \n"), "segments.csv, line 1: no column 'video'"),
    "a column twice": (swapped("start,end", "end,end"), "line 1: no column 'start'"),
    "two ends": (swapped("label", "label,end"), "line 1: 2 columns 'end'"),
    "a column too few": (swapped("30,50,peel", "30,50"), "line 3: 3 columns, but line 1 has 4"),
    "a column too many": (swapped("peel", "peel,off"), "line 3: 5 columns, but line 1 has 4"),
    "a quotation without an end": (swapped("peel", '"peel'), "line 5: unexpected end of data"),
    "something after a quotation": (swapped("peel", '"peel"off'), "line 3: ',' expected after '\"'"),
    "a field beyond all": (swapped("peel", "p" * 200_000), "line 3: field larger than field limit"),
    "no label": (swapped("peel", " "), "line 3: no label"),
    "a label with control characters": (swapped("peel", "\x1b[2J"), "line 3: '\\x1b[2J' is not a label"),
    "a label of two lines": (swapped("peel", '"pe\nel"'), "line 4: 'pe\\nel' is not a label"),
    "no start": (swapped("30,50", ",50"), "line 3: start '' is not a number of frames"),
    "a negative start": (swapped("30,50", "-30,50"), "line 3: start '-30' is not a number of frames"),
    "a clock": (swapped("30,50", "30,00:00:50"), "line 3: end '00:00:50' is not a number of frames"),
    "NaN": (swapped("30,50", "30,nan"), "line 3: end 'nan' is not a number of frames"),
    "a number of 5000 digits": (swapped("50", "9" * 5000), "is not a number of frames"),
    "an exponent": (swapped("50", "1e999999999"), "line 3: end '1e999999999' is not a number of frames"),
    "half a frame": (swapped("50", "49.5"), "line 3: end '49.5' is not a whole number of frames"),
    "far too long": (swapped("50", "999999999"), "line 3: ends at frame 999999999: are --fps and --unit right?"),
    "an end before its start": (swapped("30,50", "50,30"), "line 3: 'peel' ends at 30, not after its start at 50"),
    "no duration": (swapped("30,50", "30,30"), "line 3: 'peel' ends at 30, not after its start at 30"),
    "a gap": (swapped("30,50", "35,50"), "line 3: before 'peel' (frames 35 to 49), frames 30 to 34 lie in no segment"),
    "an overlap": (
        swapped("30,50", "20,50"),
        "line 3: 'peel' (frames 20 to 49) overlaps 'cut' (frames 0 to 29) of segments.csv, line 2",
    ),
    "a segment twice": (swapped("one,30,50,peel", "one,0,30,cut"), "line 3: 'cut' (frames 0 to 29) overlaps 'cut'"),
    "a video without a name": (swapped("two", ""), "line 4: '' is not the name of a video"),
    "a path": (swapped("two", "../two"), "line 4: '../two' is not the name of a video"),
    "an absolute path": (swapped("two", "/tmp/two"), "line 4: '/tmp/two' is not the name of a video"),
    "a hidden file": (swapped("two", ".two"), "line 4: '.two' is not the name of a video"),
    "a comment for a video": (swapped("two", "#two"), "line 4: '#two' is not the name of a video"),
    "a video's label file": (swapped("two", "two.txt"), "line 4: 'two.txt' is not the name of a video"),
    "a video beyond all": (swapped("two", "x" * 300), "is too long for the name of a video"),
}
OF_BORIS: Damages = {
    "tabular events": (swapped("Start (s),Stop (s)", "Time,Status"), "line 1: no column 'video'"),
    "pictures without times": (swapped("3.000,5.000", "NA,NA"), "line 3: start 'NA' is not a number of seconds"),
    "another kind of event": (swapped("eat,STATE", "eat,OTHER"), "line 3: Behavior type 'OTHER' is neither STATE nor"),
    "point events only": (edited(lambda of: of.replace(b"STATE", b"POINT")), "events.csv: no segments"),
    "two behaviours at once": (swapped("3.000,5", "2.000,5"), "line 3: 'eat' (frames 20 to 49) overlaps 'dig'"),
}
OF_ELAN: Damages = {
    "half": (edited(lambda of: of[: len(of) // 2]), "one.eaf, line 10: not an ELAN file: unclosed token"),
    "no XML": (content(b"one,0,1,cut\n"), "one.eaf, line 1: not an ELAN file: syntax error"),
    "another document": (content(b"<html/>"), "one.eaf, line 1: not an ELAN file: its root is 'html'"),
    "deeply nested": (content(b"<a>" * 100_000 + b"</a>" * 100_000), "line 1: not an ELAN file: its root is 'a'"),
    "an unknown entity": (swapped("peel", "&peel;"), "one.eaf, line 13: not an ELAN file: undefined entity"),
    "entities": (
        swapped("<ANNOTATION_DOCUMENT", '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><ANNOTATION_DOCUMENT'),
        "one.eaf: has a DOCTYPE",
    ),
    "another unit": (swapped("milliseconds", "NTSC-frames"), "one.eaf: times in 'NTSC-frames', not in milliseconds"),
    "no tiers": (edited(lambda of: of.replace(b"TIER", b"TEAR")), "one.eaf: no tier with annotations; it has none"),
    "a time slot twice": (swapped('ID="ts3"', 'ID="ts2"'), "one.eaf: the time slot 'ts2' comes twice"),
    "no such time slot": (swapped('REF2="ts3"', 'REF2="ts9"'), "annotation a2 of tier 'action': there is no time slot"),
    "a time slot without a time": (swapped(' TIME_VALUE="5000"', ""), "annotation a2 of tier 'action': the time slot"),
    "a time with a point": (swapped("5000", "5.0"), "annotation a2 of tier 'action': '5.0' is not a whole number"),
    "an empty annotation": (swapped("peel", " "), "annotation a2 of tier 'action': no label"),
    "an end before its start": (swapped("5000", "2000"), "'peel' ends at 2.000, not after its start at 3.000"),
}


def reader(words: tuple[str, ...], file: str, damages: Damages, text: dict[str, Damage]) -> Reader:
    return Reader(
        import_labels.main,
        (*words, "--folds", "2", "--output", "new"),
        file,
        {**text, **{name: damage for name, (damage, _) in damages.items()}},
        says={name: says for name, (_, says) in damages.items()},
    )


SEGMENTS = {
    "table of segments": reader(("segments.csv", "--unit", "frames"), "segments.csv", OF_TABLES, TEXT),
    "events of BORIS": reader(("events.csv", "--fps", "10"), "events.csv", OF_BORIS, {}),
    "ELAN file": reader(("one.eaf", "two.eaf", "--fps", "10"), "one.eaf", OF_ELAN, TEXT),
}
