"""Fold the branches of a layer into one dense kernel (RF-Next's rf-merge, arXiv 2206.06637), where that costs less.

A sum of convolutions of one input is a convolution: sum_i p_i conv(x; W, d_i) has the taps of all branches. With g the
greatest common divisor of the dilations, and d the longest, that is one kernel of (k - 1) d / g + 1 taps at dilation g.
Most of them are 0 where the dilations have little in common: 90, 100 and 110 make 23 taps in place of 3 x 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

import torch
from torch import nn

from common.bad_input import BadInput
from nas_space.layers.convolutions import BranchedConv, DilatedConv
from nas_space.structure import Structure


def dense_taps(kernel_size: int, dilations: Sequence[int]) -> int:
    """Taps of the kernel that branches of these dilations make together."""
    return (kernel_size - 1) * max(dilations) // gcd(*dilations) + 1


def summed_taps(kernel_size: int, dilations: Sequence[int]) -> int:
    """Taps of the branches one by one, each a convolution."""
    return kernel_size * len(dilations)


def foldable(structure: Structure) -> list[str]:
    """Labels of the layers of several branches of which one dense kernel costs less than their sum."""
    taps = layer_taps(structure)
    return [label for label, (dense, summed) in taps.items() if dense < summed]


def layer_taps(structure: Structure) -> dict[str, tuple[int, int]]:
    """Of every layer of several branches, by label: its taps as one dense kernel, and as branches one by one."""
    kernels = {layer.label: layer.kernel_size for layer in structure.network.layers}
    dilations = {
        label: [branch.dilation for branch in branches]
        for label, branches in structure.branches_by_label().items()
        if len(branches) > 1
    }
    return {
        label: (dense_taps(kernels[label], each), summed_taps(kernels[label], each))
        for label, each in dilations.items()
    }


def fold(module: nn.Module, structure: Structure, labels: Iterable[str]) -> None:
    """Fold the branches of these layers into one dense kernel each, in place; the outputs stay.

    Raises:
        BadInput: a layer keeps no branches, or one dense kernel costs no less than their sum; or the network is not
            one of ours, whose convolutions are not ours to replace.
    """
    network, taps = structure.network, layer_taps(structure)
    layers = {layer.label: layer for layer in network.layers}
    for label in labels:
        if label not in layers:
            raise BadInput(f"{network} has no layer {label!r}")
        if label not in taps:
            raise BadInput(f"layer {label!r} has not several branches: there is nothing to fold")
        dense, summed = taps[label]
        if dense >= summed:
            raise BadInput(
                f"layer {label!r}: one dense kernel has {dense} taps, its branches one by one have {summed}: "
                "they stay a sum"
            )
        conv = module.get_submodule(network.built_path(layers[label]))
        if isinstance(conv, DilatedConv) and not isinstance(conv, BranchedConv):
            raise BadInput(f"layer {label!r} is folded already")
        if not isinstance(conv, BranchedConv):
            raise BadInput(f"layer {label!r} is a convolution of {network}: only those of our networks can be folded")
        module.set_submodule(layers[label].path, _folded(conv))


def _folded(conv: BranchedConv) -> DilatedConv:
    """One convolution with the output of all branches of another."""
    step, (kernel_size,) = gcd(*conv.dilations), conv.kernel_size
    folded = DilatedConv(conv.in_channels, conv.out_channels, dense_taps(kernel_size, conv.dilations), step)
    folded.present = conv.present * max(conv.dilations) // step
    with torch.no_grad():
        weight = torch.zeros_like(folded.weight, dtype=conv.weight.dtype, device=conv.weight.device)
        for frame, tap in conv.taps().items():
            weight[:, :, folded.present + frame // step] = tap
    folded.weight, folded.bias = nn.Parameter(weight), conv.bias
    return folded
