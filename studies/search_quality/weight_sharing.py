"""Weight-sharing searches, each one training: the differentiable search, and the local search from another's result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from nas_space.branching import Branching
from nas_space.network import Network
from studies.search_quality.limited import differentiable_space
from studies.search_quality.search import SearchKey, SearchResult
from trials.data.arguments import Task
from trials.differentiable_search import SupernetTraining
from trials.local_search import ITERATIONS, LocalSearch
from trials.training.local_iteration import BranchedTraining
from trials.training.metrics import objective_value
from trials.training.settings import TrainingSettings
from trials.trial_arguments import EPOCHS_PER_ITERATION

LEARNING_RATE = 1e-3
"""Of a differentiable search on data sets as small as those here."""


def search_differentiably(
    task: Task,
    key: SearchKey,
    network: Network,
    folder: Path,
    device: torch.device,
    shorter: bool,
    epochs: int,
) -> SearchResult:
    """As in ``experiments/50salads_mid_svm_differentiable.yml``, some within limits; resumes from ``folder``.

    ``shorter``: see ``differentiable_space``.
    """
    settings = TrainingSettings(epochs=epochs, batch_size=1, learning_rate=LEARNING_RATE, seed=key.seed)
    candidates, budget = differentiable_space(key.strategy, task, key.split, network, shorter)
    videos = task.search_videos(key.split)
    search = SupernetTraining(task, key.split, *videos, settings, candidates, network, budget=budget)

    def show(row: dict[str, float]) -> None:
        _say(key, f"epoch {row['epoch']:.0f}/{epochs}, {objective_value(row, 'mean'):.1f}")

    found = search.run(folder, device, show)
    return SearchResult(
        found.structure, len(found.epochs), round(found.seconds, 3), objective_value(found.metrics, "mean")
    )


def search_locally(task: Task, key: SearchKey, start: SearchResult, folder: Path, device: torch.device) -> SearchResult:
    """As in ``experiments/50salads_mid_svm_local.yml``; after a kill, it resumes from ``folder``."""
    settings = TrainingSettings(epochs=EPOCHS_PER_ITERATION, batch_size=1, seed=key.seed, decay_epochs=())
    training = BranchedTraining(task, key.split, *task.search_videos(key.split), settings, Branching(rate=0.5))

    def show(row: dict[str, Any]) -> None:
        value = objective_value(row["epochs"][-1], "mean")
        _say(key, f"iteration {row['iteration'] + 1}/{ITERATIONS}, {value:.1f}")

    refined = LocalSearch(training, start.structure, ITERATIONS).run(folder, device, show)
    return SearchResult(refined.structure, refined.epochs, round(refined.seconds, 3))


def _say(key: SearchKey, what: str) -> None:
    print(f"{key.dataset} split {key.split} {key.strategy} seed {key.seed}: {what}", file=sys.stderr, flush=True)
