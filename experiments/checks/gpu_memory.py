"""Whether the memory of a GPU holds the trials that share it.

What a trial takes is found without a GPU, and without computing: tensors of the device ``meta`` have no values.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from common.bad_input import BadInput
from experiments.checks.command_check import TrialCommand
from machines.gpus import Gpu
from nas_space.branching import Branching
from nas_space.layers.on_gpu.indexed_offsets import IndexedOffsets
from nas_space.layers.packed_videos import PackedVideos
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build
from nas_space.networks.your_own import OwnNetwork
from nas_space.searchable import choose, expand
from nas_space.structure import Structure
from trials.data.batches import Batch
from trials.data.device_videos import FRAMES, LEFT_FREE
from trials.training.scoring import forward
from trials.training.settings import TrainingSettings
from trials.training.training import Training

BLOCK = 512
"""Bytes: PyTorch gives out a GPU's memory in multiples of this."""
CONTEXT = 700 * 2**20
"""Bytes, assumed and not measured: what CUDA, its libraries and their workspaces take in a process."""
META = torch.device("meta")


class AllocatedBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that come into being while it is active, until they are gone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        """Called for every operator."""
        result = operator(*arguments, **(options or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.device == META:
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage not in self._known:
            self._known.add(storage)
            size = -(-storage.nbytes() // BLOCK) * BLOCK
            weakref.finalize(storage, self._remove, size)
            self.now += size
            self.peak = max(self.peak, self.now)

    def _remove(self, size: int) -> None:
        self.now -= size


def trial_bytes(trial: TrialCommand, splits: Sequence[int]) -> int:
    """The most memory that a trial needs: of its longest batch, or of a prediction of several videos.

    Without the features that stay on the GPU.
    """
    dataset = trial.dataset
    train = {video for split in splits for video in dataset.split(split)[0]}
    structure, feature_dim = Structure.hand(trial.network), dataset.feature_dim(min(train))
    longest = sorted(map(dataset.frames, train))[-trial.arguments.batch_size :]
    change = partial(_change, structure=structure, trial=trial)
    classes, cuda_graph = len(dataset.classes), trial.arguments.cuda_graph
    return CONTEXT + step_bytes(structure, change, longest, feature_dim, classes, cuda_graph)


def step_bytes(
    structure: Structure,
    change: Callable[[nn.Module], object],
    lengths: Sequence[int],
    feature_dim: int,
    classes: int,
    cuda_graph: bool = False,
) -> int:
    """The peak of a training step and of a prediction, as far as PyTorch allocates it.

    Args:
        change: called with the network, for example to add branches.
        lengths: ``(videos,)``: the frames of each video of the batch.
        cuda_graph: whether steps are recorded; the memory of a record serves nothing else, and another size warms up in
            as much again.

    Raises:
        BadInput: steps of this network cannot be recorded.
    """
    with AllocatedBytes() as allocated:
        module = build(structure, feature_dim, classes)
        change(module)
        training = Training(module, TrainingSettings(), META)

        def videos_of(lengths: Sequence[int]) -> list[PackedVideos]:
            """Those of a batch, and what is there meanwhile: the next ones, and copies that they are packed from."""
            offsets = IndexedOffsets.on(META, list(accumulate(lengths, initial=0)))
            return [PackedVideos(torch.empty(offsets[-1], feature_dim, device=META), offsets) for _ in range(3)]

        videos = videos_of(lengths)
        if cuda_graph:
            training.replay(sum(lengths), feature_dim)
        before = allocated.now
        training.step(Batch(videos[0], torch.empty(videos[0].offsets[-1], dtype=torch.int64, device=META)))
        of_step, recorded = allocated.peak, allocated.peak - before if cuda_graph else 0
        del videos
        allocated.peak = allocated.now
        videos = videos_of([FRAMES])  # of a longer video, the step takes more
        forward(training.network, videos[0])
    return recorded + max(of_step, allocated.peak)


def check_memory(
    trial: TrialCommand, splits: Sequence[int], count: int, gpus: Sequence[Gpu], setting: str = "trialConcurrency"
) -> str:
    """Check that each GPU's memory holds the trials that will share it; returns the result as a line.

    Args:
        count: how many trials share a GPU.
        setting: by which that can be changed.

    Raises:
        BadInput: there is too little memory; the message says for how many it is enough.
    """
    if isinstance(trial.network, OwnNetwork):
        return f"not checked: what {trial.network} takes of a GPU's memory"
    if not splits:
        return "not checked: memory of a GPU, as the tuner does not say which splits are trained on"
    known = [gpu.free_and_total for gpu in gpus if gpu.free_and_total is not None]
    need, features = trial_bytes(trial, splits), feature_bytes(trial, splits)
    what = (
        f"memory of a GPU: a trial takes up to {_gigabytes(need)} (estimated), and {_gigabytes(features)} of features, "
        f"as far as they leave {LEFT_FREE:.0%} free"
    )
    if not known:
        return f"{what}; not checked: how much is free"
    places, free = min((places_in(free, total, need, features), free) for free, total in known)
    if count > places:
        smaller = f"write {setting}: {places}, or a smaller" if places else "write a smaller"
        raise BadInput(
            f"{setting}: {count} trial(s) would share a GPU of which {_gigabytes(free)} are free, and each takes up to "
            f"{_gigabytes(need)} (estimated), beside {_gigabytes(features)} of features, as far as they leave "
            f"{LEFT_FREE:.0%} free: {smaller} --batch-size"
        )
    return f"{what}; {_gigabytes(free)} are free, so {places} fit"


def places_in(free: int, total: int, need: int, features: int) -> int:
    """How many trials fit into memory, even if they keep features before they take what they need: all of them, or as
    many as leave a share free (see ``DeviceVideos``).
    """
    return max(free // (need + features), min(free, int(LEFT_FREE * total)) // need)


def feature_bytes(trial: TrialCommand, splits: Sequence[int]) -> int:
    """All features of a split, of the largest one."""
    dataset = trial.dataset
    frames = [sum(dataset.frames(video) for part in dataset.split(split) for video in part) for split in splits]
    return (
        max(frames)
        * dataset.feature_dim(dataset.split(splits[0])[0][0])
        * np.dtype(trial.arguments.feature_dtype).itemsize
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _change(module: nn.Module, structure: Structure, trial: TrialCommand) -> None:
    """What a trial makes of the searchable convolutions, with the usual branches: its own are its tuner's to say."""
    if trial.module == "trials.local_trial":
        expand(module, structure, Branching(), trial.arguments.inner_activation)
    if trial.module == "trials.differentiable_trial":
        choose(module, structure.network, dict.fromkeys(structure.network.paths, POWERS_OF_TWO))
