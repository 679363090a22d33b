"""All searches and final trainings of a comparison, in an order that leaves balanced results wherever it stops."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from benchmarks.search_quality.judgement import Judge
from benchmarks.search_quality.search import HAND, Place, Winner, run_search
from benchmarks.search_quality.searchers import SEARCHERS
from nas_space.shape import MSTCNShape
from nas_space.structure import Structure
from trials.data_arguments import Task
from trials.final_training import FinalTraining
from trials.training import TrainingSettings


@dataclass(frozen=True)
class Rules:
    """What is equal for all searches of a comparison."""

    output: Path
    tasks: Mapping[str, Task]
    """By the name of the data set."""
    shape: MSTCNShape
    budget: int
    """Epochs of all short trainings of a search."""
    epochs: int
    """Of a short training."""
    final_epochs: int

    def search(self, place: Place) -> Winner:
        """Search, or go on with a search."""
        settings = TrainingSettings(epochs=self.epochs, batch_size=1, seed=place.seed)
        file = self.output / "judgements" / place.dataset / f"split{place.split}.jsonl"
        judge = Judge(self.tasks[place.dataset], place.split, settings, file)
        return run_search(place.strategy, judge, self.budget, self.shape)

    def train(self, place: Place, structure: Structure, seed: int) -> dict[str, Any]:
        """The final training of a winner, as the README's results are made."""
        task = self.tasks[place.dataset]
        train_videos, test_videos = task.dataset.split(place.split)
        settings = TrainingSettings(epochs=self.final_epochs, batch_size=2, seed=seed)
        training = FinalTraining(task, place.split, structure, settings, train_videos, (), test_videos, "last")
        folder = final_folder(self.output, place.dataset, place.split, structure, seed)
        return training.run(folder, torch.device("cpu"))


def final_folder(output: Path, dataset: str, split: int, structure: Structure, seed: int) -> Path:
    """Where a final training is kept: searches with the same winner share it."""
    name = hashlib.sha256(str(structure).encode()).hexdigest()[:12]
    return output / "final" / dataset / f"split{split}" / name / f"seed{seed}"


Order = tuple[int, int, int, int]
"""Position of the search seed; 0 for a search and 1 for a final training; of the final seed; of the place."""
Job = tuple[Order, Place, Structure | None, int]
"""The structure and the seed of a final training; None and 0 for a search."""


def work(
    rules: Rules, places: Sequence[Place], external: Mapping[str, str], final_seeds: Sequence[int], workers: int
) -> None:
    """Search at every place, and train all winners in full; what is there already is not done again.

    Args:
        places: of one search seed after the other.
        external: structure files by strategy, with ``{dataset}``, ``{split}`` and ``{seed}`` in their paths.
        workers: processes of one thread each.
    """
    seeds = list(dict.fromkeys(place.seed for place in places))
    jobs: list[Job] = []
    folders: set[Path] = set()

    def finish(index: int, winner: Winner) -> None:
        place = places[index]
        winner.write(place.file(rules.output))
        for number, seed in enumerate(final_seeds):
            folder = final_folder(rules.output, place.dataset, place.split, winner.structure, seed)
            if folder not in folders:
                folders.add(folder)
                heappush(jobs, ((seeds.index(place.seed), 1, number, index), place, winner.structure, seed))

    for index, place in enumerate(places):
        if place.strategy in SEARCHERS:
            heappush(jobs, ((seeds.index(place.seed), 0, 0, index), place, None, 0))
        else:
            finish(index, Winner.read(_source(place, external), rules.shape))
    # A spawned process imports torch anew: a forked one would share its threads.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        running: dict[Future[Any], Job] = {}
        while jobs or running:
            while jobs and len(running) < workers:
                job = heappop(jobs)
                _, place, structure, seed = job
                future: Future[Any] = (
                    pool.submit(rules.search, place)
                    if structure is None
                    else pool.submit(rules.train, place, structure, seed)
                )
                running[future] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                (*_, index), place, structure, seed = running.pop(future)
                what = "search" if structure is None else f"final training {seed} of the winner"
                if structure is None:
                    finish(index, future.result())
                else:
                    future.result()
                print(
                    f"done: {place.dataset} split {place.split} {place.strategy} seed {place.seed}, {what}; "
                    f"{len(jobs) + len(running)} known to be left",
                    file=sys.stderr,
                    flush=True,
                )


def _source(place: Place, external: Mapping[str, str]) -> str:
    if place.strategy == HAND:
        return HAND
    path = external[place.strategy]
    for name in ("dataset", "split", "seed"):
        path = path.replace(f"{{{name}}}", str(getattr(place, name)))
    return path


def _begin() -> None:
    """Prepare a worker: one thread, no chatter of NNI, and an end with the process that started it."""
    torch.set_num_threads(1)
    logging.getLogger("nni").setLevel(logging.WARNING)
    parent = parent_process()
    assert parent is not None

    # A pool's workers outlive a parent that was killed, and would train beside those of its next start.
    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
