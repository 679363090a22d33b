"""Do shared or inherited weights rank structures better than short trainings from scratch?

Extends the trainings of ``studies.ranking.early_epochs``, with the same options and folder: for each seed, one network
is trained whose structure is sampled again after every step, as in single-path one-shot search (Guo et al., ECCV 2020).
It evaluates every structure with its weights as they are, and after a few more epochs. The same few epochs also start
from the trained weights of ``hand``, as a child would inherit its parent's. Kendall's tau compares the scores with the
ranking of the other seeds' full trainings from scratch.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common.atomic_file import write_json
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from common.read_file import read_json
from nas_space.layers.convolutions import DilatedConv
from nas_space.network import POWERS_OF_TWO
from nas_space.networks import build
from nas_space.structure import Structure
from strategies.genes import sample_genes
from studies.ranking.early_epochs import CPU, Scores, Study, agreement
from studies.worker_pool import run_all
from trials.data.device_videos import DeviceVideos
from trials.training.checkpoint import load_checkpoint
from trials.training.metrics import objective_value
from trials.training.scoring import score_network
from trials.training.training import Training

STARTS = ("shared", "hand")

Weights = dict[str, Tensor]


def put_on(module: nn.Module, structure: Structure) -> None:
    """Change the dilations of a network in place; its weights stay."""
    for path, dilation in structure.by_path().items():
        conv = module.get_submodule(path)
        assert isinstance(conv, DilatedConv)
        conv.dilation = (dilation,)


def new_network(study: Study) -> nn.Module:
    """An untrained network for the data of a study."""
    dataset = study.task.dataset
    return build(study.structures["hand"], dataset.feature_dim(study.train_videos[0]), len(dataset.classes))


def train_shared(study: Study, seed: int) -> Weights:
    """The weights of a network that is trained for the full schedule, with a random structure in every step."""
    torch.manual_seed(seed)
    # Not the seed alone: the structures that are evaluated were sampled with one, too.
    module, random = new_network(study), np.random.default_rng([seed, 1])
    network = study.structures["hand"].network
    training = Training(module, replace(study.settings, seed=seed), CPU)
    candidates = [POWERS_OF_TWO] * len(network.layers)

    def sample_structure() -> None:
        put_on(module, Structure(sample_genes(candidates, random), network))

    sample_structure()
    while training.epoch < study.settings.epochs:
        training.run_epoch(study.task.dataset, study.train_videos, sample_structure)
    return module.state_dict()


def evaluate(study: Study, name: str, weights: Weights, seed: int, epochs: int) -> list[float]:
    """The objective of a structure on the validation videos: with given weights, and after ``epochs`` more epochs."""
    module = new_network(study)
    module.load_state_dict(weights)
    put_on(module, study.structures[name])
    training = Training(module, replace(study.settings, seed=seed), CPU)
    task, objectives = study.task, []
    for epoch in range(epochs + 1):
        if epoch > 0:
            training.run_epoch(task.dataset, study.train_videos)
        if epoch in (0, epochs):
            videos = DeviceVideos.on(task.dataset, CPU)
            metrics = score_network(module, videos, study.validation_videos, task.background)
            objectives.append(objective_value(metrics, "mean"))
    return objectives


def evaluate_all(study: Study, start: str, seed: int, epochs: int) -> dict[str, list[float]]:
    """``evaluate`` for every random structure from one start; each result is written at once and not computed again.

    Raises:
        BadInput: the file is damaged, or from another study or other epochs.
    """
    path = study.output / "inherited" / f"{start}_seed{seed}.json"
    about = {**study.describe(), "few_epochs": epochs}
    objectives: dict[str, list[float]] = {}
    if path.exists():
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("objectives"), dict):
            raise BadInput(f"{path}: damaged; remove it")
        if content.get("about") != about:
            raise BadInput(f"{path}: is from another study; remove it, or choose another --output")
        objectives = content["objectives"]
    left = [name for name in study.structures if name not in ("hand", *objectives)]
    if left:
        trained = study.folder("hand", seed) / "model.pt"
        weights = train_shared(study, seed) if start == "shared" else load_checkpoint(trained).weights
    for name in left:
        objectives[name] = evaluate(study, name, weights, seed, epochs)
        write_json(path, {"about": about, "objectives": objectives})
    return objectives


def report(
    long: dict[tuple[str, int], dict[str, Any]],
    inherited: dict[tuple[str, int], dict[str, list[float]]],
    seeds: tuple[int, ...],
    epochs: int,
) -> str:
    """The table: how well each estimator with one seed ranks the random structures as the other seeds' trainings do.

    Args:
        long: the metrics.json content of each full training, by structure's name and seed.
        inherited: results of ``evaluate_all``, by start and seed.
        epochs: of the short trainings.
    """
    names = list(inherited[STARTS[0], seeds[0]])

    def scores(objective: Any) -> Scores:
        return np.array([[objective(name, seed) for seed in seeds] for name in names])

    validation = scores(lambda name, seed: objective_value(long[name, seed]["history"][-1], "mean"))
    test = scores(lambda name, seed: objective_value(long[name, seed]["test"], "mean"))
    estimators = {
        f"{epochs} epochs from scratch": scores(
            lambda name, seed: objective_value(long[name, seed]["history"][epochs - 1], "mean")
        ),
        "full training": validation,
        "shared weights": scores(lambda name, seed: inherited["shared", seed][name][0]),
        f"{epochs} epochs from shared weights": scores(lambda name, seed: inherited["shared", seed][name][1]),
        "weights of hand": scores(lambda name, seed: inherited["hand", seed][name][0]),
        f"{epochs} epochs from those of hand": scores(lambda name, seed: inherited["hand", seed][name][1]),
    }
    lines = [f"{'':<32}{'mean':>8}{'tau, validation':>18}{'tau, test':>12}"]
    lines += [
        f"{what:<32}{values.mean():>8.1f}{agreement(values, validation):>18.2f}{agreement(values, test):>12.2f}"
        for what, values in estimators.items()
    ]
    lines.append(
        f"{len(names)} random structures x {len(seeds)} seeds; mean: of the five metrics on the validation videos; "
        "tau: Kendall's, of one seed's ranking with that of the other seeds' full trainings"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure how well shared and inherited weights rank structures; started again after a kill, it resumes."""
    parser = command_parser(
        "studies.ranking.inherited_weights", main.__doc__, "--dataset gtea --split 1 --output ranking"
    )
    Study.add_arguments(parser)
    parser.add_argument("--few-epochs", type=int, default=5, help="after inheriting weights (default: %(default)s)")
    arguments = parser.parse_args()
    study, epochs = Study.from_arguments(arguments), arguments.few_epochs
    if not 1 <= epochs <= study.settings.epochs:
        raise BadInput(f"--few-epochs must be from 1 to the {study.settings.epochs} epochs of a full training")
    long = study.run()
    starts = {place: (study, *place, epochs) for place in product(STARTS, study.seeds)}
    inherited = run_all(study.workers, evaluate_all, starts, "start")
    print(report(long, inherited, study.seeds, epochs))


if __name__ == "__main__":
    run_command(main)
