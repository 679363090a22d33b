"""Trained networks as files: weights, and all that is needed to use them. Loading never runs code from a file."""

from __future__ import annotations

import io
import platform
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import numpy as np
import torch
from torch import nn

from common.atomic_file import write_atomically
from common.bad_input import BadInput, naming
from common.read_file import require_file
from nas_space.folding import fold
from nas_space.network import Network
from nas_space.networks import build, network_from_json
from nas_space.networks.your_own import OwnCodeFault
from nas_space.structure import Structure
from trials.data.fingerprint import Fingerprint, is_fingerprint
from trials.data.label_files import is_class_name

FORMAT = "global2local-checkpoint"
FORMAT_OF_BRANCHES = "global2local-checkpoint-2"
"""Of a network that keeps several branches in a layer: earlier versions refuse it."""
ADDED = {"train_videos", "data", "folded"}
"""Fields that checkpoints of earlier versions lack."""
DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
"""Exceptions raised when a damaged checkpoint is resumed."""


def versions() -> dict[str, str]:
    """The versions of software that results may depend on."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}


@dataclass
class Checkpoint:
    """A trained network."""

    weights: dict[str, torch.Tensor]
    """The state dict of the network."""
    dilations: dict[str, Any]
    """The structure, by module path: of each layer its dilation, or its branches with the shares that they learned."""
    network: dict[str, Any]
    """As ``Network.to_json`` describes it."""
    feature_dim: int
    classes: list[str]
    """Class names by id."""
    dataset: str
    sample_rate: int
    background: list[str]
    settings: dict[str, Any]
    """All settings of the training, its seed included."""
    versions: dict[str, str]
    train_videos: list[str] | None = None
    """None in checkpoints of earlier versions."""
    data: Fingerprint | None = None
    """Of the data read for the training; None in checkpoints of earlier versions."""
    folded: list[str] = field(default_factory=list)
    """Labels of the layers whose branches are folded into one dense kernel."""

    def structure(self, named: Network | None = None) -> Structure:
        """The structure of the network.

        Args:
            named: the network that the user named, which may be imported code; None: nobody did.

        Raises:
            BadInput: the named network is not that of the checkpoint.
        """
        network = network_from_json(self.network)
        if named is not None and named != network:
            raise BadInput(f"its network is {network}, not {named}")
        return Structure.from_paths(self.dilations, named or network)

    def module(self, named: Network | None = None) -> nn.Module:
        """The network with its weights; ``named`` as in ``structure``."""
        module = self._empty_module(named)
        module.load_state_dict(self.weights)
        return module

    def check(self, named: Network | None = None) -> None:
        """Check that the network can be built and used; ``named`` as in ``structure``.

        Raises:
            BadInput: a value is invalid, or the weights do not fit.
        """
        names = (self.classes, self.background)
        if not all(isinstance(each, list) and all(map(is_class_name, each)) for each in names) or not self.classes:
            raise BadInput("the classes are no list of names")
        if len(set(self.classes)) != len(self.classes) or not set(self.background) <= set(self.classes):
            raise BadInput("a class comes twice, or the background is none of the classes")
        for name in ("feature_dim", "sample_rate"):
            if type(getattr(self, name)) is not int or not 0 < getattr(self, name) < 2**31:
                raise BadInput(f"{name} must be a whole number of at least 1, not {shortened(getattr(self, name))}")
        kinds = ((self.dataset, str), (self.network, dict), (self.weights, dict))
        if not all(isinstance(value, kind) for value, kind in kinds):
            raise BadInput("the name of the data set, the network or the weights are missing")
        if self.train_videos is not None and not (
            isinstance(self.train_videos, list) and all(isinstance(video, str) for video in self.train_videos)
        ):
            raise BadInput("the training videos are no list of names")
        if not isinstance(self.folded, list) or not all(isinstance(label, str) for label in self.folded):
            raise BadInput("the folded layers are no list of labels")
        if self.data is not None and not is_fingerprint(self.data):
            raise BadInput("the fingerprint of its data has no checksums")
        try:
            with torch.device("meta"):  # takes no memory, whatever size the file claims
                module = self._empty_module(named)
            counts = {name for name, value in module.state_dict().items() if not value.is_floating_point()}
            module.load_state_dict(self.weights, assign=True)
            for name, value in self.weights.items():
                if not _is_finite(value, may_count=name in counts):
                    raise ValueError(f"{name} holds anything but finite numbers")
        except OwnCodeFault:
            raise
        except DAMAGE as fault:
            raise BadInput(
                f"the weights do not fit the network: {(str(fault).splitlines() or [''])[-1].strip()}"
            ) from None

    def _empty_module(self, named: Network | None) -> nn.Module:
        structure = self.structure(named)
        module = build(structure, self.feature_dim, len(self.classes))
        fold(module, structure, self.folded)
        return module


def _is_finite(value: torch.Tensor, may_count: bool) -> bool:
    """Whether a tensor has only finite numbers, all of them stored: a view can claim any size.

    Args:
        may_count: whether they may be whole numbers.
    """
    stored = value.nbytes <= value.untyped_storage().nbytes()
    return stored and (may_count or value.is_floating_point()) and bool(value.isfinite().all())


def save_torch(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically, as ``torch.load(weights_only=True)`` reads them."""
    serialised = io.BytesIO()
    # Not into the file: on a full disk, PyTorch replaces the system's error by one of its own.
    torch.save(content, serialised)
    write_atomically(path, lambda file: file.write(serialised.getbuffer()))


def load_torch(path: Path) -> dict[str, Any]:
    """Read what ``save_torch`` wrote.

    Raises:
        BadInput: the file is missing or damaged, or contains anything but tensors and plain values.
    """
    require_file(path, "checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load checks neither checksums nor sizes
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size or archive.testzip():
                raise ValueError("a wrong checksum or size")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # torch raises UnpicklingError, RuntimeError, EOFError, ... for damaged files
        reason = (str(fault).splitlines() or [""])[0]
        raise BadInput(f"{path}: not a checkpoint, or damaged ({type(fault).__name__}: {reason[:200]})") from None
    if not isinstance(content, dict):
        raise BadInput(f"{path}: not a checkpoint of this project")
    return content


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    content = asdict(checkpoint)
    several = any(isinstance(branches, list) for branches in checkpoint.dilations.values())
    if not several:
        del content["folded"]  # nothing else that earlier versions could not read
    save_torch(path, {"format": FORMAT_OF_BRANCHES if several else FORMAT, **content})


def load_checkpoint(path: Path, named: Network | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        named: the network that the user named. Without it, code that the checkpoint names is not imported.

    Raises:
        BadInput: the file is missing, damaged, not a checkpoint of this project, or of another network; or its network
            is the user's own, and not named.
    """
    content = load_torch(path)
    if {"shape", "channels"} <= content.keys() and isinstance(content["shape"], dict):  # of an earlier version
        content["network"] = {**content.pop("shape"), "channels": content.pop("channels")}
    names = {each.name for each in fields(Checkpoint)}
    needed = names - ADDED | {"format"}
    if content.get("format") not in (FORMAT, FORMAT_OF_BRANCHES) or not needed <= set(content) <= names | {"format"}:
        raise BadInput(f"{path}: not a checkpoint of this project (train one with python -m trials.train)")
    checkpoint = Checkpoint(**{name: content[name] for name in names if name in content})
    with naming(path):
        checkpoint.check(named)
    return checkpoint
