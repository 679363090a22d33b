"""The options of what NNI starts, as the ``trialCommand`` of an experiment's YAML file gives them.

They are read and checked without PyTorch, so that a command can be checked before it is started.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nas_space.networks import add_network_argument
from trials.data.arguments import (
    SEARCH_FRACTION,
    add_dataset_arguments,
    add_holdout_arguments,
    check_dataset_arguments,
    check_search_holdout,
    split_number,
)
from trials.differentiable_arguments import add_search_arguments, check_search_arguments
from trials.local_arguments import EPOCHS_PER_ITERATION, add_local_arguments
from trials.training.arguments import add_training_arguments, check_training_arguments
from trials.training.event_files import add_tensorboard_argument
from trials.training.metrics import METRICS

SEARCH_EPOCHS = 5
"""Epochs of a trial in the paper's global search (Gao et al., CVPR 2021, section 4)."""
EVENT_FILES = "where NNI's TensorBoard button finds them"


class TrialOptions(NamedTuple):
    """The options of one trial command."""

    parser: Callable[[], argparse.ArgumentParser]
    check: Callable[[argparse.Namespace], None]
    """Raises BadInput for values that no trial can have, whatever the data and the structure."""

    def parse(self, words: Sequence[str] | None = None) -> argparse.Namespace:
        """Read the options and check them; None: those that this process was started with."""
        arguments = self.parser().parse_args(words)
        self.check(arguments)
        return arguments


def _search_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trials.search_trial",
        description="What NNI starts for every structure of a search: train it briefly, judge it on validation videos.",
        epilog="example (in a YAML file): trialCommand: python3 -m trials.search_trial --dataset gtea --split 1",
    )
    parser.add_argument("--split", required=True, help="number of a split")
    parser.add_argument(
        "--objective", choices=(*METRICS, "mean"), default="f1@10", help="what the search maximises (mean: of all five)"
    )
    parser.add_argument(
        "--select-on",
        choices=("validation", "test"),
        default="validation",
        help="judge on videos held out of the training split, or on the test videos as the paper did",
    )
    add_network_argument(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=SEARCH_EPOCHS)
    add_tensorboard_argument(parser, EVENT_FILES)
    return parser


def _check_search(arguments: argparse.Namespace) -> None:
    split_number(arguments.split)
    _check_shared(arguments)
    check_search_holdout(arguments)


def _local_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trials.local_trial",
        description="What NNI starts for every iteration of a chain of the local search: train a branched network.",
        epilog="example (in a YAML file): trialCommand: python3 -m trials.local_trial --dataset gtea",
    )
    parser.add_argument("--chains", type=Path, metavar="DIR", help="checkpoints (default: in the experiment's folder)")
    add_network_argument(parser)
    add_local_arguments(parser)
    add_dataset_arguments(parser)
    add_holdout_arguments(parser, fraction=SEARCH_FRACTION)
    add_training_arguments(parser, epochs=EPOCHS_PER_ITERATION)
    add_tensorboard_argument(parser, EVENT_FILES)
    return parser


def _check_local(arguments: argparse.Namespace) -> None:
    _check_shared(arguments)
    check_search_holdout(arguments)


def _differentiable_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trials.differentiable_trial",
        description="What NNI starts for every seed of the differentiable global search: one training.",
        epilog="example (in a YAML file): trialCommand: python3 -m trials.differentiable_trial --dataset a --split 1",
    )
    add_search_arguments(parser)
    add_tensorboard_argument(parser, EVENT_FILES)
    return parser


def _final_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trials.final_trial",
        description="What NNI starts for every final training: the parameters structure, split and seed say which.",
        epilog="example (in a YAML file): trialCommand: python3 -m trials.final_trial --dataset gtea --output runs/f",
    )
    parser.add_argument("--output", type=Path, required=True, help="results go to OUTPUT/STRUCTURE/splitK/seedS")
    parser.add_argument("--objective", choices=(*METRICS, "mean"), default="mean", help="what NNI's page shows")
    add_network_argument(parser)
    add_dataset_arguments(parser)
    add_training_arguments(parser)
    add_tensorboard_argument(parser, EVENT_FILES)
    return parser


def _check_shared(arguments: argparse.Namespace) -> None:
    check_dataset_arguments(arguments)
    check_training_arguments(arguments)


SEARCH_TRIAL = TrialOptions(_search_parser, _check_search)
LOCAL_TRIAL = TrialOptions(_local_parser, _check_local)
DIFFERENTIABLE_TRIAL = TrialOptions(_differentiable_parser, check_search_arguments)
FINAL_TRIAL = TrialOptions(_final_parser, _check_shared)
