"""The precisions in which a GPU can train, and what they do to the logits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nas_space.layers.packed_videos import PackedVideos

PRECISIONS = {
    "default": "float32 as PyTorch has it by default: TF32 in convolutions, not in matrix products",
    "float32": "float32 throughout",
    "TF32": "float32 with TF32 in convolutions and matrix products",
    "bf16": "bfloat16 (--precision bf16)",
}


def precisions_on(device: torch.device) -> tuple[str, ...]:
    """Those of ``PRECISIONS`` that differ there, the default first: on a CPU there is one."""
    return tuple(PRECISIONS) if device.type == "cuda" else ("default",)


@contextmanager
def in_precision(name: str) -> Iterator[None]:
    """Let PyTorch compute in one of ``PRECISIONS``, as far as that is a setting of the process: bf16 is autocast's."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        # All said, as a training sets both for its own precision.
        matmul.allow_tf32, cudnn.allow_tf32 = name == "TF32", name != "float32"
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


@torch.no_grad()
def logits(network: nn.Module, videos: PackedVideos, precision: str) -> Tensor:
    """Logits ``(outputs, frames, classes)`` in a precision, without dropout, as float64 on the CPU."""
    network.eval()
    with in_precision(precision), torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
        return network(videos).double().cpu()


def largest_relative_difference(values: Tensor, reference: Tensor) -> float:
    """The largest absolute difference over the largest absolute value."""
    return float((values - reference).abs().max() / reference.abs().max())
