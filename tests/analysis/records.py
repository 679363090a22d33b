"""Records as a tuner writes them, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nni_api.records import Records


def write_final_records(folder: Path, values: list[float]) -> Path:
    """The final training of ``hand`` with two seeds on one split, whose first trainings got these values."""
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", phase="final", resumed=False, refusal=None)
    for seed in (0, 1):
        records.write("proposed", uid=seed, structure={}, name="hand", split=1, seed=seed)
    for uid, value in enumerate(values):
        result: dict[str, Any] = {"trial": f"trial{uid}", "metrics": {"default": value}, "epochs": [], "seconds": 3.0}
        records.write("finished", uid=uid, structure={}, **result)
    return folder


def write_global_records(folder: Path, values: list[float], done: bool = True) -> Path:
    """A finished global search over one stage of two layers, whose proposals got these values of ``default``."""
    folder.mkdir(parents=True)
    records = Records(folder)
    records.write("started", resumed=False, refusal=None)
    for uid, value in enumerate(values):
        structure = {"s1l0": 2**uid, "s1l1": 1}
        records.write("proposed", uid=uid, structure=structure, generation=uid // 2, parents=[])
        result: dict[str, Any] = {"trial": f"trial{uid}", "metrics": {"default": value}, "epochs": [], "seconds": 3.0}
        records.write("finished", uid=uid, structure=structure, **result)
    if done:
        records.write("done")
    return folder
