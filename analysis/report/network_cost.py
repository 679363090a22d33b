"""Cost of inference: parameters, multiply-adds, and speed on this machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nas_space.network import Network
from trials.training.scoring import predict

ROUNDS = 5


@dataclass(frozen=True)
class NetworkCost:
    """The cost of one network."""

    parameters: int
    multiply_adds: int
    """Per frame: every weight of a convolution is used once, whatever its dilation; a weight that several stages share,
    once in each."""
    frames_per_second: float
    """Frames as the network reads them."""


def measure(
    modules: Mapping[str, nn.Module], network: Network, feature_dim: int, frames: int
) -> dict[str, NetworkCost]:
    """The costs of structures of one network, by their names.

    Speeds are the best of ``ROUNDS`` interleaved rounds, on random features.

    Args:
        frames: length of the video.
    """
    features = np.random.default_rng(0).standard_normal((frames, feature_dim), dtype=np.float32)
    seconds = dict.fromkeys(modules, np.inf)
    for _ in range(ROUNDS):
        for name, module in modules.items():
            start = time.perf_counter()
            predict(module, features, torch.device("cpu"))
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return {
        name: NetworkCost(
            parameters=sum(weight.numel() for weight in module.parameters()),
            multiply_adds=sum(
                weight.numel() * _uses(path, network) for path, weight in module.named_parameters() if weight.ndim > 1
            ),
            frames_per_second=float(frames / seconds[name]),
        )
        for name, module in modules.items()
    }


def _uses(path: str, network: Network) -> int:
    """How often each frame passes the weight with this path: as often as the block in the same child module."""
    child = path.partition(".")[0]
    return next((block.repeats for block in network.blocks if block.layers[0].path.startswith(f"{child}.")), 1)


def processor() -> str:
    """The name of this machine's processor, as far as the system knows it, and the number of threads."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    return f"{name}, {torch.get_num_threads()} thread(s)"
