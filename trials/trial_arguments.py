"""Options of the trials, as given by the ``trialCommand`` of a YAML file, and of the commands that search.

They are read and checked without PyTorch, so that a command can be checked before it is started.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from common.bad_input import BadInput
from common.command_parser import CommandParser
from nas_space.network import POWERS_OF_TWO, candidates_within
from nas_space.networks import add_network_argument
from trials.data.arguments import (
    SEARCH_FRACTION,
    add_dataset_arguments,
    add_holdout_arguments,
    check_dataset_arguments,
    check_search_holdout,
    split_number,
)
from trials.data.dataset import Dataset
from trials.data.holdout import check_holdout
from trials.training.arguments import add_training_arguments, check_training_arguments
from trials.training.event_files import add_tensorboard_argument
from trials.training.metrics import METRICS
from trials.training.settings import TrainingSettings

SEARCH_EPOCHS = 5
"""Epochs of a trial in the paper's global search (Gao et al., CVPR 2021, section 4)."""
EPOCHS_PER_ITERATION = 3
"""Epochs between two estimates of the local search (Gao et al., CVPR 2021, section 4)."""
DIFFERENTIABLE_EPOCHS = 30
BRANCH_LEARNING_RATE = 0.03
WARM_UP = 0.3
"""Share of the epochs of a differentiable search with constant probabilities; Adam gathers their moments meanwhile."""
CANDIDATES_TWICE = "leave out --candidates: the experiment's search space has the candidates of each layer"


class TrialOptions(NamedTuple):
    """The options of one trial command."""

    trial: str
    """Its module in this package."""
    purpose: str
    example: str
    """Options of an example."""
    add: Callable[[argparse.ArgumentParser], None]
    check: Callable[[argparse.Namespace], None]
    """Raises BadInput for values that no trial can have, whatever the data and the structure."""

    def parser(self) -> argparse.ArgumentParser:
        """A parser of the options."""
        command = f"-m trials.{self.trial}"
        parser = CommandParser(
            prog=f"python {command}",
            description=f"What NNI starts for every {self.purpose}.",
            epilog=f"example (in a YAML file): trialCommand: python3 {command} --dataset gtea {self.example}".rstrip(),
        )
        self.add(parser)
        add_tensorboard_argument(parser, "where NNI's TensorBoard button finds them")
        return parser

    def parse(self, words: Sequence[str] | None = None) -> argparse.Namespace:
        """Read the options and check them; None: those of this process."""
        arguments = self.parser().parse_args(words)
        self.check(arguments)
        return arguments


def add_split_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--split``, for one split."""
    parser.add_argument("--split", required=True, help="number of a split")


def add_objective_argument(parser: argparse.ArgumentParser, default: str, purpose: str) -> None:
    """Add the option ``--objective``."""
    parser.add_argument(
        "--objective", choices=(*METRICS, "mean"), default=default, help=f"{purpose} (mean: of all five)"
    )


def add_local_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a local search, except for data, branches and training."""
    add_objective_argument(parser, "f1@10", "what is shown and compared")
    parser.add_argument(
        "--inner-activation", action="store_true", help="a ReLU in each branch, as in the published code"
    )


def add_differentiable_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options of a differentiable search."""
    add_split_argument(parser)
    parser.add_argument(
        "--candidates",
        type=int,
        nargs="+",
        metavar="D",
        help="dilations of each layer; 0 leaves it out (default: those of the experiment's search space; without NNI, "
        "those of 1 2 4 ... 1024 that are shorter than the longest video)",
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
    add_objective_argument(parser, "mean", "what searches of several seeds are compared by")
    add_run_arguments(parser, DIFFERENTIABLE_EPOCHS)


def add_run_arguments(
    parser: argparse.ArgumentParser,
    epochs: int = TrainingSettings.epochs,
    decay_epochs: Sequence[int] = TrainingSettings.decay_epochs,
    validation_fraction: float | None = SEARCH_FRACTION,
    averages: bool = True,
) -> None:
    """Add the options of network, data, validation (unless the fraction is None) and training.

    Args:
        averages: whether ``--average-last`` is one of them.
    """
    add_network_argument(parser)
    add_dataset_arguments(parser)
    if validation_fraction is not None:
        add_holdout_arguments(parser, validation_fraction)
    add_training_arguments(parser, epochs, decay_epochs, averages)


def _add_search_arguments(parser: argparse.ArgumentParser) -> None:
    add_split_argument(parser)
    add_objective_argument(parser, "f1@10", "what the search maximises")
    parser.add_argument(
        "--select-on",
        choices=("validation", "test"),
        default="validation",
        help="evaluate on videos held out of the training split, or on the test videos as the paper did",
    )
    add_run_arguments(parser, SEARCH_EPOCHS)


def _add_chain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chains", type=Path, metavar="DIR", help="checkpoints (default: in the experiment's folder)")
    add_local_arguments(parser)
    # No average: the next iteration goes on from the weights and branch probabilities after the last step of this one.
    add_run_arguments(parser, EPOCHS_PER_ITERATION, averages=False)


def _add_final_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, help="results go to OUTPUT/STRUCTURE/splitK/seedS")
    add_objective_argument(parser, "mean", "what NNI's page shows")
    add_run_arguments(parser, validation_fraction=0.0)


def _check_run(arguments: argparse.Namespace) -> None:
    check_dataset_arguments(arguments)
    check_training_arguments(arguments)


def _check_final(arguments: argparse.Namespace) -> None:
    _check_run(arguments)
    if arguments.validation_fraction != 0:
        check_holdout(arguments.validation_fraction, arguments.validation_seed, arguments.group)


def _check_local(arguments: argparse.Namespace) -> None:
    _check_run(arguments)
    check_search_holdout(arguments)


def _check_search(arguments: argparse.Namespace) -> None:
    split_number(arguments.split)
    _check_local(arguments)


def check_differentiable_arguments(arguments: argparse.Namespace) -> None:
    """Raise BadInput for options of ``add_differentiable_arguments`` that no search can have, whatever the data."""
    candidates = POWERS_OF_TWO if arguments.candidates is None else arguments.candidates
    if len(set(candidates)) != len(candidates) or len(candidates) < 2 or min(candidates) < 0:
        raise BadInput(f"--candidates must be at least two different dilations, not {candidates}")
    check_schedule(arguments.warm_up, arguments.branch_learning_rate)
    _check_search(arguments)


def check_schedule(warm_up: float, branch_learning_rate: float) -> None:
    """Raise BadInput for values that no differentiable search can have."""
    if not 0 <= warm_up < 1:
        raise BadInput(f"the warm-up must be at least 0 and below 1, a share of the epochs, not {warm_up}")
    if not 0 < branch_learning_rate < float("inf"):
        raise BadInput(f"the branch learning rate must be above 0, not {branch_learning_rate}")


def candidates_of_layers(arguments: argparse.Namespace, dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """The candidates from the options, the same for each layer, by short label.

    By default those that are shorter than the longest video of the split; says so where some are left out.
    """
    if arguments.candidates is not None:
        return dict.fromkeys(arguments.network.paths, tuple(arguments.candidates))
    longest = dataset.longest(split_number(arguments.split))
    candidates = candidates_within(longest)
    if candidates != POWERS_OF_TWO:
        print(
            f"candidates: {' '.join(map(str, candidates))}; longer ones see nothing, as no video of split "
            f"{arguments.split} has more than {longest} frames",
            file=sys.stderr,
        )
    return dict.fromkeys(arguments.network.paths, candidates)


SEARCH_TRIAL = TrialOptions(
    "search_trial",
    "structure of a search: train it briefly, evaluate it on validation videos",
    "--split 1",
    _add_search_arguments,
    _check_search,
)
LOCAL_TRIAL = TrialOptions(
    "local_trial",
    "iteration of a chain of the local search: train a branched network",
    "",
    _add_chain_arguments,
    _check_local,
)
DIFFERENTIABLE_TRIAL = TrialOptions(
    "differentiable_trial",
    "seed of the differentiable global search: one training",
    "--split 1",
    add_differentiable_arguments,
    check_differentiable_arguments,
)
FINAL_TRIAL = TrialOptions(
    "final_trial",
    "final training: the parameters structure, split and seed say which",
    "--output runs/f",
    _add_final_arguments,
    _check_final,
)
TRIALS = {f"trials.{each.trial}": each for each in (SEARCH_TRIAL, LOCAL_TRIAL, DIFFERENTIABLE_TRIAL, FINAL_TRIAL)}
"""By module."""
