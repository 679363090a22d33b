"""The SLURM drill of two nodes: NNI's manager is on the first one, and reaches both over ssh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.drills.drilled_search import DrilledSearch
from tests.drills.fault_drills import undisturbed
from tests.drills.remote.search import ComparedSearch, places
from tests.drills.remote.ssh_host import ssh_to, two_hosts
from tests.drills.slurm.cluster import NODES, Cluster
from tests.drills.slurm.job import Fact, Job, all_by_time_limit, same_search

LONGER = "--epochs 150"
"""So that the search is sure to be at work when its time limit comes, up to two minutes after its first result."""


def search_on_two_nodes(cluster: Cluster, folder: Path) -> Iterator[Fact]:
    """A launched local search on two nodes that share files is cut off by its time limit."""
    expected = undisturbed(_local_search(folder / "undisturbed"))
    hosts_folder = folder / "hosts"
    hosts_folder.mkdir()
    with two_hosts(hosts_folder, expected.folder / "data") as hosts:
        search = _local_search(folder / "cut-off")
        ssh = ssh_to(dict(zip(NODES, hosts, strict=True)), hosts_folder)
        search.more_environment = {"PATH": f"{ssh.parent}{os.pathsep}{search.environment()['PATH']}"}
        job = Job.submit(cluster, search, "launch", str(search.write_config()), nodes=len(NODES))
        search.wait_for_results(1)
        search.strike()
        left = job.cut_off()
        yield Fact(not left, f"after a cut-off with {len(search.before)} results, {left} processes were left")
        known = job.finish()
        used = sorted({name for names in places(search).values() for name in names})
        yield Fact(used == sorted(NODES), f"its trials ran on {', '.join(used)}")
    yield from same_search(job, known, expected)
    yield all_by_time_limit(job, known)


def _local_search(folder: Path) -> DrilledSearch:
    return ComparedSearch(folder, "local", LONGER)
