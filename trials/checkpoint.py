"""Trained networks as files: weights, and all that is needed to use them again. Loading never runs code from a file."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas_space.atomic_file import write_atomically
from nas_space.bad_input import BadInput
from nas_space.ms_tcn import MSTCN
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure

FORMAT = "global2local-checkpoint"


def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}


@dataclass
class Checkpoint:
    """One trained network."""

    weights: dict[str, torch.Tensor]
    """The state dict, with the keys of a plain MS-TCN."""
    dilations: dict[str, int]
    """The structure, by module path."""
    shape: dict[str, int]
    """Stages, layers, kernel size."""
    channels: int
    """Channels of the layers."""
    feature_dim: int
    classes: list[str]
    """Class names by id."""
    dataset: str
    sample_rate: int
    background: list[str]
    settings: dict[str, Any]
    """All settings of the training, its seed included."""
    versions: dict[str, str]

    def structure(self) -> Structure:
        """The structure of the network."""
        return Structure.from_paths(self.dilations, MSTCNShape(**self.shape))

    def network(self) -> MSTCN:
        """The network with its weights."""
        network = MSTCN(self.structure(), self.feature_dim, len(self.classes), self.channels)
        network.load_state_dict(self.weights)
        return network


def save_torch(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically, as ``torch.load(weights_only=True)`` reads them."""
    write_atomically(path, lambda file: torch.save(content, file))


def load_torch(path: Path) -> dict[str, Any]:
    """Read what ``save_torch`` wrote.

    Raises:
        BadInput: the file is missing or damaged, or holds anything but tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such checkpoint") from None
    except Exception as fault:  # torch raises UnpicklingError, RuntimeError, EOFError, ... for damaged files
        reason = (str(fault).splitlines() or [""])[0]
        raise BadInput(f"{path}: not a checkpoint, or damaged ({type(fault).__name__}: {reason[:200]})") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: not a checkpoint of this project")
    return content


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    save_torch(path, {"format": FORMAT, **asdict(checkpoint)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        BadInput: the file is missing, damaged, or no checkpoint of this project; or its weights do not fit.
    """
    content = load_torch(path)
    names = {field.name for field in fields(Checkpoint)}
    if content.get("format") != FORMAT or set(content) != names | {"format"}:
        raise BadInput(f"{path}: not a checkpoint of this project (train one with python -m trials.train)")
    checkpoint = Checkpoint(**{name: content[name] for name in names})
    try:
        checkpoint.network()
    except (BadInput, RuntimeError, TypeError, ValueError, AttributeError) as fault:
        raise BadInput(f"{path}: the weights do not fit the network: {str(fault).splitlines()[-1].strip()}") from None
    return checkpoint
