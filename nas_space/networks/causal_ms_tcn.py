"""Causal MS-TCN: its dilated convolutions read the frames t, t - d, t - 2d, ... instead of t - d, t, t + d."""

from __future__ import annotations

from typing import Any

from nas_space.network import Network
from nas_space.networks import ms_tcn

NAME = "causal-ms-tcn"

build = ms_tcn.build
parameters = ms_tcn.parameters


def describe(**options: Any) -> Network:
    """As ``ms_tcn.describe``."""
    return Network(NAME, *ms_tcn.layout(NAME, options), causal=True)
