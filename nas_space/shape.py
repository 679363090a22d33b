"""The size of an MS-TCN, and the one place that maps short labels of its searchable convolutions to module paths."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from common.bad_input import BadInput

LARGEST_SIZE = 1000
"""Of stages, of layers and of a kernel: far beyond any network; larger numbers are mistakes, and fill the memory."""


@dataclass(frozen=True)
class MSTCNShape:
    """How many stages and layers an MS-TCN has (Abu Farha and Gall, CVPR 2019), without building it.

    This module does not import torch, so that a tuner or an export can speak about layers without paying for it.
    """

    num_stages: int = 4
    num_layers: int = 10
    kernel_size: int = 3

    def __post_init__(self) -> None:
        for name in ("num_stages", "num_layers"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise BadInput(f"{name} must be a whole number of at least 1, not {value!r}")
        if type(self.kernel_size) is not int or self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise BadInput(f"kernel_size must be an odd number of at least 3, not {self.kernel_size!r}")
        for name in ("num_stages", "num_layers", "kernel_size"):
            if getattr(self, name) > LARGEST_SIZE:
                raise BadInput(f"{name} must be at most {LARGEST_SIZE}, not {getattr(self, name)}")

    @cached_property
    def paths(self) -> dict[str, str]:
        """Module path of each searchable convolution by short label, in order: ``s1l0`` is stage 1, layer 0."""
        return {
            f"s{stage}l{layer}": f"{self.stage_path(stage)}.layers.{layer}.conv_dilated"
            for stage in range(1, self.num_stages + 1)
            for layer in range(self.num_layers)
        }

    @staticmethod
    def stage_path(stage: int) -> str:
        """Module path of a stage, counted from 1, as the usual MS-TCN code has them: ``stage1``, ``stages.0`` ..."""
        return "stage1" if stage == 1 else f"stages.{stage - 2}"

    def parameters(self, feature_dim: int, classes: int, channels: int = 64) -> int:
        """How many numbers a plain network learns; branches share all but a few of theirs."""
        layer = channels * channels * (self.kernel_size + 1) + 2 * channels
        stage = self.num_layers * layer + (channels + 1) * classes + channels
        return self.num_stages * stage + channels * (feature_dim + (self.num_stages - 1) * classes)

    @classmethod
    def of_labels(cls, labels: Iterable[str]) -> MSTCNShape:
        """The shape whose layers have these short labels. Raises BadInput where they are not those of any."""
        found = [re.fullmatch(r"s(\d{1,4})l(\d{1,4})", label, re.ASCII) for label in labels]
        sizes = [(int(match[1]), int(match[2]) + 1) for match in found if match]
        if not sizes or len(sizes) != len(found):
            raise BadInput(f"not the labels of layers: {', '.join(sorted(labels)) or 'none'}")
        return cls(max(stage for stage, _ in sizes), max(layers for _, layers in sizes))

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options that say how large the network is."""
        parser.add_argument("--num-stages", type=int, default=cls.num_stages, help="stages (default: %(default)s)")
        parser.add_argument(
            "--num-layers", type=int, default=cls.num_layers, help="layers of a stage (default: %(default)s)"
        )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> MSTCNShape:
        """The shape that those options name. Raises BadInput where no network can have it."""
        return cls(arguments.num_stages, arguments.num_layers)


MS_TCN = MSTCNShape()
"""The size of the paper: 4 stages of 10 layers."""

POWERS_OF_TWO = tuple(2**exponent for exponent in range(11))
"""The sparse candidates of the global search: 1, 2, 4, ..., 1024 (Gao et al., CVPR 2021, section 3.2)."""
