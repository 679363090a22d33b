"""The layers of a network over frames that come one after another, with numpy alone: see streaming.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PIECE = 32
"""Frames that a layer computes at once."""

Floats = npt.NDArray[np.floating[Any]]


class Pointwise:
    """A 1x1 convolution of every frame, after a softmax where a stage reads the output of the one before."""

    def __init__(self, weight: Floats, bias: Floats, softmax: bool) -> None:
        """``weight`` (in, out), ``bias`` (out,)."""
        self.weight, self.bias, self.softmax = weight, bias, softmax

    def push(self, frames: Floats) -> Floats:
        """``(frames, in)`` -> ``(frames, out)``"""
        result: Floats = (softmax(frames) if self.softmax else frames) @ self.weight
        result += self.bias
        return result


class Residual:
    """A dilated residual layer: x -> x + W relu(sum over its taps) + b, or without W and b."""

    def __init__(
        self, offsets: Sequence[int], weight: Floats, bias: Floats, after: tuple[Floats, Floats] | None
    ) -> None:
        """``offsets`` (taps,): the frame that each reads, seen from that of the output; ``weight`` (taps x channels,
        channels), ``bias`` (channels,); ``after``: W and b, as those of ``Pointwise``.
        """
        self.offsets, self.weight, self.bias, self.after = list(offsets), weight, bias, after
        self.past, self.future = max(0, -min(offsets)), max(0, *offsets)
        # Before the first frame lie zeros.
        self.ring = np.zeros((self.past + self.future + PIECE, weight.shape[1]), weight.dtype)
        self.received = 0

    def push(self, frames: Floats) -> Floats:
        """The next frames -> the outputs that they complete: ``(frames, channels)`` each."""
        pieces = [self._push(frames[start : start + PIECE]) for start in range(0, len(frames), PIECE)]
        return np.concatenate(pieces) if pieces else frames

    def finish(self) -> Floats:
        """The outputs that still wait for frames: after the last one lie zeros."""
        return self.push(np.zeros((self.future, self.ring.shape[1]), self.ring.dtype))

    def _push(self, frames: Floats) -> Floats:
        ring, size = self.ring, len(self.ring)
        first = max(0, self.received - self.future)
        self._keep(frames)
        count = max(0, self.received - self.future) - first
        if count == 1:  # a frame at a time is the usual case, in which the indices would take as long as the products
            read = np.concatenate([ring[(first + offset) % size] for offset in self.offsets])[None]
        else:
            rows = np.arange(first, first + count)[:, None] + self.offsets
            read = ring.take(rows % size, axis=0).reshape(count, len(self.weight))
        hidden = read @ self.weight
        hidden += self.bias
        np.maximum(hidden, 0, out=hidden)
        if self.after is not None:
            hidden = hidden @ self.after[0]
            hidden += self.after[1]
        hidden += ring[first % size] if count == 1 else ring.take(np.arange(first, first + count) % size, axis=0)
        return hidden

    def _keep(self, frames: Floats) -> None:
        at, count = self.received % len(self.ring), len(frames)
        until_end = min(count, len(self.ring) - at)
        self.ring[at : at + until_end] = frames[:until_end]
        self.ring[: count - until_end] = frames[until_end:]
        self.received += count


def softmax(logits: Floats) -> Floats:
    """``(frames, classes)``: the probabilities of the classes in each frame."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result
