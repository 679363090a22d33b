"""How far must a network look? Searches within shares of the useful context, beside hand and hand-scaled patterns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.atomic_file import write_json, write_text
from common.bad_input import KnownFailure, run_command
from common.command_parser import command_parser
from experiments.context_cost import estimated_hours, trial_of
from experiments.context_plan import budgets, context_plan, useful_context, write_patterns
from experiments.from_data.phases import amount
from experiments.new import template_of
from experiments.other_machines import add_machines_argument, machines_of_run
from experiments.pipeline import check_steps, run_step
from experiments.plan import DIFFERENTIABLE, FOLDER, GLOBAL_SEARCHES, default_search, search_file, source_of
from experiments.run_data import require_same_run_data
from experiments.run_folder import Run, locked
from experiments.run_options import add_run_options, folder_and_splits
from experiments.search_hours import hours
from experiments.steps import PipelineStep, search_step
from machines.gpus import read_machine
from machines.machine_list import RemoteMachine
from nas_space.budget import Budget
from trials.table import csv_text

LEAST_HOURS = 1 / 60
"""No step is started with less time left."""


def describe(
    steps: Sequence[PipelineStep], limits: Mapping[str, Budget], cost: Mapping[str, float], max_hours: float | None
) -> str:
    """The limits of the searches, and what all steps cost."""
    finals = sum(step.trials for step in steps if step.phase == "final")
    searches = sum(step.trials for step in steps) - finals
    ended = "" if max_hours is None else f"; ended after {max_hours:g} hours"
    return (
        f"searches within {', '.join(str(each.network) for each in limits.values())} frames\n"
        f"{searches} trainings of searches and {finals} final trainings: about {amount(60 * sum(cost.values()))} on "
        f"this machine, by timed steps{ended}"
    )


def run_steps(
    run: Run, steps: Sequence[PipelineStep], max_hours: float | None, others: Sequence[RemoteMachine] = ()
) -> None:
    """Run or resume all steps in order, as far as the time allows; ``others``: see ``do_step``."""
    for step in steps:
        known = run.step(step.name)
        again = known.get("ended_early") is not None and (max_hours is None or max_hours > known["ended_early"])
        if known.get("done") and not again:
            continue
        left = None if max_hours is None else max_hours - sum(run.step(each.name).get("ran", 0.0) for each in steps)
        if left is not None and left < LEAST_HOURS:
            print(f"{step.name} and what follows: left out, by --max-hours", file=sys.stderr)
            return
        try:
            run_step(run, step, None if left is None else left + known.get("ran", 0.0), max_hours, others)
        except KnownFailure as fault:
            if "--max-hours" not in str(fault):
                raise
            print(f"{step.name} and what follows: left out: {fault}", file=sys.stderr)
            return


def write_results(folder: Path) -> str:
    """Write the table (CSV), the figure and the answer of a folder; returns the answer and their paths, as text."""
    # Imported last: a run of days need not hold the memory of matplotlib.
    from analysis.frontier import answer, read_frontier, smallest_sufficient
    from analysis.plots.figure_file import ENDINGS, write_figure
    from analysis.plots.frontier import draw_frontier

    points = read_frontier(folder)
    rows, sentence, figure = [point.row() for point in points], answer(points), draw_frontier(points)
    write_text(folder / "frontier.csv", csv_text(rows))
    write_json(folder / "frontier.json", {"answer": sentence, "points": rows})
    for ending in ENDINGS:
        write_figure(figure, folder / f"frontier{ending}")
    lines = [sentence, f"table and figure: {folder}/frontier.csv, {folder}/frontier.png"]
    chosen = smallest_sufficient(points) or smallest_sufficient(points, shown=False)
    if chosen is not None:
        files = sorted(folder.glob(f"split*/{chosen.name}.json"))
        lines.append(f"its structures: {', '.join(map(str, files))}")
    return "\n".join(lines)


def main() -> None:
    """Search within 1/32, 1/8, 1/2 and all of the useful context, train what is found beside hand and hand-scaled
    patterns, and say how much context is enough; after a kill, the same command resumes."""
    parser = command_parser("experiments.context", main.__doc__, "--dataset 50salads_mid_svm --max-hours 3")
    add_run_options(parser, split="all")
    parser.add_argument("--global-search", choices=GLOBAL_SEARCHES, help=f"(default: {DIFFERENTIABLE})")
    parser.add_argument(
        "--max-hours", type=hours, metavar="H", help="start nothing after H hours in all; whole splits and seeds first"
    )
    add_machines_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="only print the steps and their cost")
    arguments = parser.parse_args()
    run_folder, splits = folder_and_splits(arguments)
    folder = run_folder / "context"
    with template_of(arguments.dataset, arguments.template, folder, arguments.dry_run) as files:
        search = arguments.global_search or default_search(files)
        file = search_file(files, search)
        first = search_step("global", FOLDER / file, source_of(file), arguments.dataset, splits[0], folder)
        trial = trial_of(first)
        network, dataset = trial.network, trial.dataset
        limits = budgets(useful_context(network, dataset, splits))
        steps = context_plan(folder, arguments.dataset, files, search, network, limits, splits, arguments.seeds)
        cost = estimated_hours(steps, network, dataset)
        print(describe(steps, limits, cost, arguments.max_hours), file=sys.stderr)
        if arguments.dry_run:
            for step in steps:
                print(f"{step.name:<24}{step.trials:>5} trainings, about {amount(60 * cost[step.name])}")
            return
        with locked(folder):
            settings = {"dataset": arguments.dataset, "template": files, "splits": splits, "seeds": arguments.seeds}
            run = Run(folder, {**settings, "global_search": search, "phases": ["global", "final"]})
            write_patterns(folder, network, limits, splits)
            others = machines_of_run(folder, arguments)
            check_steps(run, steps, read_machine(), others)
            require_same_run_data(folder, [step.config for step in steps], splits, run.started)
            run_steps(run, steps, arguments.max_hours, others)
            text = write_results(folder)
            write_text(folder / "frontier.txt", f"{text}\n")
            print(text)


if __name__ == "__main__":
    run_command(main)
