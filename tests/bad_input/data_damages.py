"""Damages of the files of a data set: mapping, lists, labels, features."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.bad_input.damages import MISSING, NO_FILE, TEXT, Damage, boom, content, edited, instead, swapped
from tests.trials.conftest import Boom


def array(of: object) -> Damage:
    return instead(lambda path: np.save(path, np.asarray(of)))


def header(text: str, version: int = 1) -> Damage:
    """A feature file of 1200 bytes after a header of its own."""
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return content(b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + bytes(1200))


def shape(text: str, kind: str = "<f4") -> Damage:
    return header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {text}, }}\n")


def archive(path: Path) -> None:
    with open(path, "wb") as file:
        np.savez(file, features=np.zeros((6, 40)))


def sparse(path: Path) -> None:
    """2 TB of features as the header says, of which nothing is stored."""
    shape("(1000, 500000000)")(path)
    os.truncate(path, path.stat().st_size - 1200 + 4 * 1000 * 500_000_000)


def cut_to(kept: int) -> Damage:
    return edited(lambda of: of[:kept])


def in_bundle(name: str) -> Damage:
    return edited(lambda of: of + name.encode() + b".txt\n")


def boom_in_array(path: Path) -> None:
    np.save(path, np.array([[Boom(Path("made"))]], dtype=object), allow_pickle=True)


MAPPING: dict[str, Damage] = {
    "no names": content(b"0\n1\n2\n"),
    "no ids": content(b"class_0\nclass_1\nclass_2\n"),
    "tabs": content(b"0\tclass_0\n1\tclass_1\n2\tclass_2\n"),
    "a blank line": content(b"0 class_0\n\n1 class_1\n2 class_2\n"),
    "an id twice": content(b"0 class_0\n0 class_1\n2 class_2\n"),
    "a class twice": content(b"0 class_0\n1 class_0\n2 class_2\n"),
    "an id left out": content(b"0 class_0\n2 class_1\n3 class_2\n"),
    "a negative id": content(b"-1 class_0\n0 class_1\n1 class_2\n"),
    "an id with a point": content(b"0.0 class_0\n1 class_1\n2 class_2\n"),
    "another script's digits": content("\N{ARABIC-INDIC DIGIT ZERO} class_0\n1 class_1\n2 class_2\n".encode()),
    "an id of 5000 digits": content(b"9" * 5000 + b" class_0\n"),
    "half": edited(lambda of: of[: len(of) // 2]),
}
BUNDLE: dict[str, Damage] = {
    "only a heading": content(b"#bundle\n"),
    "a video twice": edited(lambda of: of + of.splitlines(keepends=True)[0]),
    "an unknown video": in_bundle("nowhere"),
    "a path": in_bundle("../features/p00-1"),
    "an absolute path": in_bundle("/etc/passwd"),
    "a path of Windows": in_bundle("..\\p00-1"),
    "two points": in_bundle(".."),
    "a hidden file": in_bundle(".p00-1"),
    "a name beyond all": in_bundle("x" * 5000),
    "half a name": edited(lambda of: of[:-6]),
    "commands": in_bundle("$(touch made);`touch made`|touch made"),
    "control characters": in_bundle("\x1b[2J"),
}
LABELS: dict[str, Damage] = {
    "a blank line": swapped("\n", "\n\n"),
    "an unknown class": edited(lambda of: b"nothing\n" + of),
    "ids for names": edited(lambda of: b"0\n" * of.count(b"\n")),
    "half a name at the end": edited(lambda of: of[:-3]),
    "a form feed for a line end": swapped("\n", "\x0c"),
    "a line separator for a line end": swapped("\n", "\u2028"),
    "far too long": edited(lambda of: of * 3),
    "far too short": content(b"class_0\n"),
    "one line": edited(lambda of: of.replace(b"\n", b" ")),
    "in another case": edited(bytes.upper),
}
FEATURES: dict[str, Damage] = {
    **MISSING,
    **NO_FILE,
    "empty": content(b""),
    "text": content(b"1 2 3\n"),
    "only NUL": edited(lambda of: bytes(len(of))),
    **{f"cut to {kept}": cut_to(kept) for kept in (3, 6, 8, 10, 64, 127, 128, 129, -1)},
    "more than its header says": edited(lambda of: of + b"\0"),
    "twice": edited(lambda of: of + of),
    "transposed": edited(lambda of: of.replace(b"'shape': (6, ", b"'shape': (3, ")),
    "one axis": array(np.zeros(300, np.float32)),
    "three axes": array(np.zeros((6, 5, 9), np.float32)),
    "a single number": array(1.0),
    "no frames": array(np.zeros((6, 0))),
    "no channels": array(np.zeros((0, 40))),
    "other channels": array(np.zeros((5, 40))),
    "complex": array(np.zeros((6, 40), complex)),
    "booleans": array(np.zeros((6, 40), bool)),
    "texts": array(np.full((6, 40), "text")),
    "dates": array(np.zeros((6, 40), "M8[s]")),
    "records": array(np.zeros((6, 40), [("a", "f4")])),
    "NaN": array(np.full((6, 40), np.nan)),
    "infinity": array(np.full((6, 40), -np.inf)),
    "beyond float32": array(np.full((6, 40), 1e39)),
    "an archive": instead(archive),
    "a pickle": boom,
    "pickled objects": boom_in_array,
    "terabytes": shape("(6000000, 500000000)"),
    "more than a machine word": shape("(4294967296, 4294967296)"),
    "digits beyond all": shape(f"({'9' * 5000}, 5)"),
    "a negative shape": shape("(-6, -50)"),
    "a nested shape": shape("(" * 3000 + ")" * 3000),
    "a header that is code": shape("__import__('os').mkdir('made')"),
    "a header without shape": header("{'descr': '<f4', 'fortran_order': False}\n"),
    "a header that is a list": header("[]\n"),
    "a header of minus signs": header("-" * 9000 + "1\n"),
    "an unknown version": header("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 50), }\n", version=9),
    "a header beyond the file": content(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 1000),
    "terabytes of nothing": sparse,
}


LABEL_TEXT: dict[str, Damage] = {
    **TEXT,
    "a blank line": swapped("\n", "\n\n"),
    "far too long": edited(lambda of: of * 9),
}
