"""Run all searches and final trainings of a comparison, in an order that gives balanced results whenever it stops."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Literal

import torch

from nas_space.network import Network
from nas_space.structure import Structure
from studies.search_quality.evaluator import Evaluator
from studies.search_quality.final_results import FinalResult
from studies.search_quality.limited import pattern
from studies.search_quality.search import SearchKey, SearchResult, run_search
from studies.search_quality.strategy_names import CUT, DIFFERENTIABLE, EIGHTH, EVEN, FEWER, HAND, LOCAL, start_of
from studies.search_quality.weight_sharing import search_differentiably, search_locally
from studies.worker_pool import new_pool
from trials.data.arguments import Task
from trials.training.final_training import FinalTraining
from trials.training.settings import TrainingSettings
from trials.trial_arguments import DIFFERENTIABLE_EPOCHS

ScoreOn = Literal["test", "validation"]
"""What final trainings are scored on: the test videos; or others of the training split than a search holds out, as the
choice of a pipeline run is."""


@dataclass(frozen=True)
class Rules:
    """The settings that all searches of a comparison share."""

    output: Path
    tasks: Mapping[str, Task]
    """By the name of the data set."""
    network: Network
    budget: int
    """Epochs of all short trainings of a search."""
    epochs: int
    """Of a short training."""
    final: TrainingSettings
    """Of a final training, but for its seed."""
    device: torch.device
    score_on: ScoreOn = "test"
    shorter: bool = True
    """Of differentiable searches, see ``differentiable_space``."""
    differentiable_epochs: int = DIFFERENTIABLE_EPOCHS

    def search(self, key: SearchKey, start: SearchResult | None) -> SearchResult:
        """Run or resume a search; one that starts from another's result also counts the cost of that one."""
        task, folder = self.tasks[key.dataset], key.training_folder(self.output)
        if start is not None and key.strategy.endswith(LOCAL):
            return search_locally(task, key, start, folder, self.device).after(start)
        if key.strategy in (DIFFERENTIABLE, EIGHTH, FEWER):
            how = (self.shorter, self.differentiable_epochs)
            return search_differentiably(task, key, self.network, folder, self.device, *how)
        settings = TrainingSettings(epochs=self.epochs, batch_size=1, seed=key.seed)
        file = self.output / "judgements" / key.dataset / f"split{key.split}.jsonl"
        evaluator = Evaluator(task, key.split, settings, file, self.device)
        if start is None:
            return run_search(key.strategy, evaluator, self.budget, self.network)
        return run_search(key.strategy, evaluator, self.budget, self.network, start.structure).after(start)

    def train(self, key: SearchKey, structure: Structure, seed: int) -> dict[str, Any]:
        """The final training of the result of a search, as for the results in docs."""
        task = self.tasks[key.dataset]
        train_videos, test_videos = task.dataset.split(key.split)
        if self.score_on == "validation":
            train_videos, test_videos = task.search_videos(key.split, others=True)
        settings = replace(self.final, seed=seed)
        training = FinalTraining(task, key.split, structure, settings, train_videos, (), test_videos, "last")
        return training.run(key.final_folder(self.output, structure, seed), self.device)


@dataclass(frozen=True, order=True)
class Job:
    """A search, or a final training of its result."""

    order: tuple[int, int, int]
    """Position of the search seed; 0 for a search and 1 for a final training; position of the final seed."""
    index: int
    """Of the search key."""
    origin: SearchResult | None = field(compare=False)
    """What is trained, or what a search starts from."""
    final_seed: int | None = field(compare=False)
    """None for a search."""


def work(
    rules: Rules,
    keys: Sequence[SearchKey],
    external: Mapping[str, str],
    final_seeds: Sequence[int],
    workers: int,
    known: Sequence[FinalResult] = (),
) -> None:
    """Run every search, and train all results in full; what is done already is skipped.

    Args:
        keys: of one search seed after the other; a search that starts from another's result comes with that one.
        external: structure files by strategy, with ``{dataset}``, ``{split}`` and ``{seed}`` in their paths.
        workers: processes of one thread each.
        known: final trainings that are done.
    """
    seeds = list(dict.fromkeys(key.seed for key in keys))
    results = {final.key: final.search for final in known}
    jobs: list[Job] = []
    queued = {final.key.final_folder(rules.output, final.search.structure, final.final_seed) for final in known}

    def search(index: int, start: SearchResult | None) -> None:
        key = keys[index]
        if key in results:
            finish(index, results[key])
        elif key.file(rules.output).exists():
            finish(index, SearchResult.read(key.file(rules.output), rules.network))
        else:
            heappush(jobs, Job((seeds.index(key.seed), 0, 0), index, start, None))

    def finish(index: int, found: SearchResult) -> None:
        key = keys[index]
        found.write(key.file(rules.output))
        for number, seed in enumerate(final_seeds):
            folder = key.final_folder(rules.output, found.structure, seed)
            if folder not in queued:
                queued.add(folder)
                heappush(jobs, Job((seeds.index(key.seed), 1, number), index, found, seed))
        for number, other in enumerate(keys):
            if _start(other) == key:
                search(number, found)

    for index, key in enumerate(keys):
        if key.strategy == HAND or key.strategy in external:
            finish(index, SearchResult.read(_source(key, external), rules.network))
        elif key.strategy in (CUT, EVEN):
            finish(index, SearchResult(pattern(key.strategy, rules.tasks[key.dataset], rules.network), 0, 0.0))
        elif start_of(key.strategy) is None:
            search(index, None)
    with new_pool(workers) as pool:
        running: dict[Future[Any], Job] = {}
        while jobs or running:
            while jobs and len(running) < workers:
                job = heappop(jobs)
                key = keys[job.index]
                if job.final_seed is None:
                    future: Future[Any] = pool.submit(rules.search, key, job.origin)
                else:
                    assert job.origin is not None
                    future = pool.submit(rules.train, key, job.origin.structure, job.final_seed)
                running[future] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                key, result = keys[job.index], future.result()
                what = f"final training {job.final_seed}"
                if job.final_seed is None:
                    what = "search"
                    finish(job.index, result)
                print(
                    f"done: {key.dataset} split {key.split} {key.strategy} seed {key.seed}, {what}; "
                    f"{len(jobs) + len(running)} left so far",
                    file=sys.stderr,
                    flush=True,
                )


def _start(key: SearchKey) -> SearchKey | None:
    """The search whose result this one starts from, if any: that of its own seed, but ``hand`` has only one."""
    base = start_of(key.strategy)
    return None if base is None else replace(key, strategy=base, seed=0 if base == HAND else key.seed)


def _source(key: SearchKey, external: Mapping[str, str]) -> str:
    if key.strategy == HAND:
        return HAND
    path = external[key.strategy]
    for name in ("dataset", "split", "seed"):
        path = path.replace(f"{{{name}}}", str(getattr(key, name)))
    return path
