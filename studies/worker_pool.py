"""Parallel one-thread worker processes, which end with the process that started them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Key = TypeVar("Key")
Result = TypeVar("Result")


def new_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes, as a context manager."""
    # Spawn: a forked process would share torch's threads.
    return ProcessPoolExecutor(workers, get_context("spawn"), _prepare)


def run_all(
    workers: int,
    function: Callable[..., Result],
    jobs: Mapping[Key, tuple[Any, ...]],
    unit: str,
    note: Callable[[Key, Result], object] = lambda *_: None,
) -> dict[Key, Result]:
    """Call a function with the arguments of each job, and show the progress.

    The first exception is raised once the running calls have ended; no other call is started.

    Args:
        note: called with each result as soon as it is there.

    Returns:
        The results, in the order of the jobs.
    """
    with new_pool(workers) as pool:
        futures = {pool.submit(function, *arguments): key for key, arguments in jobs.items()}
        done: dict[Key, Result] = {}
        try:
            for future in tqdm(as_completed(futures), total=len(futures), unit=unit, disable=None, file=sys.stderr):
                key = futures[future]
                done[key] = future.result()
                note(key, done[key])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {key: done[key] for key in jobs}


def _prepare() -> None:
    """Prepare a worker: one thread, no log messages of NNI, and an end with the process that started it."""
    torch.set_num_threads(1)
    logging.getLogger("nni").setLevel(logging.WARNING)
    parent = parent_process()
    assert parent is not None

    # A pool's workers outlive a killed parent, and would run in parallel with those of its next start.
    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
