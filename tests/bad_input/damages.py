"""Ways in which a file is damaged: each takes the path of a good file, and leaves a bad one there."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.trials.conftest import Boom

Damage = Callable[[Path], object]


def content(of: bytes) -> Damage:
    return lambda path: path.write_bytes(of)


def edited(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def added(text: str) -> Damage:
    return edited(lambda of: of + text.encode())


def boom(path: Path) -> None:
    """A pickle whose loading runs code."""
    path.write_bytes(pickle.dumps(Boom(Path("made"))))


def swapped(old: str, new: str) -> Damage:
    """Another text in one place, which must be there."""

    def damage(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return damage


def instead(make: Callable[[Path], object]) -> Damage:
    """Something else in the place of the file."""

    def damage(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return damage


def too_large(path: Path) -> None:
    """A file of 2 TB, of which nothing is stored."""
    with open(path, "r+b") as file:
        file.truncate(2**41)


LEFT_OUT = object()
"""The value of a key that is to be missing."""


def put(value: Any, keys: Sequence[str | int], into: Any) -> None:
    """Put a value at a place in nested dictionaries and lists; ``LEFT_OUT`` takes away what is there."""
    *outer, last = keys
    for key in outer:
        into = into[key]
    if value is LEFT_OUT:
        del into[last]
    else:
        into[last] = value


def json_with(value: Any, *keys: str | int) -> Damage:
    def damage(path: Path) -> None:
        changed = json.loads(path.read_text())
        put(value, keys, changed)
        path.write_text(json.dumps(changed))

    return damage


def torch_with(value: Any, *keys: str | int) -> Damage:
    def damage(path: Path) -> None:
        changed = torch.load(path, weights_only=True)
        put(value(changed) if callable(value) else value, keys, changed)
        torch.save(changed, path)

    return damage


def flip_a_weight(path: Path) -> None:
    """One bit of the weights is another one."""
    loaded = torch.load(path, weights_only=True)
    weights = loaded.get("weights") or loaded["training"]["network"]
    stored = path.read_bytes()
    start = stored.index(weights["stage1.conv_1x1.bias"].numpy().tobytes())
    path.write_bytes(stored[:start] + bytes([stored[start] ^ 1]) + stored[start + 1 :])


MISSING: dict[str, Damage] = {
    "missing": lambda path: path.unlink(),
    "a link to nothing": instead(lambda path: path.symlink_to("nothing")),
}
NO_FILE: dict[str, Damage] = {
    "a folder": instead(Path.mkdir),
    "a pipe": instead(os.mkfifo),
    "a device": instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": instead(lambda path: path.symlink_to(path.name)),
}
NO_TEXT: dict[str, Damage] = {
    "empty": content(b""),
    "not UTF-8": content(b"cut\xff\xfe\n"),
    "UTF-16": edited(lambda of: of.decode().encode("utf-16")),
    "NUL at the end": edited(lambda of: of + bytes(512)),
    "only NUL": edited(lambda of: bytes(len(of))),
    "too large": too_large,
}
NO_JSON: dict[str, Damage] = {
    "half": edited(lambda of: of[: len(of) // 2]),
    "without its last brace": edited(lambda of: of.rstrip()[:-1]),
    "something after it": edited(lambda of: of + b"}"),
    "twice": edited(lambda of: of + of),
    "deep lists": content(b"[" * 100_000),
    "deep objects": content(b'{"format":' * 100_000),
    "nearly too deep": content(b"[" * 950 + b"]" * 950),
    "a list": content(b"[]"),
    "null": content(b"null"),
    "a number": content(b"1"),
    "a number of 5000 digits": content(b"9" * 5000),
    "a text": content(b'"global2local-structure"'),
    "an empty object": content(b"{}"),
    "NaN": edited(lambda of: of.rstrip()[:-1] + b', "more": NaN}'),
    "a number beyond all": edited(lambda of: of.rstrip()[:-1] + b', "more": [1e999]}'),
    "a name twice": edited(lambda of: of.replace(b"{", b'{"twice": 1, "twice": 2, ', 1)),
    "single quotes": edited(lambda of: of.replace(b'"', b"'")),
    "a comment": edited(lambda of: b"// comment\n" + of),
}

TEXT = {**MISSING, **NO_FILE, **NO_TEXT}
