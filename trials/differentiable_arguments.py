"""Command-line options of the differentiable search, and their ranges; two commands share them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from common.bad_input import BadInput
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import add_network_argument
from trials.data.arguments import (
    SEARCH_FRACTION,
    add_dataset_arguments,
    add_holdout_arguments,
    check_dataset_arguments,
    check_search_holdout,
    split_number,
)
from trials.training.arguments import add_training_arguments, check_training_arguments
from trials.training.metrics import METRICS

EPOCHS = 30
CANDIDATES_TWICE = "leave out --candidates: the experiment's search space has the candidates of each layer"
BRANCH_LEARNING_RATE = 0.03
WARM_UP = 0.3
"""Share of the training in which the probabilities are held still; Adam's moments of them are gathered meanwhile."""


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """All options of a search."""
    parser.add_argument("--split", required=True, help="number of a split")
    parser.add_argument(
        "--candidates",
        type=int,
        nargs="+",
        metavar="D",
        help="dilations of each layer (default: those of the experiment's search space; without NNI, 1 2 4 ... 1024)",
    )
    parser.add_argument(
        "--branch-learning-rate",
        type=float,
        default=BRANCH_LEARNING_RATE,
        help="of the probabilities (default: %(default)s)",
    )
    parser.add_argument(
        "--warm-up",
        type=float,
        default=WARM_UP,
        metavar="SHARE",
        help="of the epochs, in which all candidates stay equally probable (default: %(default)s)",
    )
    parser.add_argument(
        "--objective", choices=(*METRICS, "mean"), default="mean", help="what searches of several seeds are compared by"
    )
    add_network_argument(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=EPOCHS)


def check_search_arguments(arguments: argparse.Namespace) -> None:
    """Raise BadInput for options of ``add_search_arguments`` that no search can have, whatever the data."""
    split_number(arguments.split)
    if arguments.candidates is not None:
        check_candidates(arguments.candidates)
    check_schedule(arguments.warm_up, arguments.branch_learning_rate)
    check_dataset_arguments(arguments)
    check_search_holdout(arguments)
    check_training_arguments(arguments)


def check_candidates(candidates: Sequence[int]) -> None:
    """Raise BadInput for dilations that a layer cannot choose among."""
    if len(set(candidates)) != len(candidates) or len(candidates) < 2 or min(candidates) < 1:
        raise BadInput(f"--candidates must be at least two different dilations, not {list(candidates)}")


def candidates_of_layers(arguments: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """The candidates that the options name, the same for each layer, by short label."""
    candidates = POWERS_OF_TWO if arguments.candidates is None else tuple(arguments.candidates)
    return dict.fromkeys(arguments.network.paths, candidates)


def check_schedule(warm_up: float, branch_learning_rate: float) -> None:
    """Raise BadInput for what no search can have."""
    if not 0 <= warm_up < 1:
        raise BadInput(f"the warm-up must be at least 0 and below 1, a share of the epochs, not {warm_up}")
    if not 0 < branch_learning_rate < float("inf"):
        raise BadInput(f"the branch learning rate must be above 0, not {branch_learning_rate}")
