"""SLURM drills: ``experiments/slurm.sh`` in a real SLURM, cut off by its time limit, cancelled, refused."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from common.bad_input import KnownFailure, run_command
from common.read_file import read_json
from tests.drills.choice import chosen_drills
from tests.drills.drilled_final import told
from tests.drills.drilled_search import TIME_LIMIT, DrilledSearch
from tests.drills.nni_home import REPOSITORY, processes_of, wait_for
from tests.drills.slurm_cluster import Cluster, slurm, why_not

SIGNAL = "--signal=B:USR1@90"


class Fact(NamedTuple):
    """What a drill has seen, and whether it is as it should be."""

    true: bool
    text: str

    def __str__(self) -> str:
        return f"{'true' if self.true else 'FALSE':<7}{self.text}"


@dataclass(frozen=True)
class Job:
    """A batch job that runs ``experiments/slurm.sh`` in the folder of a search, with its home."""

    cluster: Cluster
    search: DrilledSearch
    id: str

    @classmethod
    def submit(cls, cluster: Cluster, search: DrilledSearch, *words: str) -> Job:
        """Submit ``g2l`` with these words."""
        script = str(REPOSITORY / "experiments" / "slurm.sh")
        environment = {**search.environment(), "PYTHONPATH": str(REPOSITORY)}
        command = ("sbatch", "--parsable", "--exclusive", SIGNAL, script, *words)
        return cls(cluster, search, cluster.run(*command, cwd=search.folder, environment=environment).strip())

    def is_in(self, state: str) -> bool:
        """Whether SLURM says so of it."""
        return self.cluster.job(self.id)["JobState"] == state

    def cut_off(self) -> int:
        """Let its time limit come within two minutes, and return when it waits for a restart, or has ended.

        SLURM looks every half a minute whether it is time for the signal, so that it comes within the next one.

        Returns:
            How many of its processes are left.
        """
        known = self.cluster.job(self.id)
        hours, minutes, _ = map(int, known["RunTime"].split(":"))
        self._limit(60 * hours + minutes + 2)

        def waits() -> bool:
            now = self.cluster.job(self.id)
            return int(now["Restarts"]) > int(known["Restarts"]) and now["JobState"] == "PENDING"

        wait_for(lambda: waits() or self.cluster.has_ended(self.id), 300)
        left = processes_of(self.search.home)
        self._limit(60)
        return len(left)

    def _limit(self, minutes: int) -> None:
        if not self.cluster.has_ended(self.id):
            self.cluster.run("scontrol", "update", f"JobId={self.id}", f"TimeLimit={minutes}")

    def finish(self) -> dict[str, str]:
        """Wait for its end; returns what SLURM knows of it then."""
        wait_for(lambda: self.cluster.has_ended(self.id), 4 * TIME_LIMIT)
        return self.cluster.job(self.id)

    def log(self) -> str:
        """What it has printed, since its first start."""
        path = self.search.folder / f"slurm-{self.id}.out"
        return path.read_text() if path.exists() else ""

    def experiments(self) -> int:
        """How many experiments it has started, all in all."""
        folders = (path.name for path in (self.search.home / "nni-experiments").iterdir() if path.is_dir())
        return sum(name[0] not in "._" for name in folders)


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
    yield from _same_search(job, known, undisturbed)
    yield _all_by_time_limit(job, known)


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
    yield from _same_search(job, job.finish(), undisturbed)


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
    yield _all_by_time_limit(job, known)
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
    for drill in (refused_search, cut_off_search, cancelled_search, cut_off_pipeline)
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


def _all_by_time_limit(job: Job, known: dict[str, str]) -> Fact:
    times, restarts = job.log().count(f"time limit; requeues job {job.id}"), int(known["Restarts"])
    return Fact(times == restarts > 0, f"the time limit cut it off {times} times, SLURM restarted it {restarts} times")


def _same_search(job: Job, known: dict[str, str], undisturbed: DrilledSearch) -> Iterator[Fact]:
    """What must be true of a disturbed search in its end: nothing is lost, and it is as the undisturbed one."""
    search, completed = job.search, known["JobState"] == "COMPLETED"
    yield Fact(
        completed, f"after {known['Restarts']} restarts, it is {known['JobState']} with exit code {known['ExitCode']}"
    )
    if not completed:
        return
    yield Fact(job.experiments() == 1, f"it has started {job.experiments()} experiment")
    kept, before = search.kept(), len(search.before)
    yield Fact(kept == before > 0, f"of {before} results before it, {kept} are there in the end")
    yield Fact(
        search.best() == undisturbed.best() and search.outcome() == undisturbed.outcome(),
        f"best of {len(search.outcome())}: {search.best()}; undisturbed, of {len(undisturbed.outcome())}: "
        f"{undisturbed.best()}, with {'the same' if search.outcome() == undisturbed.outcome() else 'other'} numbers",
    )


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
    """Run jobs in a SLURM of one node that is made for it; print a line for each fact, and fail if one is not true."""
    drills = chosen_drills("tests.drills.slurm_drill", main.__doc__, DRILLS, "some minutes")
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
