"""A user's clone of a public repository, and the data set that is made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.bad_input import BadInput
from experiments.demo_data import Features, Labels


@dataclass(frozen=True)
class Repository:
    """A public repository, at the commit that the readers in this folder were written for."""

    address: str
    commit: str
    licence: str


@dataclass(frozen=True)
class MadeDataset:
    """A data set, as the standard layout has it."""

    videos: Mapping[str, tuple[Features, Labels]]
    """Features ``(channels, frames)`` and labels ``(frames,)`` by name."""
    classes: Sequence[str]
    splits: Sequence[tuple[Sequence[str], Sequence[str]]]
    """The videos to train on and those to test on, split 1 first."""


def find_files(clone: Path, names: Sequence[str], repository: Repository) -> list[Path]:
    """The files of a clone.

    Raises:
        BadInput: some are missing. The message names the commit that has them.
    """
    paths = [clone / name for name in names]
    missing = [name for name, path in zip(names, paths, strict=True) if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise BadInput(
            f"{clone}: no {', '.join(missing[:3])}{more}: expected a clone of {repository.address} "
            f"(known to fit: git checkout {repository.commit})"
        )
    return paths
