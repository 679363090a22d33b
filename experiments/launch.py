"""Start an NNI experiment through nnictl, bound to this machine, watch it to its end, and stop it."""

from __future__ import annotations

import argparse
import contextlib
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.atomic_file import write_text
from common.bad_input import BadInput, KnownFailure, naming, run_command
from common.command_parser import command_parser
from common.read_file import read_text
from experiments.checks.disk_room import needs_of, require_room
from experiments.config_file import class_arguments, read_config
from experiments.nni_experiment import Experiment, Trials, say, start
from experiments.other_machines import (
    add_machines_argument,
    machines_again,
    machines_for,
    nni_file,
    provide,
    read_given,
    write_files,
)
from experiments.preflight import preflight
from experiments.progress import PROGRESS_FILE, ProgressDisplay
from experiments.run_data import require_same_experiment_data, share_data_folders
from experiments.search_hours import hours
from experiments.steps import trials_of
from experiments.stopping import StopSignals, stop
from machines.gpus import read_machine
from machines.machine_list import RemoteMachine
from nni_api.register import registered
from strategies.adapter.data_check import failed_check

POLL_SECONDS = 2.0
IDLE_POLLS = 5


class Killed(KnownFailure):
    """NNI's manager or the tuner was killed during an experiment, which can be resumed."""


def watch(
    experiment: Experiment,
    total: int | None,
    file: Path | None = None,
    step: str | None = None,
    seconds: float | None = None,
) -> bool:
    """Show the progress of an experiment until it ends.

    Args:
        total, file, step: see ``ProgressDisplay``.
        seconds: stop watching after that time, if a trial has succeeded; None: watch it to its end.

    Returns:
        Whether the time was up before its end.

    Raises:
        KnownFailure: it ended with an error, or without one successful trial.
        Killed: it was stopped, or its manager or its tuner is gone. NNI does not notice a missing tuner.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    with ProgressDisplay(experiment, total, file, step) as display:
        trials, seen, missing, idle = Trials(0, 0, 0), False, 0, 0
        while (status := experiment.status()) not in ("DONE", "ERROR", "STOPPED", "GONE"):
            present = experiment.has_tuner()
            seen, missing = seen or present, 0 if present else missing + 1
            if seen and missing == 2:  # once is normal: it may end with the experiment, just after the status
                if error := experiment.error():
                    raise KnownFailure(f"experiment {experiment.id} has ended: {error}")
                more = f"'nnictl log stderr {experiment.id}' may say more"
                raise Killed(f"the tuner of experiment {experiment.id} was killed (is there enough memory? {more})")
            trials = experiment.trials() or trials
            # NNI hangs where one of its own tuners ends before maxTrialNumber. Ours report that they have no more
            # trials whenever they wait for a result, and end their experiments themselves. Polled several times, as NNI
            # lists a trial only a moment after its tuner has proposed it.
            all_ended = status == "TUNER_NO_MORE_TRIAL" and trials.ended and not trials.unfinished
            idle = idle + 1 if all_ended and experiment.history() is None else 0
            if idle == IDLE_POLLS:
                status = "DONE"
                break
            if time.monotonic() >= deadline:
                status = "ENDED EARLY"
                break
            display.show(status, trials)
            time.sleep(POLL_SECONDS)
        trials = experiment.trials() or trials
        display.show(status, trials)
    history = experiment.history()
    if status == "ENDED EARLY":
        if not (trials.succeeded if history is None else history.evaluations):
            raise KnownFailure(
                f"experiment {experiment.id}: no trial has succeeded within --max-hours; resume it with a longer one"
            )
        return True
    if status != "DONE":
        # On a full disk, the tuner cannot record its error.
        error = (history.error if history is not None else None) or experiment.error()
        if error:
            raise KnownFailure(f"experiment {experiment.id} ended with {status}: {error}")
        if status == "STOPPED":
            raise Killed(f"experiment {experiment.id} was stopped with nnictl")
        if status == "GONE":
            raise Killed(f"NNI's manager of experiment {experiment.id} was killed (is there enough memory?)")
        raise KnownFailure(f"experiment {experiment.id} ended with {status}: see 'nnictl log stderr {experiment.id}'")
    if not trials.succeeded:
        raise KnownFailure(f"no trial of experiment {experiment.id} succeeded: see {experiment.trials_folder()}")
    return False


@contextlib.contextmanager
def running(
    action: list[str], port: int, go_on: str, started: Callable[[Experiment], object] = lambda _: None
) -> Iterator[Experiment]:
    """Start an experiment, and stop it when the block ends, for whatever reason. Signals: see ``StopSignals``.

    Args:
        action, port: see ``start``.
        go_on: how to resume after a stop; ``{id}`` stands for the id of the experiment.
        started: called with the experiment as soon as it runs.
    """
    with StopSignals() as signals:
        experiment = start(action, port)
        try:
            started(experiment)
            signals.let_through(experiment)
            yield experiment
        except (KeyboardInterrupt, Killed):
            say(f"\nstopping experiment {experiment.id}; to resume: {go_on.format(id=experiment.id)}")
            raise
        finally:
            signals.stop(experiment)


def require_check(command: Any) -> None:
    """Run the check command of an experiment. Raises BadInput with its last line, after printing the others."""
    fault = failed_check(command)
    if fault is not None:
        *details, summary = fault.splitlines()
        for line in details:
            print(line, file=sys.stderr)
        raise BadInput(summary.removeprefix("error: "))


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kept_id(file: Path | None) -> str | None:
    """The id of the experiment that ``--id-file`` keeps; None where it keeps none yet.

    Raises:
        BadInput: the file cannot be read, or this user has no such experiment.
    """
    if file is None or not file.exists():
        return None
    id = read_text(file).strip()
    with naming(file):
        registered(id)
    return id


class Prepared(NamedTuple):
    """An experiment that has passed all checks."""

    action: list[str]
    """Of nnictl."""
    total: int | None
    """The number of its trials; None: unknown."""
    others: Sequence[RemoteMachine]
    """The machines of its trials; none: this one."""


def prepare_new(file: Path, arguments: argparse.Namespace) -> Prepared:
    """Check the experiment of a YAML file. Raises BadInput where it cannot start."""
    config, folder = read_config(file), file.parent
    others = machines_for(config, folder, arguments)
    _say(preflight(config, folder, file, read_machine(), starting=True, others=others), others)
    with naming(file):
        total = trials_of(config)
    require_check(class_arguments(config).get("check_command"))
    require_room(needs_of(config, folder))
    return Prepared(["create", "--config", str(nni_file(config, folder, file, others))], total, others)


def prepare_again(experiment: Experiment, arguments: argparse.Namespace) -> Prepared:
    """Check a stopped experiment, and stop what is left of it. Raises BadInput where it cannot go on."""
    known = registered(experiment.id)
    config, others = known.settings(), machines_again(known.folder, read_given(arguments))
    stop(experiment)
    what = f"experiment {experiment.id}"
    _say(preflight(config, Path(), what, read_machine(), starting=True, others=others), others)
    total, history = trials_of(config), experiment.history()
    require_same_experiment_data(known.id, known.folder, config, history is not None and bool(history.evaluations))
    require_room(needs_of(config, Path(), experiment.trials_done()))
    write_files(known.folder, others)
    return Prepared(["resume", experiment.id], total, others)


def _say(found: Sequence[str], others: Sequence[RemoteMachine]) -> None:
    """Print what a check has found, if it was one of other machines."""
    if others:
        say("\n".join(found))


def seconds_left(id: str, max_hours: float) -> float:
    """How long an experiment may still run. Raises BadInput where its time is up."""
    ran = registered(id).seconds_run()
    if ran >= 3600 * max_hours:
        has_run = f"experiment {id} has run for {ran / 3600:.2f} hours"
        raise BadInput(f"{has_run}: resume it with a longer --max-hours, or none")
    return 3600 * max_hours - ran


def main() -> None:
    """Start an experiment through nnictl, bound to this machine; watch it to its end, and print its id."""
    parser = command_parser("experiments.launch", main.__doc__, "experiments/50salads_global.yml --port 8080")
    parser.add_argument("config", type=Path, nargs="?", metavar="FILE.yml", help="the experiment's YAML file")
    parser.add_argument("--resume", metavar="EXPERIMENT_ID", help="resume a stopped experiment instead")
    parser.add_argument(
        "--id-file",
        type=Path,
        metavar="FILE",
        help="write the experiment's id there once it runs; where one stands there already, resume that experiment "
        "instead of starting another, so that the same command goes on",
    )
    parser.add_argument("--port", type=int, help="of NNI's web page (default: a free one)")
    parser.add_argument(
        "--max-hours",
        type=hours,
        metavar="H",
        help="end the search in order, with the best so far, after H hours in total (including those before a resume)",
    )
    add_machines_argument(parser)
    arguments = parser.parse_args()
    if (arguments.config is None) == (arguments.resume is None):
        raise BadInput("give either the YAML file of an experiment, or --resume EXPERIMENT_ID")
    seconds = None if arguments.max_hours is None else 3600 * arguments.max_hours
    share_data_folders()
    former = arguments.resume or kept_id(arguments.id_file)
    if former is None:
        prepared = prepare_new(arguments.config, arguments)
    else:
        experiment = Experiment.of_id(former)
        if experiment.is_managed():
            raise BadInput(f"experiment {experiment.id} is still running; 'nnictl stop {experiment.id}' ends it")
        if arguments.max_hours is not None:
            seconds = seconds_left(experiment.id, arguments.max_hours)
        prepared = prepare_again(experiment, arguments)

    def started(experiment: Experiment) -> None:
        if arguments.id_file is not None:
            write_text(arguments.id_file, f"{experiment.id}\n")
        provide(experiment, prepared.others)

    port = arguments.port or free_port()
    go_on = "python -m experiments.launch --resume {id}"
    with running(prepared.action, port, go_on, started) as experiment:
        print(f"experiment {experiment.id}: http://127.0.0.1:{port} (this machine only)", file=sys.stderr)
        file = registered(experiment.id).folder / PROGRESS_FILE
        early = watch(experiment, prepared.total, file, None, seconds)
    if early:
        again = go_on.format(id=experiment.id)
        print(f"ended early, after {arguments.max_hours:g} hours; to resume: {again}", file=sys.stderr)
    print(experiment.id)


if __name__ == "__main__":
    run_command(main)
