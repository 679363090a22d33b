"""Command-line options of the training, shared by several commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from common.bad_input import BadInput
from nas_space.networks.your_own import OwnNetwork
from trials.training.settings import PRECISIONS, TrainingSettings, check_cuda_graph, device_index


def add_schedule_arguments(
    parser: argparse.ArgumentParser,
    epochs: int = TrainingSettings.epochs,
    decay_epochs: Sequence[int] = TrainingSettings.decay_epochs,
) -> argparse._ArgumentGroup:
    """Add the options that do not depend on seed and machine; returns their group."""
    group = parser.add_argument_group("training")
    defaults = TrainingSettings(epochs=epochs)
    decays = " ".join(map(str, decay_epochs)) or "none"
    group.add_argument("--epochs", type=int, default=defaults.epochs, help="(default: %(default)s)")
    group.add_argument("--batch-size", type=int, default=defaults.batch_size, help="videos (default: %(default)s)")
    group.add_argument("--learning-rate", type=float, default=defaults.learning_rate, help="(default: %(default)s)")
    group.add_argument(
        "--decay-epochs",
        type=int,
        nargs="*",
        default=list(decay_epochs),
        metavar="E",
        help=f"epochs after which the learning rate falls to a tenth (default: {decays})",
    )
    group.add_argument(
        "--smoothing-weight", type=float, default=defaults.smoothing_weight, help="(default: %(default)s)"
    )
    group.add_argument(
        "--smoothing-average",
        choices=("valid", "padded"),
        default=defaults.smoothing_average,
        help="mean over existing frame pairs, or over padded ones as in the first code (default: %(default)s)",
    )
    return group


def add_training_arguments(
    parser: argparse.ArgumentParser,
    epochs: int = TrainingSettings.epochs,
    decay_epochs: Sequence[int] = TrainingSettings.decay_epochs,
    averages: bool = True,
) -> None:
    """Add all options of a training; ``averages``: also the one that averages weights."""
    group = add_schedule_arguments(parser, epochs, decay_epochs)
    if averages:
        group.add_argument(
            "--average-last",
            type=float,
            default=TrainingSettings.average_last,
            metavar="SHARE",
            help="average the weights after each of the last epochs, this share of them (default: 0, no average)",
        )
    else:
        parser.set_defaults(average_last=TrainingSettings.average_last)
    group.add_argument("--seed", type=int, default=TrainingSettings.seed, help="(default: %(default)s)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    group.add_argument("--precision", choices=PRECISIONS, default="float32", help="all others need CUDA")
    group.add_argument(
        "--cuda-graph",
        action="store_true",
        help="record the operators of a training step once, and replay them; needs CUDA",
    )
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of PyTorch (default: $OMP_NUM_THREADS, else as many as pay off)",
    )
    parser.set_defaults(cores=None)  # available to this process: NNI's trials share them


def schedule_settings(arguments: argparse.Namespace) -> TrainingSettings:
    """The settings from the options of ``add_schedule_arguments``, with defaults for the others."""
    return TrainingSettings(
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        decay_epochs=tuple(arguments.decay_epochs),
        smoothing_weight=arguments.smoothing_weight,
        smoothing_average=arguments.smoothing_average,
    )


def training_settings(arguments: argparse.Namespace) -> TrainingSettings:
    """The settings from the options; also sets the number of threads."""
    settings = check_training_arguments(arguments)
    if arguments.threads is not None:
        # Imported here, so that options can be checked without PyTorch, which takes seconds and 200 MB.
        import torch

        torch.set_num_threads(arguments.threads)
    return settings


def check_training_arguments(arguments: argparse.Namespace) -> TrainingSettings:
    """The settings from the options of ``add_training_arguments``. Raises BadInput for invalid values."""
    if arguments.threads is not None and arguments.threads < 1:
        raise BadInput(f"--threads must be at least 1, not {arguments.threads}")
    device_index(arguments.device)
    if arguments.cuda_graph:
        # Not all commands have these.
        network = getattr(arguments, "network", None)
        own = network.function if isinstance(network, OwnNetwork) else None
        check_cuda_graph(own, getattr(arguments, "inner_activation", False))
    return replace(
        schedule_settings(arguments),
        precision=arguments.precision,
        cuda_graph=arguments.cuda_graph,
        seed=arguments.seed,
        average_last=arguments.average_last,
    )
