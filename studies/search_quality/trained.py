"""Searches that are one training each: the differentiable one, and the local one from what another search has found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from nas_space.branching import Branching
from nas_space.network import POWERS_OF_TWO, Network
from studies.search_quality.judgement import search_side
from studies.search_quality.search import Place, Winner
from trials.data.arguments import Task
from trials.differentiable_search import SupernetTraining
from trials.local_search import ITERATIONS, LocalSearch
from trials.training.local_iteration import BranchedTraining
from trials.training.metrics import objective_value
from trials.training.training import TrainingSettings
from trials.trial_arguments import DIFFERENTIABLE_EPOCHS, EPOCHS_PER_ITERATION

LEARNING_RATE = 1e-3
"""Of a differentiable search on data sets as small as those here."""


def search_differentiably(task: Task, place: Place, network: Network, folder: Path, device: torch.device) -> Winner:
    """As ``experiments/50salads_mid_svm_differentiable.yml`` says; killed, it goes on from what ``folder`` holds."""
    settings = TrainingSettings(
        epochs=DIFFERENTIABLE_EPOCHS, batch_size=1, learning_rate=LEARNING_RATE, seed=place.seed
    )
    candidates = dict.fromkeys(network.paths, POWERS_OF_TWO)
    search = SupernetTraining(task, place.split, *search_side(task, place.split), settings, candidates, network)

    def show(row: dict[str, float]) -> None:
        _tell(place, f"epoch {row['epoch']:.0f}/{DIFFERENTIABLE_EPOCHS}, {objective_value(row, 'mean'):.1f}")

    found = search.run(folder, device, show)
    return Winner(found.structure, len(found.epochs), round(found.seconds, 3), objective_value(found.metrics, "mean"))


def search_locally(task: Task, place: Place, start: Winner, folder: Path, device: torch.device) -> Winner:
    """As ``experiments/50salads_mid_svm_local.yml`` says. Killed, it goes on from what ``folder`` holds."""
    settings = TrainingSettings(epochs=EPOCHS_PER_ITERATION, batch_size=1, seed=place.seed, decay_epochs=())
    training = BranchedTraining(task, place.split, *search_side(task, place.split), settings, Branching(rate=0.5))

    def show(row: dict[str, Any]) -> None:
        value = objective_value(row["epochs"][-1], "mean")
        _tell(place, f"iteration {row['iteration'] + 1}/{ITERATIONS}, {value:.1f}")

    refined = LocalSearch(training, start.structure, ITERATIONS).run(folder, device, show)
    return Winner(refined.structure, refined.epochs, round(refined.seconds, 3))


def _tell(place: Place, what: str) -> None:
    print(
        f"{place.dataset} split {place.split} {place.strategy} seed {place.seed}: {what}", file=sys.stderr, flush=True
    )
