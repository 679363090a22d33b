"""Free disk space that finished searches and trainings no longer need; results stay."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from analysis.history import History
from common.bad_input import BadInput, run_command
from common.command_parser import command_parser
from experiments.checks.disk_room import size, size_of
from experiments.nni_experiment import Experiment
from experiments.run_folder import Run, locked
from nni_api.register import read_register, registered


@dataclass
class Freeable:
    """Files that one experiment or run no longer needs."""

    name: str
    found: dict[str, list[Path]] = field(default_factory=dict)
    """By kind."""

    def add(self, kind: str, paths: Iterator[Path]) -> None:
        """Add files and folders, except links, which may lead anywhere."""
        own = [path for path in paths if not any(each.is_symlink() for each in (path, path.parent))]
        if own:
            self.found.setdefault(kind, []).extend(own)

    def sizes(self) -> dict[str, int]:
        """Disk usage in bytes, by kind."""
        return {kind: sum(map(size_of, paths)) for kind, paths in self.found.items()}

    def free(self) -> None:
        """Remove them."""
        for path in (path for paths in self.found.values() for path in paths):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def of_experiment(id: str) -> Freeable:
    """Files that an experiment does not need to be resumed, exported and reported.

    Unfinished chains and trainings keep their checkpoints.

    Raises:
        BadInput: it is running, or NNI does not know it.
    """
    experiment, folder = Experiment.of_id(id), registered(id).folder
    if experiment.is_managed() or experiment.has_tuner():
        raise BadInput(f"experiment {id} is running, or its page is being viewed: 'nnictl stop {id}' ends that")
    history = experiment.history() or History(folder)
    freeable = Freeable(f"experiment {id}")
    freeable.add("trial folders", (path for path in experiment.trials_folder().glob("*") if path.is_dir()))
    checkpoints = "checkpoints of finished searches"
    for chain in folder.glob("chains/chain_*"):
        # A resume may continue one that ended with a failure.
        ended = {number for number, event in history.chains.items() if event["why"] == "done"}
        if history.done or _number(chain) in ended:
            freeable.add(checkpoints, chain.glob("iteration_*.pt"))
    seeds = {evaluation.about.get("seed") for evaluation in history.evaluations}
    for search in folder.glob("searches/seed_*"):
        if history.done or _number(search) in seeds:
            freeable.add(checkpoints, search.glob("search.pt"))
    return freeable


def of_run(folder: Path) -> list[Freeable]:
    """Files that the experiments and the final trainings of a run no longer need.

    Raises:
        BadInput: one of them is running, or the run's folder is damaged.
    """
    run = Run(folder, {})
    final = Freeable("final trainings")
    for phase in ("choice", "final"):
        for metrics in folder.glob(f"{phase}/*/split*/seed*/metrics.json"):
            # A kill between writing the last two files of a training leaves it behind.
            final.add("checkpoints of finished trainings", metrics.parent.glob("training.pt"))
    known = read_register()
    started = [step["experiment"]["id"] for step in run.steps().values() if "experiment" in step]
    return [*(of_experiment(id) for id in started if id in known), final]


def _number(folder: Path) -> int | None:
    """N of ``chain_N`` or ``seed_N``."""
    found = re.fullmatch(r"[a-z]+_(\d{1,9})", folder.name, re.ASCII)
    return int(found[1]) if found else None


def main() -> None:
    """Remove the checkpoints of finished searches, and the output folders of their trials.

    Structures, records, states, networks, metrics, predictions, event files and NNI's database stay: results can be
    exported and reported, and what was stopped can be resumed.
    """
    parser = command_parser("experiments.clean", main.__doc__, "runs/50salads --dry-run")
    parser.add_argument("subject", metavar="ID|RUN", help="an experiment's id, or the folder of a run of the pipeline")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    arguments = parser.parse_args()
    folder = Path(arguments.subject)
    with ExitStack() as stack:
        if (folder / "pipeline.json").is_file():
            stack.enter_context(locked(folder))
            found = of_run(folder)
        elif folder.is_dir():
            raise BadInput(f"{folder}: not a run of experiments.pipeline (no pipeline.json)")
        else:
            found = [of_experiment(arguments.subject)]
        total = 0
        for freeable in found:
            for kind, bytes_used in freeable.sizes().items():
                print(f"{freeable.name}: {size(bytes_used)}, {kind} ({len(freeable.found[kind])})")
                total += bytes_used
            if not arguments.dry_run:
                freeable.free()
    print(f"{'would free' if arguments.dry_run else 'freed'} {size(total)}")


if __name__ == "__main__":
    run_command(main)
