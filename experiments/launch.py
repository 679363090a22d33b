"""Start an NNI experiment through nnictl, bound to this machine, watch it to its end, and stop it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from tqdm import tqdm

from analysis.nni_register import registered
from experiments.config_file import class_arguments, read_config
from experiments.gpus import read_machine
from experiments.nni_experiment import Experiment, Trials, start
from experiments.preflight import preflight
from experiments.run_data import require_same_experiment_data
from nas_space.bad_input import BadInput, KnownFailure, run_command
from strategies.data_check import failed_check

POLL_SECONDS = 2.0
IDLE_POLLS = 5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Killed(KnownFailure):
    """NNI's manager or the tuner has been ended in the middle of an experiment, which can be resumed."""


def watch(experiment: Experiment, total: int | None) -> None:
    """Show the progress of an experiment until it ends.

    Raises:
        KnownFailure: it ended with an error, or without one successful trial.
        Killed: it was stopped, or its manager or its tuner has gone; NNI does not notice that its tuner has, and would
            wait for ever.
    """
    with tqdm(total=total, unit="trial", disable=None) as progress:
        trials, seen, missing, idle = Trials(0, 0, 0), False, 0, 0
        while (status := experiment.status()) not in ("DONE", "ERROR", "STOPPED", "GONE"):
            present = experiment.has_tuner()
            seen, missing = seen or present, 0 if present else missing + 1
            if seen and missing == 2:  # not one: it may have ended with the experiment, a moment after the status
                raise Killed(f"the tuner of experiment {experiment.id} was killed (is there enough memory?)")
            trials = experiment.trials() or trials
            # NNI waits for ever where a tuner of its own ends before maxTrialNumber. Ours say that they have no more
            # trials whenever they wait for a result, and end their experiments themselves. Several times, because NNI
            # lists a trial only a moment after its tuner has proposed it.
            all_ended = status == "TUNER_NO_MORE_TRIAL" and trials.ended and not trials.unfinished
            idle = idle + 1 if all_ended and experiment.history() is None else 0
            if idle == IDLE_POLLS:
                status = "DONE"
                break
            if trials.ended > progress.n:
                progress.n = trials.ended
                history = experiment.history()
                best = f", best {history.best()[0].metrics['default']:.2f}" if history and history.evaluations else ""
                progress.set_postfix_str(f"{trials.ended} ended{best}")
                if progress.disable:
                    print(f"{trials.ended} trials ended{best}", file=sys.stderr, flush=True)
            time.sleep(POLL_SECONDS)
        trials = experiment.trials() or trials
    if status != "DONE":
        history = experiment.history()
        # On a full disk the tuner cannot record its error.
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


@contextlib.contextmanager
def running(
    action: list[str], port: int, go_on: str, started: Callable[[Experiment], object] = lambda _: None
) -> Iterator[Experiment]:
    """Start an experiment, and stop it when the block ends, however it ends.

    Args:
        action, port: see ``start``.
        go_on: how to go on after a stop; ``{id}`` stands for the id of the experiment.
        started: called with the experiment as soon as it runs. Ctrl-C and kills are held back until then, so that no
            experiment is left behind that nobody knows of.
    """
    held: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, _: held.append(number))
    try:
        experiment = start(action, port)
        started(experiment)
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.default_int_handler)
    try:
        if held:
            raise KeyboardInterrupt
        yield experiment
    except (KeyboardInterrupt, Killed):
        print(f"\nstopping experiment {experiment.id}; to go on: {go_on.format(id=experiment.id)}", file=sys.stderr)
        raise
    finally:
        experiment.stop()


def require_check(command: Any) -> None:
    """Run the check that an experiment's tuner would run. Raises BadInput with its last line, the others are shown."""
    fault = failed_check(command)
    if fault is not None:
        *details, summary = fault.splitlines()
        for line in details:
            print(line, file=sys.stderr)
        raise BadInput(summary.removeprefix("error: "))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Start an experiment through nnictl, bound to this machine; watch it to its end, and print its id."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.launch",
        description=main.__doc__,
        epilog="example: python -m experiments.launch experiments/50salads_global.yml --port 8080",
    )
    parser.add_argument("config", type=Path, nargs="?", metavar="FILE.yml", help="the experiment's YAML file")
    parser.add_argument("--resume", metavar="EXPERIMENT_ID", help="go on with a stopped experiment instead")
    parser.add_argument("--port", type=int, help="of NNI's web page (default: a free one)")
    arguments = parser.parse_args()
    if (arguments.config is None) == (arguments.resume is None):
        raise BadInput("give either the YAML file of an experiment, or --resume EXPERIMENT_ID")
    total = None
    if arguments.config is not None:
        config = read_config(arguments.config)
        tuner = class_arguments(config)
        preflight(config, arguments.config.parent, arguments.config, read_machine(), starting=True)
        total = tuner.get("budget") or config.get("maxTrialNumber")
        if total is not None and type(total) is not int:
            raise BadInput(f"{arguments.config}: the number of trials must be a whole number, not {shortened(total)}")
        require_check(tuner.get("check_command"))
        action = ["create", "--config", str(arguments.config)]
    else:
        experiment = Experiment.of_id(arguments.resume)
        if experiment.is_managed():
            raise BadInput(f"experiment {experiment.id} is still running; 'nnictl stop {experiment.id}' ends it")
        experiment.stop()
        known, history = registered(experiment.id), experiment.history()
        preflight(known.settings(), Path(), f"experiment {experiment.id}", read_machine(), starting=True)
        has_results = history is not None and bool(history.evaluations)
        require_same_experiment_data(known.id, known.folder, known.settings(), has_results)
        action = ["resume", arguments.resume]
    port = arguments.port or free_port()
    go_on = "python -m experiments.launch --resume {id}"
    with running(action, port, go_on) as experiment:
        print(f"experiment {experiment.id}: http://127.0.0.1:{port} (this machine only)", file=sys.stderr)
        watch(experiment, total)
    print(experiment.id)


if __name__ == "__main__":
    run_command(main)
