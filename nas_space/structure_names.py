"""Names of structures in the final training: the file and the output folder that belong to a name."""

from __future__ import annotations

from pathlib import Path


def structure_file(name: str, split: int) -> str:
    """The structure file of a split, or ``hand``; ``{split}`` in the name is replaced by the number of the split.

    A search finds one structure per split: ``runs/NAME/split{split}/global.json`` names them all.
    """
    return name.replace("{split}", str(split))


def training_folder(name: str, split: int, seed: int) -> Path:
    """Output folder of a training, relative to that of all final trainings: STRUCTURE/splitK/seedS."""
    return Path(short_name(name)) / f"split{split}" / f"seed{seed}"


def short_name(name: str) -> str:
    """The name of a structure in tables: that of its file without suffix, or ``hand``."""
    return Path(name).stem
