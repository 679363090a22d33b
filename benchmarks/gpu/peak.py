"""What a device can do, measured with a large matrix product and a large copy, and what a training step needs of it."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from benchmarks.gpu.precisions import in_precision
from benchmarks.gpu.rounds import seconds_of
from benchmarks.reference import CHANNELS
from benchmarks.roofline import multiplications
from nas_space.structure import Structure

REPEATS = 10


def peak_products(device: torch.device, precision: str) -> float:
    """Floating-point operations a second, two for each multiply-add, of the fastest of some large matrix products."""
    size = 8192 if device.type == "cuda" else 512
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    result = torch.empty_like(one)
    with in_precision(precision):
        torch.mm(one, other, out=result)
        seconds = min(seconds_of(lambda: torch.mm(one, other, out=result), device) for _ in range(REPEATS))
    return 2 * size**3 / seconds


def peak_copy(device: torch.device) -> float:
    """Bytes a second, read and written ones together, of the fastest of some large copies in the device's memory."""
    numbers = 2**28 if device.type == "cuda" else 2**22
    source, target = torch.ones(numbers, device=device), torch.empty(numbers, device=device)
    target.copy_(source)
    seconds = min(seconds_of(lambda: target.copy_(source), device) for _ in range(REPEATS))
    return 2 * source.nbytes / seconds


def step_operations(structure: Structure, lengths: Iterable[int], feature_dim: int, classes: int) -> int:
    """Floating-point operations of training steps on videos of these lengths, two for each multiply-add.

    Those of the matrix products of a network of one dilation a layer. Branches share their weights, so that they need
    no more products than that, however many a form may take.
    """
    return 2 * sum(multiplications(structure, frames, feature_dim, classes) for frames in lengths)


def step_bytes(
    structure: Structure, frames: int, feature_dim: int, element_bytes: int = 4, channels: int = CHANNELS
) -> int:
    """Bytes that the layers read and write in a training step, if every operator of a layer does so once.

    A layer in the forward pass: reads its input and writes the output of the convolution; reads that and its input, and
    writes its output. In the backward pass: reads the gradient of its output and the output of the convolution, and
    writes the gradient of that; reads it, its input and the gradient of its output, and writes the gradient of its
    input. Those are 12 times all channels; a dropout mask is written once and read twice, a byte for each channel. The
    features, float32, are read in both passes. Operators that are fused can do with less; what else there is (ends of
    stages, loss, optimizer) is not counted.
    """
    layers = sum(dilation > 0 for dilation in structure.dilations)
    return frames * (layers * channels * (12 * element_bytes + 3) + 2 * feature_dim * 4)
