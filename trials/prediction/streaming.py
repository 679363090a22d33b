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
from trials.prediction.stream_layers import Floats, Pointwise, Residual, softmax

FORMAT = "global2local-stream"
STATE = "global2local-stream-state"

DAMAGE = (KeyError, TypeError, ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Exceptions raised when a damaged file is read."""

Precision = Literal["float32", "float64"]


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
        self._finished = False

    @property
    def memory(self) -> int:
        """Bytes that the rings take, whatever the length of the video."""
        return sum(layer.ring.nbytes for layer in self._residuals)

    @property
    def _residuals(self) -> list[Residual]:
        return [layer for layer in self._layers if isinstance(layer, Residual)]

    def step(self, frames: Floats) -> Floats:
        """The next frames of the video -> class probabilities of the frames whose output is complete.

        Args:
            frames: ``(frames, channels)``, or one, ``(channels,)``; any number of them.

        Returns:
            ``(frames, classes)``: as many as came in, ``delay`` frames earlier in the video; at its start fewer.

        Raises:
            BadInput: they are of another width, or a value is not finite.
        """
        self._check_open()
        frames = np.atleast_2d(np.asarray(frames))
        if frames.dtype.kind not in "fiu":
            raise BadInput(f"a frame is an array of numbers, not of {frames.dtype}")
        if frames.ndim != 2 or frames.shape[1] != self.channels:
            raise BadInput(f"a frame has {self.channels} channels, not {' x '.join(map(str, frames.shape[1:]))}")
        with np.errstate(over="ignore"):  # values beyond float32 become infinities
            values: Floats = frames.astype(self._layers[0].weight.dtype, copy=False)
        finite = np.isfinite(values)
        if not finite.all():
            raise BadInput(f"frame {self.seen + int(np.argwhere(~finite)[0][0])}: NaN, infinity, or beyond float32")
        self.seen += len(frames)
        for layer in self._layers:
            values = layer.push(values)
        return softmax(values)

    def finish(self) -> Floats:
        """The probabilities of the last ``delay`` frames: the video is over, and the stream at its end.

        Raises:
            RuntimeError: it was at its end before, as in ``step`` and ``save``.
        """
        self._check_open()
        self._finished = True
        values = np.zeros((0, self.channels), self._layers[0].weight.dtype)
        for layer in self._layers:
            values = layer.push(values)
            if isinstance(layer, Residual):
                values = np.concatenate([values, layer.finish()])
        return softmax(values)

    def save(self, path: str | Path) -> None:
        """Write how far it is, so that another process can go on."""
        self._check_open()
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

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("the stream is at its end: begin another one")

    def _checksum(self) -> int:
        checksum = 0
        for values in _arrays(self._layers).values():
            checksum = zlib.crc32(np.ascontiguousarray(values).tobytes(), checksum)
        return checksum


def write_stream(path: Path, layers: Sequence[Pointwise | Residual], about: Mapping[str, Any]) -> None:
    """Write the file of a stream. ``about``: ``classes``, ``sample_rate``, ``feature_dim``, and whatever else."""
    kinds = [_kind(layer) for layer in layers]
    _write(path, {"format": FORMAT, **about, "layers": kinds}, _arrays(layers))


def _arrays(layers: Sequence[Pointwise | Residual]) -> dict[str, npt.NDArray[Any]]:
    """The numbers of all layers, as the file names them."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for index, layer in enumerate(layers):
        arrays |= {f"{index}.weight": layer.weight, f"{index}.bias": layer.bias}
        if isinstance(layer, Residual):
            arrays[f"{index}.offsets"] = np.array(layer.offsets)
            if layer.after is not None:
                arrays |= {f"{index}.after_weight": layer.after[0], f"{index}.after_bias": layer.after[1]}
    return arrays


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
        what = kind.replace("global2local-", "")
        raise BadInput(f"{path}: not a file of {what}, or damaged ({type(fault).__name__})") from None
    return arrays, about
