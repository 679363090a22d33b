"""Export the best structures of a search as JSON files, and all of its trials as a CSV table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from analysis.history import Evaluation, History, find_experiment, read_history
from analysis.trial_table import write_trial_table
from common.bad_input import BadInput, naming, run_command
from common.command_parser import command_parser
from nas_space.branching import Branching, keep_branches
from nas_space.network import Network
from nas_space.structure import Structure
from nas_space.structure_files import DIALECTS, Dialect, write_structure


def export(experiment: str, evaluation: Evaluation, network: Network, path: Path, dialect: Dialect) -> None:
    """Write the structure of one evaluation; the native dialect also records its origin."""
    with naming(f"the records of {experiment}, trial {evaluation.trial}"):
        structure = Structure.from_labels(evaluation.structure, network)
    about: dict[str, Any] = {
        "experiment": experiment,
        "trial": evaluation.trial,
        "proposal": evaluation.uid,
        "metrics": evaluation.metrics,
    }
    if "chain" in evaluation.about:
        about["metrics_of"] = "the last iteration of the chain, before its dilations moved for the last time"
    write_structure(structure, path, dialect, about)


def export_branches(experiment: str, history: History, evaluation: Evaluation, path: Path) -> None:
    """Write what the last trial of a chain trained, with its branches and what they have learned (rf-multiple).

    Raises:
        BadInput: the trial is not one of a local search, or its record is damaged.
    """
    trained = next(each for each in history.evaluations if each.trial == evaluation.trial)
    if trained.probabilities is None or "branching" not in trained.about:
        raise BadInput(f"trial {trained.trial} is not one of a local search: it has no branches to keep")
    try:
        structure = Structure.from_labels(trained.structure, history.network)
        multiple = keep_branches(structure, Branching.from_text(trained.about["branching"]), trained.probabilities)
    except (KeyError, ValueError) as fault:
        raise BadInput(
            f"the records of {experiment}, trial {trained.trial}: not the branches of a structure ({fault})"
        ) from None
    about = {"experiment": experiment, "trial": evaluation.trial, "metrics": evaluation.metrics}
    write_structure(multiple, path, about=about)


def ranked_path(path: Path, rank: int) -> Path:
    """The file for a rank: ``best.json``, then ``best_2.json``, ``best_3.json``, ..."""
    return path if rank == 1 else path.with_stem(f"{path.stem}_{rank}")


def main() -> None:
    """Write the best structures of a running, stopped or finished experiment, from the records of its tuner."""
    parser = command_parser("analysis.export", main.__doc__, "3kd8xyzw --top 3 --output best.json")
    parser.add_argument("experiment", metavar="EXPERIMENT_ID", help="as nnictl prints it")
    parser.add_argument("--top", type=int, default=1, metavar="K", help="the K best: best.json, best_2.json, ...")
    parser.add_argument("--dialect", choices=DIALECTS, default="native", help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, help="JSON file for the best one (default: only print)")
    parser.add_argument(
        "--multiple", type=Path, metavar="FILE", help="of a local search: JSON file for the best one's last branches"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="CSV file for all trials, failed ones included")
    arguments = parser.parse_args()
    if arguments.top < 1:
        raise BadInput(f"--top must be at least 1, not {arguments.top}")
    history = read_history(find_experiment(arguments.experiment))
    best = history.best(arguments.top)
    state = "finished" if history.done else "not finished"
    print(
        f"{arguments.experiment}: {len(history.evaluations)} successful of {history.proposed} proposed structures, "
        f"{len(history.failures)} failures, search {state}",
        file=sys.stderr,
    )
    print("scores are those of each trial's last epoch, not of its best", file=sys.stderr)
    if len(best) < arguments.top:
        print(f"warning: only {len(best)} different structures were evaluated", file=sys.stderr)
    if arguments.table is not None:
        write_trial_table(history, arguments.table)
        print(arguments.table)
    if arguments.multiple is not None:
        export_branches(arguments.experiment, history, best[0], arguments.multiple)
        print(arguments.multiple)
    for rank, evaluation in enumerate(best, start=1):
        name = f"rank {rank}"
        if arguments.output is not None:
            name = str(ranked_path(arguments.output, rank))
            export(arguments.experiment, evaluation, history.network, Path(name), arguments.dialect)
        values = ", ".join(f"{metric} {value:.2f}" for metric, value in evaluation.metrics.items())
        print(f"{name}: trial {evaluation.trial}, {values}")


if __name__ == "__main__":
    run_command(main)
