"""Start an NNI experiment through nnictl, bound to this machine, watch it to its end, and stop it."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from tqdm import tqdm

from analysis.history import History, find_experiment, read_history
from nas_space.bad_input import BadInput, run_command
from nas_space.local_http import NO_ANSWER, get_json
from strategies.data_check import failed_check

LISTEN_LOCALLY = Path(__file__).with_name("listen_locally.js")
POLL_SECONDS = 2.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Experiment:
    """An NNI experiment of ours on this machine."""

    id: str
    port: int
    manager: int
    """Process id of NNI's manager."""

    def status(self) -> str:
        """What NNI's manager says of itself: RUNNING, DONE, ERROR, ...; GONE if its process has ended."""
        try:
            return str(self._ask("/check-status")["status"])
        except NO_ANSWER:
            return "BUSY" if psutil.pid_exists(self.manager) else "GONE"

    def ended_trials(self) -> tuple[int, int]:
        """How many trials have ended, and how many of them well."""
        try:
            states = [job["status"] for job in self._ask("/trial-jobs")]
        except NO_ANSWER:
            return 0, 0
        return sum(state not in ("WAITING", "RUNNING", "UNKNOWN") for state in states), states.count("SUCCEEDED")

    def trials_folder(self) -> Path:
        """Where the trials print to: TRIAL/trial.stderr."""
        return find_experiment(self.id).parent / "environments" / "local-env" / "trials"

    def _ask(self, path: str) -> Any:
        return get_json(f"http://127.0.0.1:{self.port}/api/v1/nni{path}")

    def history(self) -> History | None:
        """The records of its tuner, as far as they go; None before it has any."""
        try:
            return read_history(find_experiment(self.id))
        except BadInput:
            return None

    def stop(self) -> None:
        """Stop manager, tuner and trials, and wait until the manager's process has ended."""
        _nnictl("stop", self.id)
        try:
            psutil.Process(self.manager).wait(timeout=60)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            print(f"warning: NNI's manager (process {self.manager}) of {self.id} still runs", file=sys.stderr)


def start(action: list[str], port: int) -> Experiment:
    """Let nnictl start an experiment: ``action`` is ``create --config FILE`` or ``resume ID``.

    Raises:
        BadInput: nnictl refuses; the message is its own.
    """
    output = _nnictl(*action, "--port", str(port))
    found = re.search(r"Experiment ID:\s*(\w+)", output)
    if found is None:
        errors = [line for line in output.splitlines() if "ERROR" in line or "Error" in line]
        raise BadInput(
            f"nnictl {' '.join(action)} did not start an experiment: {' '.join(errors[-1:]) or output.strip()}"
        )
    from nni.tools.nnictl.config_utils import Experiments

    return Experiment(found[1], port, Experiments().get_all_experiments()[found[1]]["pid"])


def watch(experiment: Experiment, total: int | None) -> None:
    """Show the progress of an experiment until it ends; if that is an error, exit with its message and code 1."""
    with tqdm(total=total, unit="trial", disable=None) as progress:
        succeeded = 0
        while (status := experiment.status()) not in ("DONE", "ERROR", "STOPPED", "GONE"):
            ended, succeeded = experiment.ended_trials()
            if ended > progress.n:
                progress.n = ended
                history = experiment.history()
                best = f", best {history.best()[0].metrics['default']:.2f}" if history and history.evaluations else ""
                progress.set_postfix_str(f"{ended} ended{best}")
                if progress.disable:
                    print(f"{ended} trials ended{best}", file=sys.stderr, flush=True)
            time.sleep(POLL_SECONDS)
        succeeded = max(succeeded, experiment.ended_trials()[1])
    if status != "DONE":
        history = experiment.history()
        reason = history.error if history is not None and history.error else f"see 'nnictl log stderr {experiment.id}'"
        sys.exit(f"error: experiment {experiment.id} ended with {status}: {reason}")
    if not succeeded:
        sys.exit(f"error: no trial of experiment {experiment.id} succeeded: see {experiment.trials_folder()}")


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
    except KeyboardInterrupt:
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


def read_config(path: Path) -> dict[str, Any]:
    """The content of an experiment's YAML file. Raises BadInput where there is none, or it is damaged."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise BadInput(f"{path}: cannot be read: {fault.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise BadInput(f"{path}: not a YAML file: {str(fault).splitlines()[0]}") from None
    if not isinstance(config, dict):
        raise BadInput(f"{path}: not the YAML file of an experiment")
    return config


def class_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the tuner that a configuration names."""
    tuner = config.get("tuner")
    arguments = tuner.get("classArgs") if isinstance(tuner, dict) else None
    return arguments if isinstance(arguments, dict) else {}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nnictl(*arguments: str) -> str:
    """Run nnictl of this Python with a web server that listens on this machine only; returns what it printed."""
    folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        # The trials' python3 must be this one.
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "NODE_OPTIONS": f'{os.environ.get("NODE_OPTIONS", "")} --require "{LISTEN_LOCALLY}"'.strip(),
    }
    command = [str(folder / "nnictl"), *arguments]
    # In a session of its own, Ctrl-C on the terminal reaches us, who stop the experiment, and not nnictl.
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


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
        total = tuner.get("budget") or config.get("maxTrialNumber")
        require_check(tuner.get("check_command"))
        action = ["create", "--config", str(arguments.config)]
    else:
        find_experiment(arguments.resume)
        action = ["resume", arguments.resume]
    port = arguments.port or free_port()
    go_on = "python -m experiments.launch --resume {id}"
    with running(action, port, go_on) as experiment:
        print(f"experiment {experiment.id}: http://127.0.0.1:{port} (this machine only)", file=sys.stderr)
        watch(experiment, total)
    print(experiment.id)


if __name__ == "__main__":
    run_command(main)
