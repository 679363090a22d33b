"""Free the disk of what searches and trainings that have ended no longer need; results stay."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from analysis.history import History
from common.bad_input import BadInput, run_command
from experiments.disk_room import size, size_of
from experiments.nni_experiment import Experiment
from experiments.run_folder import Run, held
from nni_api.register import read_register, registered

NONE_ENDED = History(Path())


@dataclass
class Freeable:
    """What one experiment or run can do without, by what it is."""

    name: str
    found: dict[str, list[Path]] = field(default_factory=dict)

    def add(self, what: str, paths: Iterator[Path]) -> None:
        """Add files and folders; links are left alone, as they may lead anywhere."""
        own = [path for path in paths if not any(each.is_symlink() for each in (path, path.parent))]
        if own:
            self.found.setdefault(what, []).extend(own)

    def sizes(self) -> dict[str, int]:
        """Bytes of the disk, by what it is."""
        return {what: sum(map(size_of, paths)) for what, paths in self.found.items()}

    def free(self) -> None:
        """Remove all of it."""
        for path in (path for paths in self.found.values() for path in paths):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def of_experiment(id: str) -> Freeable:
    """What an experiment can do without: it can still be resumed, exported and reported.

    Chains and trainings that have not ended keep their checkpoints, from which they go on.

    Raises:
        BadInput: it runs, or NNI does not know it.
    """
    experiment, folder = Experiment.of_id(id), registered(id).folder
    if experiment.is_managed() or experiment.has_tuner():
        raise BadInput(f"experiment {id} is running, or its page is being viewed: 'nnictl stop {id}' ends that")
    history = experiment.history() or NONE_ENDED
    freeable = Freeable(f"experiment {id}")
    freeable.add("trial folders", (path for path in experiment.trials_folder().glob("*") if path.is_dir()))
    checkpoints = "checkpoints of what has ended"
    for chain in folder.glob("chains/chain_*"):
        # One that ended for a failure may be taken up again by a resume.
        ended = {number for number, event in history.chains.items() if event["why"] == "done"}
        if history.done or _number(chain) in ended:
            freeable.add(checkpoints, chain.glob("iteration_*.pt"))
    seeds = {evaluation.about.get("seed") for evaluation in history.evaluations}
    for search in folder.glob("searches/seed_*"):
        if history.done or _number(search) in seeds:
            freeable.add(checkpoints, search.glob("search.pt"))
    return freeable


def of_run(folder: Path) -> list[Freeable]:
    """What the experiments and the final trainings of a run can do without.

    Raises:
        BadInput: one of them runs, or the run's folder is damaged.
    """
    run = Run(folder, {})
    final = Freeable("final trainings")
    for metrics in folder.glob("final/*/split*/seed*/metrics.json"):
        # A kill between the last two files of a training leaves it.
        final.add("states of trainings that have ended", metrics.parent.glob("training.pt"))
    known = read_register()
    begun = [step["experiment"]["id"] for step in run.steps().values() if "experiment" in step]
    return [*(of_experiment(id) for id in begun if id in known), final]


def _number(folder: Path) -> int | None:
    """N of ``chain_N`` or ``seed_N``."""
    found = re.fullmatch(r"[a-z]+_(\d{1,9})", folder.name, re.ASCII)
    return int(found[1]) if found else None


def main() -> None:
    """Remove the checkpoints of searches that have ended, and the folders that their trials printed to.

    Structures, records, states, networks, metrics, predictions, event files and NNI's database stay: what was found can
    be exported and reported, and what was stopped goes on.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.clean",
        description=main.__doc__,
        epilog="example: python -m experiments.clean runs/50salads --dry-run",
    )
    parser.add_argument("subject", metavar="ID|RUN", help="an experiment's id, or the folder of a run of the pipeline")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    arguments = parser.parse_args()
    folder = Path(arguments.subject)
    with ExitStack() as stack:
        if (folder / "pipeline.json").is_file():
            stack.enter_context(held(folder))
            found = of_run(folder)
        elif folder.is_dir():
            raise BadInput(f"{folder}: no run of experiments.pipeline (it has no pipeline.json)")
        else:
            found = [of_experiment(arguments.subject)]
        total = 0
        for freeable in found:
            for what, taken in freeable.sizes().items():
                print(f"{freeable.name}: {size(taken)}, {what} ({len(freeable.found[what])})")
                total += taken
            if not arguments.dry_run:
                freeable.free()
    print(f"{'would free' if arguments.dry_run else 'freed'} {size(total)}")


if __name__ == "__main__":
    run_command(main)
