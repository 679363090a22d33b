"""Global2Local as one command: global search, local search, final training, table; each an NNI experiment."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from analysis.export import export
from analysis.final import aggregate, final_table, read_runs
from analysis.history import find_experiment
from analysis.searches import Search
from common.atomic_file import write_json, write_text
from common.bad_input import BadInput, KnownFailure, run_command
from experiments.config_file import class_name, read_config
from experiments.data_places import share_data_places
from experiments.disk_room import Need, needs_of, require_room
from experiments.gpus import read_machine
from experiments.launch import free_port, require_check, running, watch
from experiments.nni_experiment import Experiment
from experiments.own_files import template_of
from experiments.plan import (
    DIFFERENTIABLE,
    FOLDER,
    GLOBAL_SEARCHES,
    PHASES,
    Step,
    default_search,
    final_trainings,
    make_plan,
    search_kind,
)
from experiments.preflight import preflight
from experiments.progress import PROGRESS_FILE
from experiments.run_data import other_data_of_step, require_same_run_data
from experiments.run_folder import Run, held
from experiments.search_hours import goes_on, hours, share_of
from experiments.stopping import stop
from nni_api.register import registered
from trials.data.arguments import split_number
from trials.data.dataset import find_dataset

START_SECONDS = 20
"""How long nnictl may take until NNI knows an experiment."""


def do_step(run: Run, step: Step, steps: Sequence[Step] = (), max_hours: float | None = None) -> None:
    """Run a step to its end, or go on with it; a step that is done is not done again.

    ``steps`` and ``max_hours`` are those of the whole run: see ``share_of``.
    """
    known = run.step(step.name)
    of_all = {each.name: run.step(each.name) for each in (*steps, step)}
    if known.get("done") and not goes_on(step, steps or [step], of_all, max_hours):
        how = " early, by --max-hours" if known.get("ended_early") else ""
        print(f"{step.name}: done already{how} (experiment {known['experiment']['id']})", file=sys.stderr)
        return
    share, ran = share_of(step, steps, of_all, max_hours), 0.0
    require_check(step.check_command)

    def require_same_data(experiment: Experiment) -> None:
        changed = other_data_of_step(run.folder, find_experiment(experiment.id).parent)
        if changed is not None:
            run.forget(step.name)
            also = f" and remove {run.folder / 'final'}" if step.phase == "final" else ""
            raise BadInput(f"{step.name}: {changed}; restore it{also}, then the same command begins the step again")

    config = run.folder / f"{step.name}.yml"
    left = begun_experiment(known)
    if left is None:
        # The mark is on disk before NNI knows of the experiment, so that a kill in between loses nothing.
        mark = secrets.token_hex(4)
        run.note(step.name, mark=mark, begun=time.time())
        write_text(config, yaml.safe_dump(_marked(step.config, mark), sort_keys=False, width=100))
        action = ["create", "--config", str(config)]
    else:
        if not config.exists() or read_config(config) != _marked(step.config, known["mark"]):
            raise BadInput(f"{config}: the step has begun with other settings than now; choose another --name")
        # A pipeline that was killed leaves its experiment behind, which must not run twice.
        stop(left)
        require_same_data(left)
        action = ["resume", left.id]
        if share is not None:
            ran = registered(left.id).seconds_run() / 3600

    def note(experiment: Experiment) -> None:
        run.note(step.name, experiment=asdict(experiment))
        print(f"{step.name}: experiment {experiment.id}, http://127.0.0.1:{experiment.port}", file=sys.stderr)

    begun = time.monotonic()
    seconds = None if share is None else 3600 * (share - ran)
    with running(action, free_port(), "start the same command again", note) as experiment:
        try:
            early = watch(experiment, step.trials, run.folder / PROGRESS_FILE, step.name, seconds)
        except KnownFailure:
            if (history := experiment.history()) is not None and history.done and not history.evaluations:
                run.forget(step.name)  # a resume of what has ended would try no trial again
            raise
    require_same_data(experiment)
    if early:
        print(f"{step.name}: ended early after {share:.2g} hours, by --max-hours", file=sys.stderr)
    if step.result is not None:
        search = Search.of_experiment(experiment.id)
        export(experiment.id, search.history.best()[0], search.history.network, step.result, "native")
        search.keep(step.result.with_suffix(""))
        cost = search.cost()
        known_cost = {"trials": cost.trials, "epochs": cost.epochs, "hours": round(cost.hours, 4)}
        run.note(step.name, cost=known_cost, failures=cost.failures)
        for chain in search.history.chains.values():
            if chain["why"] != "done":
                print(f"warning: {step.name}, chain {chain['chain']} ended early: {chain['why']}", file=sys.stderr)
    else:
        folders = [run.folder / "final" / folder for folder in final_trainings(step.config)]
        missing = sum(not (folder / "metrics.json").exists() for folder in folders)
        if missing:
            run.forget(step.name)
            why = "failed" if class_name(read_config(config)) else "failed, or were left out by NNI's grid search"
            raise KnownFailure(
                f"{missing} of {step.trials} final trainings {why}: "
                f"see {experiment.trials_folder()}; the same command tries them again"
            )
    ended_early = max_hours if early else None
    run.note(step.name, done=True, ended_early=ended_early, ran=round(ran + (time.monotonic() - begun) / 3600, 4))


def _needs(run: Run, step: Step) -> list[Need]:
    """What a step will take of the disk, if it is not done."""
    known = run.step(step.name)
    if known.get("done"):
        return []
    done = Experiment(**known["experiment"]).trials_done() if "experiment" in known else 0
    return needs_of(step.config, FOLDER, done)


def begun_experiment(known: dict[str, Any]) -> Experiment | None:
    """The experiment of a step that has begun, from what is known of the step; None if it has not.

    Raises:
        BadInput: NNI does not know it. (Stopping it by its id alone could end whatever nnictl takes the id for.)
    """
    if "experiment" in known:
        find_experiment(known["experiment"]["id"])
        return Experiment(**known["experiment"])
    if "mark" not in known:
        return None
    # Killed while nnictl started it, which goes on by itself and takes some seconds.
    last_chance = time.monotonic() + START_SECONDS  # the clock may have been set back
    while (found := Experiment.marked(known["mark"])) is None and time.monotonic() < last_chance:
        if time.time() - known["begun"] > START_SECONDS:
            break
        time.sleep(1)
    return found


def _marked(config: dict[str, Any], mark: str) -> dict[str, Any]:
    """The configuration of an experiment whose name tells it from all others of this user."""
    return {**config, "experimentName": f"{config['experimentName']} ({mark})"}


def summary(run: Run, steps: list[Step]) -> str:
    """The table of the final trainings, and what the searches cost."""
    text = ""
    if steps[-1].phase == "final":
        rows = aggregate(read_runs(run.folder / "final"))
        write_json(run.folder / "summary.json", rows)
        text += f"Test videos, mean ± standard deviation over splits and seeds:\n\n{final_table(rows)}\n\n"
    text += f"{'search':<20}{'trials':>8}{'epochs':>8}{'device hours':>14}\n"
    for step in steps:
        cost = run.step(step.name).get("cost")
        if cost is not None:
            text += f"{step.name:<20}{cost['trials']:>8}{cost['epochs']:>8}{cost['hours']:>14.3f}\n"
    return text


def main() -> None:
    """Search globally, then locally, then train what was found: killed at any moment, the same command goes on."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.pipeline",
        description=main.__doc__,
        epilog="example: python -m experiments.pipeline --dataset 50salads --split all",
    )
    parser.add_argument("--dataset", required=True, metavar="NAME", help="folder of the data set in the data root")
    parser.add_argument(
        "--template", metavar="NAME", help="use experiments/NAME_*.yml (default: those of the data set, else new ones)"
    )
    parser.add_argument(
        "--global-search",
        metavar="NAME",
        help=f"{', '.join(GLOBAL_SEARCHES)}, or NAME of an experiments/TEMPLATE_NAME.yml of your own "
        f"(default: {DIFFERENTIABLE}, which the comparison favours; a run that has begun goes on as it is)",
    )
    parser.add_argument("--split", default="1", help="number of a split, or 'all' (default: %(default)s)")
    parser.add_argument("--data-root", type=Path, help="folder of data sets (default: $G2L_DATA_ROOT, else ./data)")
    parser.add_argument("--phases", default=",".join(PHASES), help="which of %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of final trainings (default: 0 1 2)")
    parser.add_argument("--name", help="the run's folder below runs/ (default: the data set's name)")
    parser.add_argument(
        "--max-hours",
        type=hours,
        metavar="H",
        help="end the searches in order, with the best so far, so that together they take H hours, each its share of "
        "those that are left; final trainings are not cut short",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the steps and the number of trainings")
    arguments = parser.parse_args()
    phases = [phase for phase in PHASES if phase in arguments.phases.split(",")]
    if set(arguments.phases.split(",")) - set(PHASES):
        raise BadInput(f"--phases must be some of {','.join(PHASES)}, not {arguments.phases!r}")
    name = arguments.name or arguments.dataset
    if Path(name).name != name or name.startswith("."):
        raise BadInput(f"--name must be a plain folder name, not {name!r}")
    share_data_places(arguments.data_root)
    dataset = find_dataset(arguments.dataset)
    splits = dataset.splits() if arguments.split == "all" else [split_number(arguments.split)]
    folder = Path("runs").resolve() / name
    if "{split}" in str(folder):
        raise BadInput(f"{folder}: {{split}} stands for the number of a split; choose another --name or place")
    template = arguments.template or arguments.dataset
    for split in splits:
        dataset.split(split)
    if min(arguments.seeds) < 0 or len(set(arguments.seeds)) != len(arguments.seeds):
        raise BadInput(f"--seeds must be different whole numbers of at least 0, not {arguments.seeds}")
    settings = {"dataset": arguments.dataset, "template": template, "splits": splits, "seeds": arguments.seeds}
    # Earlier versions called what NAME_global.yml has "global", whichever search that is.
    asked = None if arguments.global_search == "global" else arguments.global_search
    settings |= {"global_search": asked, "phases": phases}

    def read_run(files: str) -> tuple[Run, list[Step]]:
        default = DIFFERENTIABLE
        if arguments.global_search == "global":
            default = search_kind(FOLDER / f"{files}_global.yml")
        elif "global" in phases:
            default = default_search(files)
        run = Run(folder, settings, default)
        what = (arguments.dataset, files, splits, phases, arguments.seeds, run.global_search)
        return run, make_plan(folder, *what, begun=run.steps())

    with template_of(arguments.dataset, arguments.template, folder, arguments.dry_run) as files:
        if arguments.dry_run:
            for step in read_run(files)[1]:
                print(f"{step.name:<20}{step.trials:>7} trainings")
            return
    machine = read_machine()
    with held(folder):
        run, steps = read_run(files)
        if "global" in phases:
            print(f"global search: {run.global_search} ({steps[0].source})", file=sys.stderr)
        # All of them now, so that no search is made for a final training that cannot start.
        results: list[Path] = []
        for step in steps:
            if not run.step(step.name).get("done"):
                preflight(step.config, FOLDER, step.source, machine, starting=True, results=results)
            if step.result is not None:
                results.append(step.result)
        require_room(need for step in steps for need in _needs(run, step))
        for step in steps:
            if step is steps[0] or not run.step(step.name).get("done"):
                require_same_run_data(folder, [each.config for each in steps], splits, run.begun)
            do_step(run, step, steps, arguments.max_hours)
        text = summary(run, steps)
        write_text(folder / "summary.txt", text)
        print(text, flush=True)
        # Imported at last: matplotlib and PyTorch take memory that a pipeline of days need not hold.
        from analysis.report.writing import write_report

        print(write_report(str(folder)))


if __name__ == "__main__":
    run_command(main)
