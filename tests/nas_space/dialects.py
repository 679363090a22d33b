"""A structure, and files of it in each dialect."""

from __future__ import annotations

from typing import Any

from nas_space.networks import ms_tcn
from nas_space.structure import Structure

NETWORK = ms_tcn.describe(stages=2, layers=1)
STRUCTURE = Structure((4, 16), NETWORK)
EARLIER = {"name": "ms_tcn", "stages": 2, "layers": 1, "kernel": 3}
"""The network, as files of earlier versions describe it."""
FIRST, SECOND = "stage1.layers.0.conv_dilated", "stages.0.layers.0.conv_dilated"


def native(dilations: Any) -> dict[str, Any]:
    return {"format": "global2local-structure", "dilations": dilations}


def seed(first: Any, second: Any = 16) -> dict[str, Any]:
    return {"global": {"step": 30, "exp_rate": 0.1}, "model": {FIRST: first, SECOND: second}}


def mmcv(first: Any, second: Any = (16,)) -> dict[str, Any]:
    return {"search": {"step": 0}, "structure": {f"module.{FIRST}": first, f"module.{SECOND}": second}}
