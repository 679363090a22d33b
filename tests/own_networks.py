"""Networks that know nothing of this project, and those that cannot be searched; ``tests.own_networks:residual``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

HAND = (1, 2, 4)


class Residual(nn.Module):
    """Symmetric, batch normalised; every layer's output is one of the network."""

    def __init__(self, features: int, classes: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.first = nn.Conv1d(features, 6, 1)
        self.convs = nn.ModuleList(nn.Conv1d(6, 6, 3, padding="same", dilation=each) for each in dilations)
        self.norms = nn.ModuleList(nn.BatchNorm1d(6) for _ in dilations)
        self.last = nn.Conv1d(6, classes, 1)

    def forward(self, frames: Tensor) -> list[Tensor]:
        hidden, outputs = self.first(frames), []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            hidden = hidden + norm(conv(hidden)).relu()
            outputs.append(self.last(hidden))
        return outputs


class Chomped(nn.Module):
    """Causal as the TCN of Bai et al. (arXiv 1803.01271): padded on both sides, then cut; its weights parametrised."""

    def __init__(self, features: int, classes: int, dilations: Sequence[int]) -> None:
        super().__init__()
        channels = [features, *(6 for _ in dilations)]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(channels[n], channels[n + 1], 3, padding=2 * dilation, dilation=dilation))
            for n, dilation in enumerate(dilations)
        )
        self.cuts = [2 * dilation for dilation in dilations]
        self.last = nn.Conv1d(6, classes, 1)

    def forward(self, frames: Tensor) -> Tensor:
        for conv, cut in zip(self.convs, self.cuts, strict=True):
            frames = conv(frames)[..., :-cut].relu()
        return self.last(frames)


class Planar(nn.Module):
    """2-D convolutions along time, (k, 1) and (1, k), and one along the other axis; outputs are stacked."""

    def __init__(self, features: int, classes: int, dilations: Sequence[int]) -> None:
        super().__init__()
        first, second, third = dilations
        self.shares = nn.Parameter(torch.full((features,), 1 / features))
        self.joints = nn.Conv2d(1, 4, (3, 1), padding=(1, 0))  # over (batch, 1, features, frames)
        self.first = nn.Conv2d(4, 4, (1, 5), padding=(0, 2 * first), dilation=(1, first))
        self.second = nn.Conv2d(4, 4, (3, 1), padding=(second, 0), dilation=(second, 1))  # over (..., frames, features)
        self.third = nn.Conv2d(4, classes, (3, 1), padding=(third, 0), dilation=(third, 1), groups=1)

    def forward(self, frames: Tensor) -> Tensor:
        hidden = self.first(self.joints(frames[:, None]).relu()).relu().transpose(2, 3)
        scores = self.third(self.second(hidden).relu()) @ self.shares
        return torch.stack([scores, 2 * scores])


def residual(features: int, classes: int, dilations: Sequence[int] | None = None) -> nn.Module:
    return Residual(features, classes, dilations or HAND)


def chomped(features: int, classes: int, dilations: Sequence[int] | None = None) -> nn.Module:
    return Chomped(features, classes, dilations or HAND)


def planar(features: int, classes: int, dilations: Sequence[int] | None = None) -> nn.Module:
    return Planar(features, classes, dilations or HAND)


class Parallel(nn.Module):
    """Two convolutions of the same input."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.near = nn.Conv1d(features, classes, 3, padding="same")
        self.far = nn.Conv1d(features, classes, 3, padding="same", dilation=4)

    def forward(self, frames: Tensor) -> Tensor:
        return self.near(frames) + self.far(frames)


def parallel(features: int, classes: int) -> nn.Module:
    return Parallel(features, classes)


class Changed(nn.Module):
    """A convolution, and a function of its output."""

    def __init__(self, features: int, classes: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv1d(features, classes, **{"kernel_size": 3, "padding": 1, **options})

    def forward(self, frames: Tensor) -> Any:
        return self.conv(frames)


def circular(features: int, classes: int) -> nn.Module:
    return Changed(features, classes, padding_mode="circular")


class Strided(Changed):
    def forward(self, frames: Tensor) -> Tensor:
        return F.interpolate(self.conv(frames), frames.shape[2])


def strided(features: int, classes: int) -> nn.Module:
    return Strided(features, classes, stride=2)


def shorter(features: int, classes: int) -> nn.Module:
    return Changed(features, classes, padding=0)


def pointwise(features: int, classes: int) -> nn.Module:
    return Changed(features, classes, kernel_size=1, padding=0)


def even(features: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.ConstantPad1d((1, 0), 0.0), Changed(features, classes, kernel_size=2, padding=0))


def reflected(features: int, classes: int) -> nn.Module:
    """Padded outside its convolution by something other than zeros."""
    return nn.Sequential(nn.ReflectionPad1d(1), Changed(features, classes, padding=0))


class OneSided(Changed):
    """Looks into the past, beside a layer that looks both ways."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, features)
        self.past = nn.Conv1d(features, classes, 3)

    def forward(self, frames: Tensor) -> Tensor:
        return self.past(F.pad(self.conv(frames), (2, 0)))


def one_sided(features: int, classes: int) -> nn.Module:
    return OneSided(features, classes)


class Random(Changed):
    def forward(self, frames: Tensor) -> Tensor:
        return self.conv(frames) + torch.rand(1)


def random(features: int, classes: int) -> nn.Module:
    return Random(features, classes)


class Counting(Changed):
    calls = 0

    def forward(self, frames: Tensor) -> Tensor:
        self.calls += 1
        return self.calls * self.conv(frames)


def counting(features: int, classes: int) -> nn.Module:
    return Counting(features, classes)


class Bypassing(Changed):
    def forward(self, frames: Tensor) -> Tensor:
        return F.conv1d(frames, self.conv.weight, padding=1)


def bypassing(features: int, classes: int) -> nn.Module:
    return Bypassing(features, classes)


class Constant(Changed):
    def forward(self, frames: Tensor) -> Tensor:
        return 0 * self.conv(frames)


def constant(features: int, classes: int) -> nn.Module:
    return Constant(features, classes)


class Dictionary(Changed):
    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        return {"scores": self.conv(frames)}


def dictionary(features: int, classes: int) -> nn.Module:
    return Dictionary(features, classes)


def failing(features: int, classes: int) -> nn.Module:
    raise RuntimeError(f"no network for {features} features\nand {classes} classes")


def no_module(features: int, classes: int) -> Any:
    return features * classes


class ZeroStart(Changed):
    """Looks ahead, but only once its weight has left zero."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes)
        self.ahead = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor) -> Tensor:
        return F.pad(frames, (0, 0))[:, :1] * 0 + self.ahead * self.conv(frames)


def zero_start(features: int, classes: int) -> nn.Module:
    return ZeroStart(features, classes)


class Averaging(Changed):
    """Sees all of its input at once."""

    def forward(self, frames: Tensor) -> Tensor:
        return self.conv(frames) + frames.mean()


def averaging(features: int, classes: int) -> nn.Module:
    return Averaging(features, classes)


class Unbatched(Changed):
    def forward(self, frames: Tensor) -> Tensor:
        return self.conv(frames[0])[None]


def unbatched(features: int, classes: int) -> nn.Module:
    return Unbatched(features, classes)


class Joints(Changed):
    """Batch normalised over more than frames, with dropout."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, frames: Tensor) -> Tensor:
        return F.dropout(self.norm(self.conv(frames)[:, None])[:, 0], 0.2, self.training)


def joints(features: int, classes: int) -> nn.Module:
    return Joints(features, classes)


def instance_normed(features: int, classes: int) -> nn.Module:
    return nn.Sequential(Changed(features, classes), nn.InstanceNorm1d(classes))
