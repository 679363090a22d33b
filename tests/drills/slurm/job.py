"""A job of a SLURM drill: a search that ``experiments/slurm.sh`` runs, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.drills.drilled_search import TIME_LIMIT, DrilledSearch
from tests.drills.nni_home import REPOSITORY, processes_of, wait_for
from tests.drills.slurm.cluster import Cluster

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
    def submit(cls, cluster: Cluster, search: DrilledSearch, *words: str, nodes: int = 1) -> Job:
        """Submit ``g2l`` with these words."""
        script = str(REPOSITORY / "experiments" / "slurm.sh")
        environment = {**search.environment(), "PYTHONPATH": str(REPOSITORY)}
        command = ("sbatch", "--parsable", "--exclusive", f"--nodes={nodes}", SIGNAL, script, *words)
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


def all_by_time_limit(job: Job, known: dict[str, str]) -> Fact:
    """It was never restarted for another reason."""
    times, restarts = job.log().count(f"time limit; requeues job {job.id}"), int(known["Restarts"])
    return Fact(times == restarts > 0, f"the time limit cut it off {times} times, SLURM restarted it {restarts} times")


def same_search(job: Job, known: dict[str, str], undisturbed: DrilledSearch) -> Iterator[Fact]:
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
    same = search.best() == undisturbed.best() and search.outcome() == undisturbed.outcome()
    found, expected = (each.history().best()[0].structure for each in (search, undisturbed))
    yield Fact(
        same,
        f"best of {len(search.outcome())}: {found}; undisturbed, of {len(undisturbed.outcome())}: {expected}, with "
        f"{'the same' if same else 'other'} numbers",
    )
