"""A network that labels a video while it is recorded: frame by frame, in bounded memory, with numpy alone.

``trials.export_stream`` writes its file. A convolution keeps the frames that its taps still read in a ring, and waits
for those after the present one. So each output is that of the whole video, by as many frames later as the network sees
into the future: none if it is causal.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.atomic_file import write_atomically
from common.bad_input import BadInput
from common.read_file import require_file

FORMAT = "global2local-stream"
STATE = "global2local-stream-state"
PIECE = 32
"""Frames that a layer computes at once."""

DAMAGE = (KeyError, TypeError, ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Exceptions raised when a damaged file is read."""

Precision = Literal["float32", "float64"]
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


class Stream:
    """A network over one video that is not over yet.

    Args:
        path: a file of ``trials.export_stream``.

    Raises:
        BadInput: it is missing, damaged, or of something else.
    """

    def __init__(self, path: str | Path) -> None:
        arrays, about = _read(Path(path), FORMAT)
        self.path = Path(path)
        try:
            self.classes: list[str] = [str(name) for name in about["classes"]]
            self.sample_rate, self.channels = int(about["sample_rate"]), int(about["feature_dim"])
            self._layers = [_layer(arrays, index, kind) for index, kind in enumerate(about["layers"])]
            width = self.channels
            for layer in self._layers:
                width = _width(layer, width)
            if not self._layers or width != len(self.classes) or self.sample_rate < 1:
                raise ValueError("layers, classes or sample_rate")
        except (KeyError, TypeError, ValueError) as fault:
            raise BadInput(f"{path}: damaged ({type(fault).__name__}: {str(fault)[:200]})") from None
        self.delay = sum(layer.future for layer in self._residuals)
        """Frames by which the output lags: those that the network sees after the present one."""
        self.seen = 0
        """Frames so far, as the network reads them: every ``sample_rate``-th of the video."""

    @property
    def memory(self) -> int:
        """Bytes that the rings take, whatever the length of the video."""
        return sum(layer.ring.nbytes for layer in self._residuals)

    @property
    def _residuals(self) -> list[Residual]:
        return [layer for layer in self._layers if isinstance(layer, Residual)]

    def step(self, frames: Floats) -> Floats:
        """The next frames of the video -> class probabilities of the frames that can be told now.

        Args:
            frames: ``(frames, channels)``, or one, ``(channels,)``; any number of them.

        Returns:
            ``(frames, classes)``: as many as came in, ``delay`` frames earlier in the video; at its start fewer.

        Raises:
            BadInput: they are of another width, or a value is not finite.
        """
        frames = np.atleast_2d(np.asarray(frames))
        if frames.ndim != 2 or frames.shape[1] != self.channels:
            raise BadInput(f"a frame has {self.channels} channels, not {' x '.join(map(str, frames.shape[1:]))}")
        if not np.isfinite(frames).all():
            raise BadInput(f"frame {self.seen + int(np.argwhere(~np.isfinite(frames))[0][0])}: NaN or infinity")
        self.seen += len(frames)
        values = frames.astype(self._layers[0].weight.dtype, copy=False)
        for layer in self._layers:
            values = layer.push(values)
        return softmax(values)

    def finish(self) -> Floats:
        """The probabilities of the last ``delay`` frames: the video is over, and the stream at its end."""
        values = np.zeros((0, self.channels), self._layers[0].weight.dtype)
        for layer in self._layers:
            values = layer.push(values)
            if isinstance(layer, Residual):
                values = np.concatenate([values, layer.finish()])
        return softmax(values)

    def save(self, path: str | Path) -> None:
        """Write how far it is, so that another process can go on."""
        about = {"format": STATE, "network": self._checksum(), "seen": self.seen}
        about["received"] = [layer.received for layer in self._residuals]
        rings = {f"ring{index}": layer.ring for index, layer in enumerate(self._residuals)}
        _write(Path(path), about, rings)

    def resume(self, path: str | Path) -> None:
        """Go on from where another stream of the same network was saved.

        Raises:
            BadInput: the file is missing, damaged, or of another network.
        """
        arrays, about = _read(Path(path), STATE)
        try:
            if about["network"] != self._checksum():
                raise BadInput(f"{path}: the state of another network than that of {self.path}")
            received = [int(number) for number in about["received"]]
            for index, (layer, number) in enumerate(zip(self._residuals, received, strict=True)):
                ring = arrays[f"ring{index}"]
                if ring.shape != layer.ring.shape or ring.dtype != layer.ring.dtype:
                    raise ValueError(f"ring{index}")
                layer.ring, layer.received = ring, number
            self.seen = int(about["seen"])
        except (KeyError, TypeError, ValueError) as fault:
            if isinstance(fault, BadInput):
                raise
            raise BadInput(f"{path}: damaged ({type(fault).__name__}: {str(fault)[:200]})") from None

    def _checksum(self) -> int:
        checksum = 0
        for layer in self._layers:
            checksum = zlib.crc32(np.ascontiguousarray(layer.weight).tobytes(), checksum)
        return checksum


def write_stream(path: Path, layers: Sequence[Pointwise | Residual], about: Mapping[str, Any]) -> None:
    """Write the file of a stream. ``about``: ``classes``, ``sample_rate``, ``feature_dim``, and whatever else."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for index, layer in enumerate(layers):
        arrays |= {f"{index}.weight": layer.weight, f"{index}.bias": layer.bias}
        if isinstance(layer, Residual):
            arrays[f"{index}.offsets"] = np.array(layer.offsets)
            if layer.after is not None:
                arrays |= {f"{index}.after_weight": layer.after[0], f"{index}.after_bias": layer.after[1]}
    kinds = [_kind(layer) for layer in layers]
    _write(path, {"format": FORMAT, **about, "layers": kinds}, arrays)


def _write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    content: dict[str, Any] = {"about": np.array(json.dumps(about)), **arrays}
    write_atomically(path, lambda file: np.savez(file, **content))


def _kind(layer: Pointwise | Residual) -> str:
    if isinstance(layer, Residual):
        return "residual"
    return "softmax, pointwise" if layer.softmax else "pointwise"


def _layer(arrays: Mapping[str, npt.NDArray[Any]], index: int, kind: Any) -> Pointwise | Residual:
    """Raises KeyError, TypeError or ValueError for anything that is no layer."""

    def numbers(name: str, dimensions: int) -> Floats:
        values = arrays[f"{index}.{name}"]
        if values.ndim != dimensions or values.dtype not in (np.float32, np.float64) or not np.isfinite(values).all():
            raise ValueError(f"{index}.{name}")
        return values

    weight, bias = numbers("weight", 2), numbers("bias", 1)
    if kind in ("pointwise", "softmax, pointwise"):
        return Pointwise(weight, bias, softmax=kind != "pointwise")
    offsets = arrays[f"{index}.offsets"]
    largest = 2**30
    if kind != "residual" or offsets.ndim != 1 or offsets.dtype.kind != "i" or not (np.abs(offsets) < largest).all():
        raise ValueError(f"{index}.offsets")
    after = None
    if f"{index}.after_weight" in arrays:
        after = numbers("after_weight", 2), numbers("after_bias", 1)
    if weight.shape != (len(offsets) * weight.shape[1], weight.shape[1]):
        raise ValueError(f"{index}.weight")
    return Residual(offsets.tolist(), weight, bias, after)


def _width(layer: Pointwise | Residual, width: int) -> int:
    """The number of channels after a layer that gets as many as that. Raises ValueError where it does not fit."""
    taps = len(layer.offsets) if isinstance(layer, Residual) else 1
    shapes = [(layer.weight, layer.bias, taps * width)]
    if isinstance(layer, Residual) and layer.after is not None:
        shapes.append((*layer.after, width))
    for weight, bias, inputs in shapes:
        if weight.shape != (inputs, len(bias)) or (isinstance(layer, Residual) and len(bias) != width):
            raise ValueError("the shapes of layers")
    return layer.weight.shape[1]


def _read(path: Path, kind: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The arrays of a file, and what it says of itself. Raises BadInput where it is none of that kind."""
    require_file(path, "stream")
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:  # np.load leaves some files open
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        if about["format"] != kind:
            raise ValueError("format")
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as fault:
        reason = f"{type(fault).__name__}: {(str(fault).splitlines() or [''])[0][:200]}"
        raise BadInput(f"{path}: not a file of {kind.replace('global2local-', '')}, or damaged ({reason})") from None
    return arrays, about
