"""The fault drills: what strikes a search, when, and what a user does then."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.drills.drilled_search import DrilledSearch, Phase
from tests.drills.jumping_clock import JumpingClock
from tests.drills.nni_home import Kind, find, is_manager, is_trial, is_tuner

Drill = Callable[[Path], DrilledSearch]
"""Given a folder of its own, runs a search into a fault and to its end. The first line of its docstring says what."""

DAY = 86400


def trial_killed(folder: Path) -> DrilledSearch:
    """kill -9 of a trial in training."""
    search = DrilledSearch(folder)
    search.start()
    search.wait_for_results()
    search.strike(search.wait_for_training().kill)
    search.finish()
    return search


def trial_killed_in_checkpoint(folder: Path) -> DrilledSearch:
    """kill -9 of a trial of a chain while it writes its checkpoint."""
    return _fault_inside(DrilledSearch(folder, "local", fault="dies-in-checkpoint"), results=2)


def checkpoints_lost(folder: Path) -> DrilledSearch:
    """The checkpoints of all chains disappear."""
    search = _fault_inside(DrilledSearch(folder, "local", fault="loses-the-checkpoints"), results=2)
    if not any("is trained again" in path.read_text() for path in search.home.rglob("trial.stderr")):
        raise RuntimeError("no iteration was trained again")
    return search


def tuner_killed(folder: Path) -> DrilledSearch:
    """kill -9 of the tuner, then a resume."""
    return _kill_and_resume(DrilledSearch(folder), is_tuner)


def manager_killed(folder: Path) -> DrilledSearch:
    """kill -9 of NNI's manager, then a resume."""
    return _kill_and_resume(DrilledSearch(folder), is_manager)


def all_killed(folder: Path) -> DrilledSearch:
    """kill -9 of trials, tuner, manager and the command that watches them, then a resume."""
    return _kill_and_resume(DrilledSearch(folder), is_trial, is_tuner, is_manager, watcher=True)


def orphaned(folder: Path) -> DrilledSearch:
    """kill -9 of manager and watching command: trials and tuner go on alone until the resume ends them."""
    return _kill_and_resume(DrilledSearch(folder), is_manager, watcher=True)


def stopped_in_a_generation(folder: Path) -> DrilledSearch:
    """nnictl stop in the middle of the second generation, then a resume."""
    return _stop_and_resume(DrilledSearch(folder), results=5)


def stopped_in_a_chain(folder: Path) -> DrilledSearch:
    """nnictl stop in the middle of two chains of the local search, then a resume."""
    return _stop_and_resume(DrilledSearch(folder, "local"), results=3)


def disk_full_for_the_tuner(folder: Path) -> DrilledSearch:
    """The tuner cannot write any more (a file-size limit), then a resume."""
    return _fill_and_resume(DrilledSearch(folder), is_tuner)


def disk_full_for_nni(folder: Path) -> DrilledSearch:
    """NNI's manager cannot write any more (a file-size limit), then a resume."""
    return _fill_and_resume(DrilledSearch(folder), is_manager)


def disk_full_for_a_checkpoint(folder: Path) -> DrilledSearch:
    """A trial of a chain cannot write its checkpoint (a file-size limit)."""
    return _fault_inside(DrilledSearch(folder, "local", fault="fills-the-disk"), results=2)


def disk_full_for_the_cache(folder: Path) -> DrilledSearch:
    """A trial cannot write the feature cache (a file-size limit)."""
    return _fault_inside(DrilledSearch(folder, fault="fills-the-disk-for-the-cache"), results=0)


def cache_build_killed(folder: Path) -> DrilledSearch:
    """kill -9 of a trial while it builds the feature cache."""
    return _fault_inside(DrilledSearch(folder, fault="dies-in-cache"), results=0)


def trial_hangs(folder: Path) -> DrilledSearch:
    """A trial hangs, and is stopped by the maxTrialDuration of the YAML file, here a minute."""
    return _fault_inside(DrilledSearch(folder, fault="hangs", time_limit="60s"), results=2)


def loss_not_finite(folder: Path) -> DrilledSearch:
    """The loss of a trial becomes NaN."""
    return _fault_inside(DrilledSearch(folder, fault="loses-the-loss"), results=1)


def data_file_gone(folder: Path) -> DrilledSearch:
    """A feature file disappears; it is put back, then a resume."""
    search = DrilledSearch(folder)
    path = folder / "data" / "demo" / "features" / "demo-03.npy"
    content = path.read_bytes()
    return _damage_and_resume(search, path.unlink, lambda: path.write_bytes(content))


def data_file_truncated(folder: Path) -> DrilledSearch:
    """A feature file is cut to half; it is put back, then a resume."""
    search = DrilledSearch(folder)
    path = folder / "data" / "demo" / "features" / "demo-03.npy"
    content = path.read_bytes()
    half = len(content) // 2
    return _damage_and_resume(search, lambda: os.truncate(path, half), lambda: path.write_bytes(content))


def clock_jumps(folder: Path) -> DrilledSearch:
    """The clock of all processes jumps a day ahead, later two days back."""
    clock = JumpingClock(folder)
    # A trial that hangs is sure to be at work when the clock jumps, and past its time limit after that.
    search = DrilledSearch(folder, fault="hangs", more_environment=clock.environment)
    search.start()
    search.wait_for_results()
    search.arm()
    search.strike(lambda: clock.jump(DAY))
    search.wait_for_results(5)
    clock.jump(-DAY)
    search.finish()
    return search


def undisturbed_global(folder: Path) -> DrilledSearch:
    """Nothing strikes the global search."""
    return undisturbed(DrilledSearch(folder))


def undisturbed_local(folder: Path) -> DrilledSearch:
    """Nothing strikes the local search."""
    return undisturbed(DrilledSearch(folder, "local"))


UNDISTURBED: dict[Phase, Drill] = {"global": undisturbed_global, "local": undisturbed_local}
SURVIVED: tuple[Drill, ...] = (
    trial_killed,
    trial_killed_in_checkpoint,
    checkpoints_lost,
    tuner_killed,
    manager_killed,
    all_killed,
    orphaned,
    stopped_in_a_generation,
    stopped_in_a_chain,
    disk_full_for_the_tuner,
    disk_full_for_nni,
    disk_full_for_a_checkpoint,
    disk_full_for_the_cache,
    cache_build_killed,
    trial_hangs,
    loss_not_finite,
    data_file_gone,
    data_file_truncated,
    clock_jumps,
)
"""After these, the search has the best structure of one that was not disturbed."""


def undisturbed(search: DrilledSearch) -> DrilledSearch:
    """Run a search to its end."""
    search.start()
    search.finish()
    return search


def _fault_inside(search: DrilledSearch, results: int) -> DrilledSearch:
    """A fault strikes inside a trial, once so many results are there; nobody does anything about it."""
    if results == 0:
        search.armed.touch()
    search.start()
    search.wait_for_results(results)
    search.arm()
    search.finish()
    return search


def _kill_and_resume(search: DrilledSearch, *kinds: Kind, watcher: bool = False) -> DrilledSearch:
    search.start()
    search.wait_for_results()
    search.wait_for_training()
    killed = find(search.home, *kinds)
    if watcher:
        assert search.launched is not None
        killed.insert(0, psutil.Process(search.launched.pid))
    search.strike(lambda: kill(killed))
    search.finish()
    orphans = find(search.home, is_trial, is_tuner) if watcher else []
    search.resume()
    search.finish()
    if any(orphan.is_running() for orphan in orphans):
        raise RuntimeError("the resume left orphans alive")
    return search


def kill(processes: Sequence[psutil.Process]) -> None:
    """kill -9 of them, in this order."""
    for process in processes:
        process.kill()


def _stop_and_resume(search: DrilledSearch, results: int) -> DrilledSearch:
    search.start()
    search.wait_for_results(results)
    search.wait_for_process(is_trial)
    search.strike(lambda: search.nnictl("stop", search.id()))
    search.finish()
    search.resume()
    search.finish()
    return search


def _fill_and_resume(search: DrilledSearch, kind: Kind) -> DrilledSearch:
    search.start()
    search.wait_for_results()
    [process] = search.wait_for_process(kind)
    search.strike(lambda: process.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY)))
    return _resume_once_ended(search)


def _damage_and_resume(
    search: DrilledSearch, damage: Callable[[], object], mend: Callable[[], object]
) -> DrilledSearch:
    search.start()
    search.wait_for_results()
    search.strike(damage)
    return _resume_once_ended(search, mend)


def _resume_once_ended(search: DrilledSearch, mend: Callable[[], object] = lambda: None) -> DrilledSearch:
    """Resume a search that has ended with a reason, which is mended first."""
    search.finish()
    if search.is_done():
        raise RuntimeError("the search did not notice the fault")
    mend()
    search.resume()
    search.finish()
    return search
