"""Structures by name in the final training: which file a name stands for, and which folder its trainings go to."""

from __future__ import annotations

from pathlib import Path


def structure_file(name: str, split: int) -> str:
    """The structure file of a split, or ``hand``: ``{split}`` in a name stands for the number of the split.

    A search finds one structure for each split: ``runs/NAME/split{split}/global.json`` names them all.
    """
    return name.replace("{split}", str(split))


def training_folder(name: str, split: int, seed: int) -> Path:
    """Where the training of a structure goes, below the folder of all final trainings: STRUCTURE/splitK/seedS."""
    return Path(short_name(name)) / f"split{split}" / f"seed{seed}"


def short_name(name: str) -> str:
    """What tables call a structure: the name of its file without ending, ``hand`` as it is."""
    return Path(name).stem
