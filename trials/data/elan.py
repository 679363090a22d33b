"""Read the segments of a tier of an ELAN file (.eaf)."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from common.bad_input import BadInput
from common.read_file import read_text
from trials.data.segments import NUMBER, Videos, check_import_name, make_segment


def read_elan(path: Path, tier: str | None = None) -> Videos:
    """The annotations of a tier, in seconds; the video has the name of the file.

    Args:
        tier: its name; None: the only one that has annotations.

    Raises:
        BadInput: the file is missing or damaged, or has no such tier; or its annotations have no times of their own.
    """
    root = _parse(path)
    slots: dict[str, str] = {}
    for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
        name = slot.get("TIME_SLOT_ID", "")
        if name in slots:
            raise BadInput(f"{path}: the time slot {name!r} comes twice")
        slots[name] = slot.get("TIME_VALUE", "")
    annotations = _choose(root, tier, path)

    check_import_name(path.stem, str(path))
    segments = []
    for annotation in annotations.iterfind("ANNOTATION/*"):
        where = f"{path}, annotation {annotation.get('ANNOTATION_ID')} of tier {annotations.get('TIER_ID')!r}"
        if annotation.tag != "ALIGNABLE_ANNOTATION":
            raise BadInput(f"{where}: refers to another annotation and has no time: choose that one's tier by --tier")
        times = []
        for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
            value = slots.get(annotation.get(end, ""))
            if value is None:
                raise BadInput(f"{where}: there is no time slot {annotation.get(end)!r}")
            if value == "":
                raise BadInput(f"{where}: the time slot {annotation.get(end)!r} has no time: choose an aligned tier")
            if not NUMBER.fullmatch(value) or "." in value:
                raise BadInput(f"{where}: {value!r} is not a whole number of milliseconds")
            times.append(f"{value[:-3] or 0}.{value[-3:]:0>3}")
        label = annotation.findtext("ANNOTATION_VALUE", "").strip()
        segments.append(make_segment(label, times[0], times[1], "seconds", where))
    return {path.stem: segments}


def _parse(path: Path) -> Element:
    text = read_text(path, "ELAN file")
    if "<!DOCTYPE" in text:  # entities can expand to any size; ELAN writes none
        raise BadInput(f"{path}: has a DOCTYPE, which files of ELAN have not")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as fault:
        line, _ = fault.position
        raise BadInput(f"{path}, line {line}: not an ELAN file: {str(fault).partition(':')[0]}") from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise BadInput(f"{path}, line 1: not an ELAN file: its root is {root.tag[:40]!r}, not 'ANNOTATION_DOCUMENT'")
    units = root.find("HEADER")
    if units is not None and units.get("TIME_UNITS", "milliseconds") != "milliseconds":
        raise BadInput(f"{path}: times in {units.get('TIME_UNITS')!r}, not in milliseconds: save it with today's ELAN")
    return root


def _choose(root: Element, tier: str | None, path: Path) -> Element:
    tiers = [each for each in root.iterfind("TIER") if each.find("ANNOTATION/*") is not None]
    names = ", ".join(repr(each.get("TIER_ID")) for each in tiers) or "none"
    chosen = [each for each in tiers if tier in (None, each.get("TIER_ID"))]
    if not chosen:
        raise BadInput(f"{path}: no tier{'' if tier is None else f' {tier!r}'} with annotations; it has {names}")
    if len(chosen) > 1:
        raise BadInput(f"{path}: several tiers have annotations: choose one by --tier: {names}")
    return chosen[0]
