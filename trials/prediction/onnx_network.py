"""A network as an ONNX file, as ``trials.export_onnx`` writes it: read and run by onnxruntime, without PyTorch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.bad_input import BadInput, naming
from common.read_file import require_file
from trials.data.feature_files import Features
from trials.data.label_files import is_class_name

FORMAT = "global2local-onnx"
SUFFIX = ".onnx"
FEATURES, LOGITS, PROBABILITIES, LABELS = "features", "logits", "probabilities", "labels"
"""Names of the input ``(1, channels, frames)``, and of the outputs ``(1, classes, frames)``, the same,
``(1, frames)``."""


@dataclass(frozen=True)
class About:
    """What the file says of its network."""

    feature_dim: int
    classes: list[str]
    """Class names by id."""
    dataset: str
    sample_rate: int
    background: list[str]
    train_videos: list[str] | None
    network: dict[str, Any]
    structure: dict[str, Any]
    """By module path, as structure files have it."""
    versions: dict[str, str]

    def to_metadata(self) -> dict[str, str]:
        """As the entries of an ONNX file: ``format``, and each field as JSON."""
        return {"format": FORMAT, **{name: json.dumps(value) for name, value in vars(self).items()}}

    @classmethod
    def of_metadata(cls, entries: dict[str, str]) -> About:
        """From these entries. Raises KeyError, TypeError or ValueError for anything else."""
        if entries["format"] != FORMAT:
            raise ValueError("format")
        about = cls(**{name: json.loads(entries[name]) for name in cls.__dataclass_fields__})
        for name in ("feature_dim", "sample_rate"):
            if type(getattr(about, name)) is not int or getattr(about, name) < 1:
                raise ValueError(name)
        for name in ("classes", "background", "train_videos"):
            names = getattr(about, name)
            if not isinstance(names, list | None) or (names is None and name != "train_videos"):
                raise TypeError(name)
            if not all(map(is_class_name, names or ())):
                raise ValueError(name)
        if not about.classes or not isinstance(about.dataset, str):
            raise ValueError("classes or dataset")
        return about


@dataclass(frozen=True)
class OnnxNetwork:
    """A network that onnxruntime has loaded."""

    about: About
    run: Callable[[npt.NDArray[np.float32]], list[npt.NDArray[Any]]]
    """``(1, channels, frames)`` -> logits, probabilities and labels."""

    def predict(self, features: Features) -> npt.NDArray[np.float32]:
        """Class probabilities ``(frames, classes)`` for a video's features ``(frames, channels)``."""
        _, probabilities, _ = self.run(np.ascontiguousarray(features.T[None], np.float32))
        return np.ascontiguousarray(probabilities[0].T)


def load_onnx(path: Path) -> OnnxNetwork:
    """Read an ONNX file of ours, to be run on this machine's cores.

    Raises:
        BadInput: it is missing, damaged, or of something else.
    """
    require_file(path, "network")
    with naming(path):
        return of_content(path.read_bytes())


def _usual_threads() -> int:
    """``OMP_NUM_THREADS``, of which the first of several numbers counts, or as many as there are cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and 0 < int(first) < 2**15 else len(os.sched_getaffinity(0))


def of_content(content: bytes, threads: int | None = None) -> OnnxNetwork:
    """The network of the content of an ONNX file.

    Args:
        threads: None: ``OMP_NUM_THREADS``, or as many as there are cores.

    Raises:
        BadInput: it is damaged, or of something else.
    """
    import onnxruntime  # only where such a file is read

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _usual_threads()
    options.log_severity_level = 4  # what is wrong is said in the exception, too
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # onnxruntime has no base class of its exceptions
        reason = (str(fault).splitlines() or [""])[0]
        raise BadInput(f"not an ONNX network, or damaged ({type(fault).__name__}: {reason[:200]})") from None
    try:
        about = About.of_metadata(session.get_modelmeta().custom_metadata_map)
        shapes = [(each.name, list(each.shape)) for each in (*session.get_inputs(), *session.get_outputs())]
        frames, classes = shapes[0][1][2], len(about.classes)
        expected = [(FEATURES, [1, about.feature_dim, frames]), (LOGITS, [1, classes, frames])]
        expected += [(PROBABILITIES, [1, classes, frames]), (LABELS, [1, frames])]
        if shapes != expected or not isinstance(frames, str):
            raise ValueError("inputs or outputs")
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise BadInput(
            f"an ONNX network, but not one of python -m trials.export_onnx ({type(fault).__name__}: {fault})"
        ) from None

    def run(features: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        return list(session.run([LOGITS, PROBABILITIES, LABELS], {FEATURES: features}))

    return OnnxNetwork(about, run)
