"""Command-line options of the local search besides data, branches and training; two commands share them."""

from __future__ import annotations

import argparse

from trials.training.metrics import METRICS

EPOCHS_PER_ITERATION = 3
"""Epochs between two estimates (Gao et al., CVPR 2021, section 4)."""


def add_local_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a local search besides data, branches and training."""
    parser.add_argument(
        "--objective",
        choices=(*METRICS, "mean"),
        default="f1@10",
        help="what is shown and compared (mean: of all five)",
    )
    parser.add_argument(
        "--inner-activation", action="store_true", help="a ReLU in each branch, as the published code has it"
    )
