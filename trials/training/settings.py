"""Settings of a training and their ranges, without PyTorch, so that a command can be checked before it is started."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from common.bad_input import BadInput

Precision = Literal["float32", "tf32", "bf16"]
SmoothingAverage = Literal["valid", "padded"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""tf32: as float32, but factors of matrix products are rounded to 10 bits of mantissa; bf16: autocast."""

SMOOTHING_WEIGHT = 0.15


@dataclass(frozen=True)
class TrainingSettings:
    """The defaults are those of the paper's final training (Gao et al., CVPR 2021, section 4)."""

    epochs: int = 65
    batch_size: int = 8
    learning_rate: float = 5e-4
    decay_epochs: tuple[int, ...] = (50,)
    """After each of these epochs the learning rate is multiplied by 0.1."""
    smoothing_weight: float = SMOOTHING_WEIGHT
    smoothing_average: SmoothingAverage = "valid"
    precision: Precision = "float32"
    cuda_graph: bool = False
    """Whether the operators of a step are recorded and replayed, see ``trials.training.replayed_step``."""
    seed: int = 0
    average_last: float = 0.0
    """Share of the epochs, the last ones, over which the weights are averaged; 0: those of the last epoch count."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise BadInput(f"epochs ({self.epochs}) and batch size ({self.batch_size}) must be at least 1")
        if not 0 < self.learning_rate < float("inf"):
            raise BadInput(f"the learning rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.smoothing_weight < float("inf"):
            raise BadInput(f"the smoothing weight must be at least 0, not {self.smoothing_weight}")
        if any(epoch < 1 for epoch in self.decay_epochs):
            raise BadInput(f"the decay epochs must be at least 1, not {min(self.decay_epochs)}")
        if self.seed < 0:
            raise BadInput(f"the seed must be at least 0, not {self.seed}")
        if self.seed >= 2**64:
            raise BadInput(f"the seed must be below 2^64, not {self.seed}")
        if not 0 <= self.average_last <= 1:
            raise BadInput(
                f"--average-last must be a share of the epochs, at least 0 and at most 1, not {self.average_last}"
            )

    def averaged_epochs(self, epoch: int) -> int:
        """How many epochs are averaged after ``epoch`` of them; all together, the last ceil(share * epochs)."""
        # As a decimal fraction: 0.07 of 100 epochs are 7, but the product of the floats is above that.
        window = math.ceil(Fraction(str(self.average_last)) * self.epochs)
        return min(window, max(0, epoch - (self.epochs - window)))

    def describe(self) -> dict[str, Any]:
        """The settings as JSON content; what earlier versions did not have, only where it is not the default."""
        described = {**asdict(self), "decay_epochs": list(self.decay_epochs)}
        for name in ("average_last", "cuda_graph"):
            if not described[name]:
                del described[name]
        return described


def check_cuda_graph(own_network: str | None, inner_activation: bool) -> None:
    """Check that each step of a training does the same operators on the same tensors.

    Args:
        own_network: the name of a network of the user's own, if it is one.

    Raises:
        BadInput: it may not, or its layers are padded, which takes the lengths of the videos.
    """
    if own_network is not None:
        raise BadInput(f"--cuda-graph: a network of your own ({own_network}) may do other operators in each step")
    if inner_activation:
        raise BadInput("--cuda-graph: not with --inner-activation")


def device_index(name: str) -> int | None:
    """The number of the GPU in the name of a device; None for ``auto`` and ``cpu``.

    Raises:
        BadInput: it is not ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """
    match = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", name, re.ASCII)
    if match is None:
        raise BadInput(f"unknown device {name!r}: expected auto, cpu, cuda or cuda:N")
    return int(match[1] or 0) if name.startswith("cuda") else None
