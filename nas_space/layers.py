"""Convolutions over packed frames: the videos of a batch lie one after another, without padding and without a mask.

The convolutions alone are plain PyTorch: few operators whatever the batch, for any device and precision, and the
reference of the tests. ``DilatedResidualLayer`` picks the form that is fast where it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.packed_branches import BranchedResidual
from nas_space.packed_residual import PlainResiduals, draw_factors


class PointwiseConv(nn.Conv1d):
    """A 1x1 convolution: ``(frames, in_channels)`` -> ``(frames, out_channels)``. Weights as nn.Conv1d keeps them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def forward(self, frames: Tensor) -> Tensor:
        return F.linear(frames, self.weight[:, :, 0], self.bias)


class DilatedConv(nn.Conv1d):
    """A dilated convolution of odd kernel size k and padding d (k - 1) / 2, which keeps the number of frames.

    ``(frames, in_channels)`` -> ``(frames, out_channels)``; each video is convolved on its own, zeros beyond its ends.
    Weights as nn.Conv1d keeps them: ``(out_channels, in_channels, kernel)``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)
        # In memory tap by tap, so that each tap (and the gradient of each) is a matrix without being copied.
        tap_by_tap = self.weight.detach().permute(2, 0, 1).contiguous()
        self.weight = nn.Parameter(tap_by_tap.permute(1, 2, 0))

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """Convolve packed videos; ``offsets`` (videos + 1) says where each begins, and where the last one ends."""
        return self.convolve(frames, offsets, [self.dilation[0]])[0]

    def convolve(self, frames: Tensor, offsets: Sequence[int], dilations: Sequence[int]) -> Tensor:
        """Convolve with the weights of this layer at each of some dilations: ``(dilations, frames, out_channels)``."""
        videos, longest = len(offsets) - 1, max(end - start for start, end in pairwise(offsets))
        rows = torch.cat([torch.arange(end - start) + n * longest for n, (start, end) in enumerate(pairwise(offsets))])
        rows = rows.to(frames.device)
        padded = frames.new_zeros(videos * longest, self.in_channels).index_copy(0, rows, frames)
        padded = padded.view(videos, longest, self.in_channels).transpose(1, 2)
        reach = (self.kernel_size[0] - 1) // 2
        results = [F.conv1d(padded, self.weight, self.bias, padding=d * reach, dilation=d) for d in dilations]
        return torch.stack([result.transpose(1, 2).flatten(0, 1).index_select(0, rows) for result in results])


INITIAL_BRANCH_WEIGHT = 0.01
BRANCH_WEIGHTS = "branch_weights"
"""How the names of their parameters end."""


class BranchedConv(DilatedConv):
    """A dilated convolution in branches of different dilation that share its weights (Gao et al., CVPR 2021, eq. 4).

    The output is sum_i p_i conv(frames; dilation d_i) with the branch probabilities p_i = |w_i| / sum_j |w_j|; the
    branch weights w_i are learned, and start equal. ``inner_activation`` puts a ReLU into each branch, as the published
    Global2Local code does; RF-Next (arXiv 2206.06637) and MMCV have none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        branches: Sequence[int],
        inner_activation: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, branches[0])
        self.branches = tuple(branches)
        self.inner_activation = inner_activation
        self.branch_weights = nn.Parameter(torch.full((len(self.branches),), INITIAL_BRANCH_WEIGHT))

    @classmethod
    def expand(cls, conv: DilatedConv, branches: Sequence[int], inner_activation: bool = False) -> BranchedConv:
        """Put branches in place of a convolution's one dilation. Weight and bias are the very same parameters."""
        branched = cls(conv.in_channels, conv.out_channels, conv.kernel_size[0], branches, inner_activation)
        branched.weight, branched.bias = conv.weight, conv.bias
        return branched

    def collapse(self, dilation: int) -> DilatedConv:
        """A plain convolution of one dilation. Weight and bias are the very same parameters."""
        conv = DilatedConv(self.in_channels, self.out_channels, self.kernel_size[0], dilation)
        conv.weight, conv.bias = self.weight, self.bias
        return conv

    def probabilities(self) -> Tensor:
        """``(branches,)``: non-negative, of sum 1."""
        strengths = self.branch_weights.abs()
        return strengths / strengths.sum()

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:  # type: ignore[override]
        """``(frames, in_channels)`` -> ``(frames, out_channels)``; see ``DilatedConv.forward``."""
        outputs = self.convolve(frames, offsets, self.branches)
        if self.inner_activation:
            outputs = outputs.relu()
        return torch.einsum("b,bfc->fc", self.probabilities(), outputs)


class ChoosingConv(BranchedConv):
    """A dilated convolution that chooses among branches: their probabilities are softmax(branch weights / temperature).

    The lower the temperature, the closer the output is to the most probable branch alone. Branch weights start at 0.
    """

    temperature: float = 1.0

    @classmethod
    def among(cls, conv: DilatedConv, candidates: Sequence[int]) -> ChoosingConv:
        """Put a choice in place of a convolution's one dilation. Weight and bias are the very same parameters."""
        choosing = cls(conv.in_channels, conv.out_channels, conv.kernel_size[0], candidates)
        choosing.weight, choosing.bias = conv.weight, conv.bias
        nn.init.zeros_(choosing.branch_weights)
        return choosing

    def probabilities(self) -> Tensor:
        """``(branches,)``: non-negative, of sum 1."""
        return torch.softmax(self.branch_weights / self.temperature, dim=0)


class DilatedResidualLayer(nn.Module):
    """Dilated convolution -> ReLU -> 1x1 convolution -> dropout -> add the input (Abu Farha and Gall, CVPR 2019, 3.1).

    Two forms compute the same: the packed one does many small operations on views, which is fast on a CPU; the padded
    one does few large ones on the batch padded to its longest video, as suits a GPU, and is the one for autocast, for
    second derivatives and for a ReLU within each branch. Dropout samples other elements in each.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv_dilated = DilatedConv(channels, channels, kernel_size, dilation)
        self.conv_1x1 = PointwiseConv(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:
        """``(frames, channels)`` -> ``(frames, channels)``, in the form that is fast where it runs."""
        conv, pointwise = self.conv_dilated, self.conv_1x1
        if not is_packed(frames) or (isinstance(conv, BranchedConv) and conv.inner_activation):
            return self.padded(frames, offsets)
        if not isinstance(conv, BranchedConv):
            return plain_packed_layers([self], frames, offsets)
        factors = _drawn(self.dropout, frames)
        parameters = (conv.weight, conv.bias, conv.probabilities(), pointwise.weight, pointwise.bias)
        return BranchedResidual.apply(frames, *parameters, conv.branches, offsets, factors)

    def padded(self, frames: Tensor, offsets: Sequence[int]) -> Tensor:
        """As ``forward``, in the padded form."""
        hidden = F.relu(self.conv_dilated(frames, offsets))
        return frames + self.dropout(self.conv_1x1(hidden))


def is_packed(frames: Tensor) -> bool:
    """Whether layers take their packed form for these frames: on a CPU, in its own precision."""
    return frames.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def residual_layers(layers: Sequence[DilatedResidualLayer], frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """Layers of one dropout, one after another: ``(frames, channels)`` -> ``(frames, channels)``."""
    if is_packed(frames) and not any(isinstance(layer.conv_dilated, BranchedConv) for layer in layers):
        return plain_packed_layers(layers, frames, offsets)
    for layer in layers:
        frames = layer(frames, offsets)
    return frames


def plain_packed_layers(layers: Sequence[DilatedResidualLayer], frames: Tensor, offsets: Sequence[int]) -> Tensor:
    """``residual_layers`` in one step, in the packed form, where none has branches."""
    factors = _drawn(layers[0].dropout, frames.expand(len(layers), *frames.shape))
    dilations = [layer.conv_dilated.dilation[0] for layer in layers]
    parameters = [
        parameter
        for layer in layers
        for conv in (layer.conv_dilated, layer.conv_1x1)
        for parameter in (conv.weight, conv.bias)
    ]
    return PlainResiduals.apply(frames, offsets, dilations, factors, *parameters)


def _drawn(dropout: nn.Dropout, frames: Tensor) -> Tensor | None:
    """What dropout multiplies frames by; None where it leaves them as they are."""
    return draw_factors(frames, dropout.p) if dropout.training and dropout.p > 0 else None
