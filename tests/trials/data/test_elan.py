"""Tiers of ELAN files."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.bad_input import BadInput
from trials.data.elan import read_elan

EAF = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-02T10:11:12+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///one.mp4" MIME_TYPE="video/mp4"/>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="5"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
        <TIME_SLOT TIME_SLOT_ID="ts3"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="61040"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="action">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>cut &amp; peel</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>
                    mix</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="empty"/>
</ANNOTATION_DOCUMENT>
"""
"""As ELAN 6 writes it."""
WORDS = """\
    <TIER LINGUISTIC_TYPE_REF="words" PARENT_REF="action" TIER_ID="words">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>now cut</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="parts" PARENT_REF="action" TIER_ID="parts">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>cut</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
</ANNOTATION_DOCUMENT>
"""
SEVERAL = EAF.replace("</ANNOTATION_DOCUMENT>\n", WORDS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.eaf"


@pytest.mark.parametrize(("text", "tier"), [(EAF, None), (EAF, "action"), (SEVERAL, "action")])
def test_the_annotations_of_a_tier(file: Path, text: str, tier: str | None) -> None:
    file.write_text(text)
    (segments,) = read_elan(file, tier).values()
    times = [(each.label, float(each.start), float(each.end)) for each in segments]
    assert times == [("cut & peel", 0.005, 1.5), ("mix", 1.5, 61.04)]
    assert segments[1].where == f"{file}, annotation a2 of tier 'action'"


def test_the_video_is_called_as_the_file(file: Path) -> None:
    file.write_text(EAF)
    assert list(read_elan(file)) == ["one"]


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        (None, "several tiers have annotations: choose one by --tier: 'action', 'words', 'parts'"),
        ("empty", "no tier 'empty' with annotations; it has 'action', 'words', 'parts'"),
        ("words", "annotation a3 of tier 'words': refers to another annotation and has no time"),
        ("parts", "annotation a4 of tier 'parts': the time slot 'ts3' has no time: choose an aligned tier"),
    ],
)
def test_tiers_that_cannot_be_read(file: Path, tier: str | None, message: str) -> None:
    file.write_text(SEVERAL)
    with pytest.raises(BadInput, match=message):
        read_elan(file, tier)


def test_entities_are_not_expanded(file: Path) -> None:
    """A billion laughs, and a file of this machine."""
    laughs = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>\n<ANNOTATION_DOCUMENT'
    secret = '<!DOCTYPE a [<!ENTITY y SYSTEM "file:///etc/passwd">]>\n<ANNOTATION_DOCUMENT'
    for attack in (laughs, secret):
        file.write_text(EAF.replace("<ANNOTATION_DOCUMENT", attack, 1).replace("mix", "&y;"))
        with pytest.raises(BadInput, match=r"one\.eaf: has a DOCTYPE"):
            read_elan(file)
