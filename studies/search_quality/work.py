"""All searches and final trainings of a comparison, in an order that leaves balanced results wherever it stops."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import torch

from nas_space.network import Network
from nas_space.structure import Structure
from studies.search_quality.judgement import Judge
from studies.search_quality.search import Place, Winner, run_search
from studies.search_quality.strategy_names import DIFFERENTIABLE, HAND, LOCAL, STRATEGIES, start_of
from studies.search_quality.trained import search_differentiably, search_locally
from studies.search_quality.trainings import Cell
from studies.worker_pool import new_pool
from trials.data.arguments import Task
from trials.training.final_training import FinalTraining
from trials.training.training import TrainingSettings


@dataclass(frozen=True)
class Rules:
    """What is equal for all searches of a comparison."""

    output: Path
    tasks: Mapping[str, Task]
    """By the name of the data set."""
    network: Network
    budget: int
    """Epochs of all short trainings of a search."""
    epochs: int
    """Of a short training."""
    final_epochs: int
    device: torch.device

    def search(self, place: Place, start: Winner | None) -> Winner:
        """Search, or go on with a search; what starts from another's winner costs what both did."""
        task, folder = self.tasks[place.dataset], place.training_folder(self.output)
        if start is not None and place.strategy.endswith(LOCAL):
            return search_locally(task, place, start, folder, self.device).after(start)
        if place.strategy == DIFFERENTIABLE:
            return search_differentiably(task, place, self.network, folder, self.device)
        settings = TrainingSettings(epochs=self.epochs, batch_size=1, seed=place.seed)
        file = self.output / "judgements" / place.dataset / f"split{place.split}.jsonl"
        judge = Judge(task, place.split, settings, file, self.device)
        if start is None:
            return run_search(place.strategy, judge, self.budget, self.network)
        return run_search(place.strategy, judge, self.budget, self.network, start.structure).after(start)

    def train(self, place: Place, structure: Structure, seed: int) -> dict[str, Any]:
        """The final training of a winner, as the results in docs are made."""
        task = self.tasks[place.dataset]
        train_videos, test_videos = task.dataset.split(place.split)
        settings = TrainingSettings(epochs=self.final_epochs, batch_size=2, seed=seed)
        training = FinalTraining(task, place.split, structure, settings, train_videos, (), test_videos, "last")
        return training.run(place.final_folder(self.output, structure, seed), self.device)


@dataclass(frozen=True, order=True)
class Job:
    """A search, or a final training of what it found."""

    order: tuple[int, int, int]
    """Position of the search seed; 0 for a search and 1 for a final training; position of the final seed."""
    index: int
    """Of the place."""
    winner: Winner | None = field(compare=False)
    """What is trained, or what a search starts from."""
    final_seed: int | None = field(compare=False)
    """None for a search."""


def work(
    rules: Rules,
    places: Sequence[Place],
    external: Mapping[str, str],
    final_seeds: Sequence[int],
    workers: int,
    known: Sequence[Cell] = (),
) -> None:
    """Search at every place, and train all winners in full; what is there already is not done again.

    Args:
        places: of one search seed after the other; with what starts from another's winner, that other.
        external: structure files by strategy, with ``{dataset}``, ``{split}`` and ``{seed}`` in their paths.
        workers: processes of one thread each.
        known: final trainings that are done.
    """
    seeds = list(dict.fromkeys(place.seed for place in places))
    winners = {cell.place: cell.winner for cell in known}
    jobs: list[Job] = []
    begun = {cell.place.final_folder(rules.output, cell.winner.structure, cell.final_seed) for cell in known}

    def search(index: int, start: Winner | None) -> None:
        place = places[index]
        if place in winners:
            finish(index, winners[place])
        elif place.file(rules.output).exists():
            finish(index, Winner.read(place.file(rules.output), rules.network))
        else:
            heappush(jobs, Job((seeds.index(place.seed), 0, 0), index, start, None))

    def finish(index: int, winner: Winner) -> None:
        place = places[index]
        winner.write(place.file(rules.output))
        for number, seed in enumerate(final_seeds):
            folder = place.final_folder(rules.output, winner.structure, seed)
            if folder not in begun:
                begun.add(folder)
                heappush(jobs, Job((seeds.index(place.seed), 1, number), index, winner, seed))
        for number, other in enumerate(places):
            if _start(other) == place:
                search(number, winner)

    for index, place in enumerate(places):
        if place.strategy == HAND or place.strategy in external:
            finish(index, Winner.read(_source(place, external), rules.network))
        elif place.strategy in STRATEGIES:
            search(index, None)
    with new_pool(workers) as pool:
        running: dict[Future[Any], Job] = {}
        while jobs or running:
            while jobs and len(running) < workers:
                job = heappop(jobs)
                place = places[job.index]
                if job.final_seed is None:
                    future: Future[Any] = pool.submit(rules.search, place, job.winner)
                else:
                    assert job.winner is not None
                    future = pool.submit(rules.train, place, job.winner.structure, job.final_seed)
                running[future] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                place, result = places[job.index], future.result()
                what = f"final training {job.final_seed} of the winner"
                if job.final_seed is None:
                    what = "search"
                    finish(job.index, result)
                print(
                    f"done: {place.dataset} split {place.split} {place.strategy} seed {place.seed}, {what}; "
                    f"{len(jobs) + len(running)} known to be left",
                    file=sys.stderr,
                    flush=True,
                )


def _start(refined: Place) -> Place | None:
    """Where it starts from what another search found: of its own seed, but ``hand`` has only one."""
    base = start_of(refined.strategy)
    return None if base is None else replace(refined, strategy=base, seed=0 if base == HAND else refined.seed)


def _source(place: Place, external: Mapping[str, str]) -> str:
    if place.strategy == HAND:
        return HAND
    path = external[place.strategy]
    for name in ("dataset", "split", "seed"):
        path = path.replace(f"{{{name}}}", str(getattr(place, name)))
    return path
