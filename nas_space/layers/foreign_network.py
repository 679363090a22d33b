"""A module over ``(batch, channels, frames)`` as a network over packed videos."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from common.bad_input import BadInput, naming
from nas_space.layers.packed_videos import PackedVideos


class ForeignNetwork(nn.Module):
    """A module over ``(1, channels, frames)`` as a network over packed videos: one after another, each on its own.

    Neither padding nor batch normalisation mixes videos. Its state dict is that of the module.
    """

    def __init__(self, net: nn.Module, classes: int, name: str) -> None:
        """``name``: what messages call it."""
        super().__init__()
        self.name = name
        self.net = net
        self.classes = classes

    def forward(self, videos: PackedVideos) -> Tensor:
        """Videos of feature vectors -> logits ``(outputs, frames, classes)``.

        Raises:
            BadInput: see ``logits``.
        """
        lengths = [end - start for start, end in pairwise(videos.offsets)]
        # Copies, as a layer may keep its input for the gradient, and features may be mapped from a file.
        parts = [video.T.contiguous() for video in videos.features.split(lengths)]
        with naming(self.name):
            outputs = [logits(self.net, video, self.classes) for video in parts]
        if videos.release is not None:
            videos.release()
        return torch.cat(outputs, dim=1)

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """That of the module."""
        return self.net.state_dict(*args, **options)

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        """That of the module."""
        return self.net.load_state_dict(*args, **options)


def logits(net: nn.Module, video: Tensor, classes: int) -> Tensor:
    """The outputs of a module for the features ``(channels, frames)`` of a video: ``(outputs, frames, classes)``.

    Raises:
        BadInput: it returns anything but scores ``(1, classes, frames)``, or several of these: a list, a tuple, or
            stacked.
    """
    result = net(video[None])
    several = list(result) if isinstance(result, list | tuple) else [result]
    if not several or not all(isinstance(each, Tensor) for each in several):
        raise BadInput(f"it returns {_shape(result)} in place of scores (1, classes, frames), or several of these")
    if len({each.shape for each in several}) > 1:
        raise BadInput(f"its outputs differ in shape: {', '.join(map(_shape, several))}")
    outputs = torch.stack(several) if isinstance(result, list | tuple) or result.ndim < 4 else result
    if outputs.shape[1:] != (1, classes, video.shape[1]):
        raise BadInput(
            f"for features {_shape(video[None])} it returns scores {_shape(several[0])}: its output must have "
            f"{classes} classes, and as many frames as its input"
        )
    return outputs[:, 0].transpose(1, 2)


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
