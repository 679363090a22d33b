"""MS-TCN in its usual formulation, to measure against: padded ``(videos, channels, frames)``, masks and nn.Conv1d.

An independent implementation of what is common in the field; ``state_dict`` is interchangeable with ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_space.layers.on_cpu.packed_residual import sample_dropout_mask
from nas_space.networks import find_network
from nas_space.structure import Structure
from trials.data.feature_files import Features
from trials.data.label_files import Labels

CHANNELS = 64
PADDED_LABEL = -100
"""The label that nn.CrossEntropyLoss ignores."""
MS_TCN = find_network("ms-tcn")
HAND = Structure.hand(MS_TCN)


class BranchedConv1d(nn.Conv1d):
    """Branches of several dilations with shared weights: one convolution each, weighted and summed."""

    def __init__(self, channels: int, branches: Sequence[int]) -> None:
        super().__init__(channels, channels, 3)
        self.branches = tuple(branches)
        self.branch_weights = nn.Parameter(torch.full((len(branches),), 0.01))

    def forward(self, padded: Tensor) -> Tensor:
        """``(videos, channels, frames)`` -> the same shape."""
        magnitudes = self.branch_weights.abs()
        total = torch.zeros_like(padded)
        for share, dilation in zip(magnitudes / magnitudes.sum(), self.branches, strict=True):
            total = total + share * F.conv1d(padded, self.weight, self.bias, padding=dilation, dilation=dilation)
        return total


class BitDropout(nn.Module):
    """Dropout with probability 0.5 from single random bits, as in our own layers."""

    def forward(self, padded: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return padded * sample_dropout_mask(padded, 0.5) if self.training else padded


class ReferenceLayer(nn.Module):
    """Dilated convolution -> ReLU -> 1x1 convolution -> dropout -> add the input -> mask."""

    def __init__(self, branches: Sequence[int], dropout: nn.Module) -> None:
        super().__init__()
        self.conv_dilated = (
            BranchedConv1d(CHANNELS, branches)
            if len(branches) > 1
            else nn.Conv1d(CHANNELS, CHANNELS, 3, padding=branches[0], dilation=branches[0])
        )
        self.conv_1x1 = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.dropout = dropout

    def forward(self, padded: Tensor, mask: Tensor) -> Tensor:
        """``(videos, channels, frames)`` -> the same shape; ``mask`` (videos, 1, frames)."""
        hidden = F.relu(self.conv_dilated(padded))
        return (padded + self.dropout(self.conv_1x1(hidden))) * mask


class ReferenceStage(nn.Module):
    """One stage."""

    def __init__(
        self, in_channels: int, classes: int, branches: Sequence[Sequence[int]], dropout: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.conv_1x1 = nn.Conv1d(in_channels, CHANNELS, 1)
        self.layers = nn.ModuleList(ReferenceLayer(several, dropout()) for several in branches)
        self.conv_out = nn.Conv1d(CHANNELS, classes, 1)

    def forward(self, padded: Tensor, mask: Tensor) -> Tensor:
        """``(videos, in_channels, frames)`` -> logits ``(videos, classes, frames)``."""
        hidden = self.conv_1x1(padded)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return self.conv_out(hidden) * mask


class ReferenceNetwork(nn.Module):
    """MS-TCN; ``branches`` are the dilations of each layer of each stage, one or several."""

    def __init__(
        self,
        branches: Sequence[Sequence[Sequence[int]]],
        feature_dim: int,
        classes: int,
        dropout: Callable[[], nn.Module] = nn.Dropout,
    ) -> None:
        super().__init__()
        first, *later = branches
        self.stage1 = ReferenceStage(feature_dim, classes, first, dropout)
        self.stages = nn.ModuleList(ReferenceStage(classes, classes, each, dropout) for each in later)

    def forward(self, padded: Tensor, mask: Tensor) -> Tensor:
        """``(videos, feature_dim, frames)`` -> logits ``(stages, videos, classes, frames)``."""
        logits = [self.stage1(padded, mask)]
        for stage in self.stages:
            logits.append(stage(F.softmax(logits[-1], dim=1) * mask, mask))
        return torch.stack(logits)


def reference_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy + 0.15 x truncated mean squared error, summed over stages; ``labels`` (videos, frames)."""
    loss = logits.new_zeros(())
    for stage in logits:
        loss = loss + F.cross_entropy(stage.transpose(1, 2).flatten(0, 1), labels.flatten(), ignore_index=PADDED_LABEL)
        now, before = F.log_softmax(stage[:, :, 1:], dim=1), F.log_softmax(stage.detach()[:, :, :-1], dim=1)
        squared = F.mse_loss(now, before, reduction="none").clamp(min=0, max=16)
        loss = loss + 0.15 * (squared * mask[:, :, 1:]).mean()
    return loss


class ReferenceTraining:
    """Training step by step, with torch's Adam."""

    def __init__(self, network: ReferenceNetwork, learning_rate: float = 5e-4) -> None:
        self.network = network.train()
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)

    def step(self, features: Sequence[Features], labels: Sequence[Labels]) -> float:
        """One step on videos: features ``(channels, frames)`` and labels ``(frames,)`` of each; returns the loss."""
        padded, padded_labels, mask = pad(features, labels)
        self.optimizer.zero_grad()
        loss = reference_loss(self.network(padded, mask), padded_labels, mask)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def pad(features: Sequence[Features], labels: Sequence[Labels]) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``(videos, channels, frames)``, labels ``(videos, frames)`` and mask ``(videos, 1, frames)``."""
    longest = max(len(each) for each in labels)
    padded = torch.zeros(len(features), len(features[0]), longest)
    padded_labels = torch.full((len(features), longest), PADDED_LABEL)
    mask = torch.zeros(len(features), 1, longest)
    for index, (video, its_labels) in enumerate(zip(features, labels, strict=True)):
        frames = len(its_labels)
        padded[index, :, :frames] = torch.from_numpy(video)
        padded_labels[index, :frames] = torch.from_numpy(its_labels)
        mask[index, :, :frames] = 1
    return padded, padded_labels, mask


def plain_branches(structure: Structure) -> list[list[tuple[int, ...]]]:
    """A structure's dilations for ``ReferenceNetwork``: one branch in each layer."""
    return [[(dilation,) for dilation in stage] for stage in structure.by_block()]
