"""Global2Local as one command: searches, choice and final training as NNI experiments, and a report."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from analysis.export import export, export_branches
from analysis.final import aggregate, final_table, read_costs, read_runs
from analysis.history import find_experiment
from analysis.recommendation import Recommendation
from analysis.searches import SearchRecord
from common.atomic_file import write_json, write_text
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from experiments.checks.command_check import TrialCommand
from experiments.checks.disk_room import Need, needs_of, require_room
from experiments.config_file import class_name, read_config
from experiments.launch import free_port, require_check, running, watch
from experiments.new import template_of
from experiments.nni_experiment import Experiment, say
from experiments.other_machines import (
    add_machines_argument,
    machines_again,
    machines_of_run,
    nni_file,
    provide,
    write_files,
)
from experiments.plan import DIFFERENTIABLE, FOLDER, GLOBAL_SEARCHES, MULTIPLE, default_search, make_plan, search_kind
from experiments.preflight import preflight, trial_of
from experiments.progress import PROGRESS_FILE
from experiments.run_data import other_data_of_step, require_same_run_data
from experiments.run_folder import Run, locked, started_experiment
from experiments.run_options import add_run_options, folder_and_splits
from experiments.search_hours import continues, hours, share_of
from experiments.steps import PHASES, PipelineStep, final_trainings
from experiments.stopping import stop
from machines.gpus import Machine, read_machine
from machines.machine_list import RemoteMachine
from nas_space.network import Network
from nas_space.networks.your_own import OwnNetwork
from nni_api.register import registered


def do_step(
    run: Run,
    step: PipelineStep,
    steps: Sequence[PipelineStep] = (),
    max_hours: float | None = None,
    others: Sequence[RemoteMachine] = (),
) -> None:
    """Run or resume a step to its end, unless it is done.

    Args:
        steps, max_hours: those of the whole run: see ``share_of``.
        others: the machines of the trials, in place of this one.
    """
    known = run.step(step.name)
    of_all = {each.name: run.step(each.name) for each in (*steps, step)}
    if known.get("done") and not continues(step, steps or [step], of_all, max_hours):
        how = " early, by --max-hours" if known.get("ended_early") else ""
        print(f"{step.name}: done already{how} (experiment {known['experiment']['id']})", file=sys.stderr)
        return
    run_step(run, step, share_of(step, steps, of_all, max_hours), max_hours, others)


def run_step(
    run: Run, step: PipelineStep, share: float | None, max_hours: float | None, others: Sequence[RemoteMachine] = ()
) -> None:
    """Run or resume a step.

    Args:
        share: how long it may run in all, in hours; None: to its end.
        max_hours: of the whole run, noted where the step ends early.
        others: see ``do_step``; a step that had other machines goes on with these.
    """
    known, ran = run.step(step.name), 0.0
    require_check(step.check_command)

    def require_same_data(experiment: Experiment) -> None:
        changed = other_data_of_step(run.folder, find_experiment(experiment.id).parent)
        if changed is not None:
            run.forget(step.name)
            also = f" and remove {run.folder / step.phase}" if step.result is None else ""
            raise BadInput(f"{step.name}: {changed}; restore it{also}, then the same command repeats the step")

    config = run.folder / f"{step.name}.yml"
    former = started_experiment(known)
    if former is None:
        # The mark is written before NNI registers the experiment, so that a kill in between loses nothing.
        mark = secrets.token_hex(4)
        run.note(step.name, mark=mark, begun=time.time())
        write_text(config, yaml.safe_dump(_marked(step.config, mark), sort_keys=False, width=100))
        action = ["create", "--config", str(nni_file(read_config(config), run.folder, config, others))]
    else:
        if not config.exists() or read_config(config) != _marked(step.config, known["mark"]):
            raise BadInput(f"{config}: the step was started with other settings; choose another --name")
        # A killed pipeline leaves its experiment behind, which must not run twice.
        stop(former)
        require_same_data(former)
        folder = find_experiment(former.id).parent
        others = machines_again(folder, others)
        write_files(folder, others)
        action = ["resume", former.id]
        if share is not None:
            ran = registered(former.id).seconds_run() / 3600

    def note(experiment: Experiment) -> None:
        run.note(step.name, experiment=asdict(experiment))
        provide(experiment, others)
        print(f"{step.name}: experiment {experiment.id}, http://127.0.0.1:{experiment.port}", file=sys.stderr)

    start = time.monotonic()
    seconds = None if share is None else 3600 * (share - ran)
    with running(action, free_port(), "start the same command again", note) as experiment:
        try:
            early = watch(experiment, step.trials, run.folder / PROGRESS_FILE, step.name, seconds)
        except KnownFailure:
            if (history := experiment.history()) is not None and history.done and not history.evaluations:
                run.forget(step.name)  # resuming a finished search would not retry its trials
            raise
    require_same_data(experiment)
    if early:
        print(f"{step.name}: ended early after {share:.2g} hours, by --max-hours", file=sys.stderr)
    if step.result is not None:
        search = SearchRecord.of_experiment(experiment.id)
        best = search.history.best()[0]
        export(experiment.id, best, search.history.network, step.result, "native")
        if run.multiple and step.phase == "local":
            export_branches(experiment.id, search.history, best, step.result.with_stem(MULTIPLE))
        search.write(step.result.with_suffix(""))
        cost = search.cost()
        state = {"trials": cost.trials, "epochs": cost.epochs, "hours": round(cost.hours, 4)}
        run.note(step.name, cost=state, failures=cost.failures)
        for chain in search.history.chains.values():
            if chain["why"] != "done":
                print(f"warning: {step.name}, chain {chain['chain']} ended early: {chain['why']}", file=sys.stderr)
    else:
        folders = [run.folder / step.phase / folder for folder in final_trainings(step.config)]
        missing = sum(not (folder / "metrics.json").exists() for folder in folders)
        if missing and not early:
            run.forget(step.name)
            what = "final trainings" if step.phase == "final" else "trainings of the choice"
            why = "failed" if class_name(read_config(config)) else "failed, or were missed by NNI's grid search"
            raise KnownFailure(
                f"{missing} of {step.trials} {what} {why}: "
                f"see {experiment.trials_folder()}; the same command tries them again"
            )
    ended_early = max_hours if early else None
    run.note(step.name, done=True, ended_early=ended_early, ran=round(ran + (time.monotonic() - start) / 3600, 4))


def check_steps(
    run: Run, steps: Sequence[PipelineStep], machine: Machine, others: Sequence[RemoteMachine] = ()
) -> None:
    """Check all steps that are not done, so that no search runs for a final training that cannot start.

    Raises:
        BadInput: a step cannot start, or the disk has no room for all.
    """
    results: list[Path] = []
    for step in steps:
        if not run.step(step.name).get("done"):
            found = preflight(step.config, FOLDER, step.source, machine, starting=True, results=results, others=others)
            if others:
                say("\n".join([f"{step.name}:", *found]))
        if step.result is not None:
            results += [step.result, step.result.with_stem(MULTIPLE)]
    require_room(need for step in steps for need in _needs(run, step))


def _needs(run: Run, step: PipelineStep) -> list[Need]:
    """The disk space that a step will need; none if it is done."""
    known = run.step(step.name)
    if known.get("done"):
        return []
    done = Experiment(**known["experiment"]).trials_done() if "experiment" in known else 0
    return needs_of(step.config, FOLDER, done)


def _marked(config: dict[str, Any], mark: str) -> dict[str, Any]:
    """The configuration with a name that is unique among this user's experiments."""
    return {**config, "experimentName": f"{config['experimentName']} ({mark})"}


def summary(run: Run, steps: list[PipelineStep]) -> str:
    """The table of the final trainings, what is recommended, and the cost of the searches."""
    text = ""
    if steps[-1].phase == "final":
        rows = aggregate(read_runs(run.folder / "final"), read_costs(run.folder / "final"))
        write_json(run.folder / "summary.json", rows)
        text += f"Test videos, mean ± standard deviation over splits and seeds:\n\n{final_table(rows)}\n\n"
    recommended = Recommendation.of_run(run.folder)
    if recommended is not None:
        files = recommended.write(run.folder / "recommended")
        text += f"{recommended.sentence}\nIts structures: {', '.join(map(str, files))}\n\n"
    text += f"{'search':<20}{'trials':>8}{'epochs':>8}{'device hours':>14}\n"
    for step in steps:
        cost = run.step(step.name).get("cost")
        if cost is not None:
            text += f"{step.name:<20}{cost['trials']:>8}{cost['epochs']:>8}{cost['hours']:>14.3f}\n"
    return text


def main() -> None:
    """Search globally, then locally, choose, and train the results; after a kill, the same command resumes the run."""
    parser = command_parser("experiments.pipeline", main.__doc__, "--dataset 50salads --split all")
    add_run_options(parser, split="1")
    parser.add_argument(
        "--global-search",
        metavar="NAME",
        help=f"{', '.join(GLOBAL_SEARCHES)}, or NAME of an experiments/TEMPLATE_NAME.yml of your own "
        f"(default: {DIFFERENTIABLE}, which the comparison favours; a started run keeps its own)",
    )
    parser.add_argument(
        "--phases", metavar="NAMES", help=f"which of {','.join(PHASES)} (default: all; a started run keeps its own)"
    )
    parser.add_argument(
        "--multiple",
        action="store_true",
        default=None,
        help="also train what the local search trained last with its branches, which learn on (rf-multiple)",
    )
    parser.add_argument(
        "--max-hours",
        type=hours,
        metavar="H",
        help="end the searches in order, with the best so far, so that together they take H hours, each an equal share "
        "of those left; choice and final trainings are not limited",
    )
    add_machines_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="only print the steps and the number of trainings")
    arguments = parser.parse_args()
    asked_phases = None if arguments.phases is None else arguments.phases.split(",")
    if asked_phases is not None and set(asked_phases) - set(PHASES):
        raise BadInput(f"--phases must be some of {','.join(PHASES)}, not {arguments.phases!r}")
    phases = None if asked_phases is None else [phase for phase in PHASES if phase in asked_phases]
    folder, splits = folder_and_splits(arguments)
    template = arguments.template or arguments.dataset
    settings = {"dataset": arguments.dataset, "template": template, "splits": splits, "seeds": arguments.seeds}
    # Earlier versions called the search in NAME_global.yml "global", whichever it was.
    asked = None if arguments.global_search == "global" else arguments.global_search
    settings |= {"global_search": asked, "phases": phases, "multiple": arguments.multiple}

    def read_run(files: str) -> tuple[Run, list[PipelineStep]]:
        usual = arguments.global_search == "global"
        default = search_kind(FOLDER / f"{files}_global.yml") if usual else default_search(files)
        run = Run(folder, settings, default)
        what = (arguments.dataset, files, splits, run.phases, arguments.seeds, run.global_search)
        return run, make_plan(folder, *what, started=run.steps(), multiple=run.multiple)

    with template_of(arguments.dataset, arguments.template, folder, arguments.dry_run) as files:
        if arguments.dry_run:
            for step in read_run(files)[1]:
                print(f"{step.name:<20}{step.trials:>7} trainings")
            return
    machine = read_machine()
    with locked(folder):
        run, steps = read_run(files)
        others = machines_of_run(folder, arguments)
        if "global" in run.phases:
            print(f"global search: {run.global_search} ({steps[0].source})", file=sys.stderr)
        check_steps(run, steps, machine, others)
        for step in steps:
            if step is steps[0] or not run.step(step.name).get("done"):
                require_same_run_data(folder, [each.config for each in steps], splits, run.started)
            do_step(run, step, steps, arguments.max_hours, others)
        text = summary(run, steps)
        write_text(folder / "summary.txt", text)
        print(text, flush=True)
        # Imported last: a pipeline of days need not hold the memory of matplotlib and PyTorch.
        from analysis.report.page import write_report

        print(write_report(str(folder), named=_named_network(steps[-1])))


def _named_network(step: PipelineStep) -> Network | None:
    """The network of the user's own that a step's trial command names; None if it is one of ours."""
    trial = trial_of(step.config)
    return trial.network if isinstance(trial, TrialCommand) and isinstance(trial.network, OwnNetwork) else None


if __name__ == "__main__":
    run_command(main)
