"""Drills of searches on other hosts: what strikes them, and what must have happened then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.drills.drilled_search import DrilledSearch, Phase
from tests.drills.fault_drills import Drill, kill, undisturbed
from tests.drills.nni_home import Kind, find, is_manager, is_trial, is_tuner, processes_of
from tests.drills.remote.search import (
    LOST,
    ComparedSearch,
    DrilledPipeline,
    listening,
    places,
    printed,
    resumed_after,
    times_begun,
    wait_for_training,
)
from tests.drills.remote.ssh_host import SshHost, two_hosts

LONGER = "--epochs 40"
"""Trials that are sure to be in training when something strikes that was called for in their first epochs."""


def here_global(folder: Path) -> DrilledSearch:
    """The global search on this machine: what the others are compared with."""
    return undisturbed(global_search(folder))


def here_local(folder: Path) -> DrilledSearch:
    """The local search on this machine."""
    return undisturbed(local_search(folder))


def here_pipeline(folder: Path) -> DrilledSearch:
    """The pipeline on this machine."""
    return undisturbed(DrilledPipeline(folder))


def global_on_two_hosts(folder: Path) -> DrilledSearch:
    """Nothing strikes the global search on two hosts."""
    return on_both(global_search(folder))


def local_on_two_hosts(folder: Path) -> DrilledSearch:
    """Nothing strikes the local search on two hosts."""
    return on_both(local_search(folder))


def pipeline_on_two_hosts(folder: Path) -> DrilledSearch:
    """Nothing strikes differentiable search, local search and final training on two hosts."""
    return on_both(DrilledPipeline(folder))


def host_killed_global(folder: Path) -> DrilledSearch:
    """kill -9 of all of a host in the middle of a trial of the global search."""
    search = global_search(folder)
    with on_two_hosts(search) as hosts:
        search.start()
        search.wait_for_results()
        strike(search, hosts)
        search.finish()
    return search


def hosts_killed_in_turn(folder: Path) -> DrilledSearch:
    """kill -9 of all of a host in the middle of a chain; it comes back, and the other one is killed likewise."""
    search = local_search(folder)
    with on_two_hosts(search) as hosts:
        search.start()
        search.wait_for_results(1)
        host = strike(search, hosts)
        begun = times_begun(search, host)
        host.start()
        back = time.monotonic()
        _, other = wait_for_training(search, [each for each in hosts if each is not host])
        search.strike(other.kill)  # nothing is left but the host that came back
        search.wait_for(lambda: times_begun(search, host) > begun, running=True)
        search.notes.append(f"a host was used again {time.monotonic() - back:.1f} s after its return")
        other.start()
        search.finish()
    return search


def host_silent(folder: Path) -> DrilledSearch:
    """A host is silent for a while in the middle of a chain, its connections open, and then goes on."""
    search = local_search(folder)
    with on_two_hosts(search) as hosts:
        search.start()
        search.wait_for_results(1)
        host = strike(search, hosts, SshHost.freeze)
        frozen = processes_of(host.home)
        host.thaw()
        search.wait_for(lambda: not any(process.is_running() for process in frozen))
        search.finish()
    return search


def host_killed_pipeline(folder: Path) -> DrilledSearch:
    """kill -9 of a host in the differentiable search; it comes back; kill -9 of a host in the final training."""
    search = DrilledPipeline(folder)
    with on_two_hosts(search) as hosts:
        search.start()
        strike(search, hosts).start()
        search.wait_for(search.results, running=True)
        strike(search, hosts)
        search.finish()
    search.notes.append(f"trainings went on after epochs {resumed_after(search)}")
    return search


def remote_manager_killed(folder: Path) -> DrilledSearch:
    """kill -9 of NNI's manager while trials run on two hosts, then a resume."""
    return _kill_and_resume(local_search(folder), is_manager)


def home_killed(folder: Path) -> DrilledSearch:
    """kill -9 of all here, manager, tuner, trials and the command that watches them, then a resume."""
    return _kill_and_resume(local_search(folder), is_manager, is_tuner, is_trial, watcher=True)


UNDISTURBED: dict[Phase, Drill] = {"global": here_global, "local": here_local, "final": here_pipeline}
REMOTE: tuple[Drill, ...] = (
    global_on_two_hosts,
    local_on_two_hosts,
    pipeline_on_two_hosts,
    host_killed_global,
    hosts_killed_in_turn,
    host_silent,
    host_killed_pipeline,
    remote_manager_killed,
    home_killed,
)
"""After these, the search has all numbers of one that was not disturbed, on one machine."""


def global_search(folder: Path) -> DrilledSearch:
    """A global search whose trials can be struck."""
    return ComparedSearch(folder, "global", LONGER)


def local_search(folder: Path) -> DrilledSearch:
    """A local search whose trials can be struck."""
    return ComparedSearch(folder, "local", LONGER)


@contextmanager
def on_two_hosts(search: DrilledSearch) -> Iterator[tuple[SshHost, SshHost]]:
    """Two hosts for the trials of a search. Raises RuntimeError where something is left on them when the block ends."""
    with two_hosts(search.folder, search.folder / "data") as hosts:
        search.machines = search.folder / "machines.yml"
        yield hosts


def on_both(search: DrilledSearch) -> DrilledSearch:
    """Run a search on two hosts, and see which of its processes listen.

    Raises:
        RuntimeError: any but NNI's manager listens, or it does so on other addresses than this machine's own; or no
            trial was on one of the hosts.
    """
    with on_two_hosts(search) as hosts:
        search.start()
        assert search.launched is not None
        seen: set[tuple[str, str]] = set()
        while search.launched.poll() is None:
            seen |= listening(search, hosts)
            time.sleep(1)
        search.finish()
    search.notes += [f"listening: {what}, on {address}" for what, address in sorted(seen)]
    if seen != {("NNI's manager", "127.0.0.1")}:
        raise RuntimeError(f"these were listening: {seen}")
    for host in hosts:
        if not times_begun(search, host):
            raise RuntimeError(f"no trial ran on {host.name}: {search.said}")
    return search


def strike(
    search: DrilledSearch, hosts: Sequence[SshHost], fault: Callable[[SshHost], object] = SshHost.kill
) -> SshHost:
    """Let a fault strike one of these hosts in the middle of a trial, and see that the trial goes on elsewhere.

    Returns:
        The host that was struck.
    """
    trial, host = wait_for_training(search, hosts)
    begun = len(places(search)[trial])
    lost_before = printed(search)[trial].count(LOST)
    search.strike(lambda: fault(host))
    struck = time.monotonic()
    search.wait_for(lambda: printed(search)[trial].count(LOST) > lost_before, running=True)
    noticed = time.monotonic() - struck
    search.wait_for(lambda: any(name != host.name for name in places(search)[trial][begun:]), running=True)
    went_on = time.monotonic() - struck
    search.notes.append(f"a lost host was noticed after {noticed:.1f} s, its trial went on after {went_on:.1f} s")
    return host


def _kill_and_resume(search: DrilledSearch, *kinds: Kind, watcher: bool = False) -> DrilledSearch:
    with on_two_hosts(search) as hosts:
        search.start()
        search.wait_for_results()
        wait_for_training(search, hosts)
        killed = find(search.home, *kinds)
        if watcher:
            assert search.launched is not None
            killed.insert(0, psutil.Process(search.launched.pid))
        search.strike(lambda: kill(killed))
        struck = time.monotonic()
        search.wait_for(lambda: not any(processes_of(host.home) for host in hosts))
        search.notes.append(f"nothing ran on the hosts {time.monotonic() - struck:.1f} s later")
        search.finish()
        search.resume()
        search.finish()
    return search
