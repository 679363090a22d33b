"""SLURM drills: ``experiments/slurm.sh`` in a real SLURM, cut off by its time limit, cancelled, refused."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common.bad_input import KnownFailure, run_command
from common.read_file import read_json
from tests.drills.choice import chosen_drills
from tests.drills.drilled_final import told
from tests.drills.drilled_search import DrilledSearch
from tests.drills.nni_home import processes_of, wait_for
from tests.drills.slurm.cluster import Cluster, slurm, why_not
from tests.drills.slurm.job import Fact, Job, all_by_time_limit, same_search
from tests.drills.slurm.nodes import search_on_two_nodes


def cut_off_search(cluster: Cluster, folder: Path) -> Iterator[Fact]:
    """A launched global search is cut off by its time limit twice."""
    undisturbed = _undisturbed_search(folder)
    search = DrilledSearch(folder / "cut-off", fault="hangs")
    job = Job.submit(cluster, search, "launch", str(search.write_config()))
    for _ in range(2):
        _strike_training(search)
        left = job.cut_off()
        yield Fact(not left, f"after a cut-off with {len(search.before)} results, {left} processes were left")
    known = job.finish()
    yield from same_search(job, known, undisturbed)
    yield all_by_time_limit(job, known)


def cancelled_search(cluster: Cluster, folder: Path) -> Iterator[Fact]:
    """A launched global search is requeued by others, as preemption does, then cancelled, then requeued by hand."""
    undisturbed = _undisturbed_search(folder)
    search = DrilledSearch(folder / "cancelled", fault="hangs")
    job = Job.submit(cluster, search, "launch", str(search.write_config()))
    _strike_training(search)
    cluster.run("scontrol", "requeue", job.id)
    _strike_training(search)
    cluster.run("scancel", job.id)
    known = job.finish()
    wait_for(lambda: not processes_of(search.home), 60)
    yield Fact(
        known["JobState"] == "CANCELLED" and known["Restarts"] == "1",
        f"requeued by others and then cancelled, it is {known['JobState']} after {known['Restarts']} restarts",
    )
    yield Fact("to resume: " in job.log(), "when it was cancelled, it ended in order, and said how to resume")
    cluster.run("scontrol", "requeue", job.id)
    wait_for(lambda: not job.is_in("CANCELLED"), 60)
    yield from same_search(job, job.finish(), undisturbed)


def refused_search(cluster: Cluster, folder: Path) -> Iterator[Fact]:
    """There is no such experiment file."""
    search = DrilledSearch(folder / "refused")
    job = Job.submit(cluster, search, "launch", "nothing.yml")
    known = job.finish()
    seen = (known["JobState"], known["ExitCode"], known["Restarts"])
    text = f"bad input: {known['JobState']} with exit code {known['ExitCode']} after {known['Restarts']} restarts"
    yield Fact(seen == ("FAILED", "2:0", "0"), text)
    yield Fact("error: nothing.yml: no such " in job.log(), f"it says: {job.log().strip()}")


def cut_off_pipeline(cluster: Cluster, folder: Path) -> Iterator[Fact]:
    """The demo's pipeline is cut off by its time limit in its searches and in its final training."""
    words = ("pipeline", "--dataset", "demo", "--seeds", "0", "1", "2", "3")
    undisturbed = Job.submit(cluster, DrilledSearch(folder / "undisturbed"), *words)
    known = undisturbed.finish()
    yield Fact(known["JobState"] == "COMPLETED" and known["Restarts"] == "0", "the undisturbed one has completed")
    search = DrilledSearch(folder / "cut-off")
    job = Job.submit(cluster, search, *words)
    for phase in ("global", "local", "final"):
        search.wait_for(partial(_is_training, job, phase))
        left = job.cut_off()
        yield Fact(not left, f"after a cut-off in {_progress(search)['step']}, {left} processes were left")
    known = job.finish()
    yield Fact(
        known["JobState"] == "COMPLETED",
        f"after {known['Restarts']} restarts, it is {known['JobState']} with exit code {known['ExitCode']}",
    )
    yield all_by_time_limit(job, known)
    yield Fact(
        job.experiments() == undisturbed.experiments(),
        f"it has started {job.experiments()} experiments, the undisturbed one {undisturbed.experiments()}",
    )
    expected, outcome = (pipeline_outcome(each.search.folder / "runs" / "demo") for each in (undisturbed, job))
    different = [name for name in expected.keys() | outcome.keys() if expected.get(name) != outcome.get(name)]
    found = f"{len(outcome)} structures and trainings are there, {len(different)} other than undisturbed"
    yield Fact(len(expected) > 2 and not different, " ".join([found, *sorted(different)]))


DRILLS: dict[str, Callable[[Cluster, Path], Iterator[Fact]]] = {
    drill.__name__.replace("_", "-"): drill
    for drill in (refused_search, cut_off_search, cancelled_search, cut_off_pipeline, search_on_two_nodes)
}


def pipeline_outcome(run: Path) -> dict[str, Any]:
    """The structures that a pipeline has found, and what came out of its trainings: equal for equal runs."""
    structures = {path.name: read_json(path) for path in (run / "split1").glob("*.json")}
    for structure in structures.values():
        for name in ("experiment", "trial"):  # NNI's ids
            del structure["about"][name]
    paths = run.glob("*/*/split1/seed*/metrics.json")
    return structures | {str(path.parent.relative_to(run)): told(path) for path in paths}


def _strike_training(search: DrilledSearch) -> None:
    """Let a training hang once two results are there, so that the search cannot end before what strikes it next."""
    search.wait_for_results(2)
    search.arm()


def _progress(search: DrilledSearch) -> dict[str, Any]:
    """How far the pipeline of a home is."""
    path = search.folder / "runs" / "demo" / "progress.json"
    return dict(read_json(path)) if path.exists() else {"step": "none", "done": 0, "running": []}


def _is_training(job: Job, phase: str) -> bool:
    """Whether a pipeline is in that phase and has got somewhere in it, or has ended."""
    progress = _progress(job.search)
    epochs = [trial["epoch"] or 0 for trial in progress["running"]]
    in_phase = progress["step"].startswith(phase) and (progress["done"] > 0 or max(epochs, default=0) > 1)
    return in_phase or job.cluster.has_ended(job.id)


def _undisturbed_search(folder: Path) -> DrilledSearch:
    search = DrilledSearch(folder / "undisturbed")
    search.start()
    search.finish()
    return search


def run(name: str, folder: Path) -> list[Fact]:
    """Run one drill in a SLURM of its own, and print what it sees; no process of it lives on."""
    print(f"{name}: {DRILLS[name].__doc__}", flush=True)
    facts = []
    try:
        with slurm(folder / "slurm") as cluster:
            for fact in DRILLS[name](cluster, folder):
                facts.append(fact)
                print(fact, flush=True)
    finally:
        for home in folder.glob("*/home"):
            for process in processes_of(home):
                process.kill()
    return facts


def main() -> None:
    """Run jobs in a SLURM of two nodes that is made for it; print a line for each fact, and fail if one is not true."""
    drills = chosen_drills("tests.drills.slurm", main.__doc__, DRILLS, "some minutes")
    reason = why_not()
    if reason is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        facts = [fact for name in drills for fact in run(name, Path(folder) / name)]
    untrue = [fact.text for fact in facts if not fact.true]
    if untrue:
        raise KnownFailure(f"{len(untrue)} of {len(facts)} facts are not true: {'; '.join(untrue)}")


if __name__ == "__main__":
    run_command(main)
