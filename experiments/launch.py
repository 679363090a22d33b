"""Start an NNI experiment through nnictl, bound to this machine, watch it to its end, and stop it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from tqdm import tqdm

from analysis.history import History, find_experiment, read_history
from nas_space.bad_input import BadInput, run_command
from strategies.data_check import failed_check

LISTEN_LOCALLY = Path(__file__).with_name("listen_locally.js")
POLL_SECONDS = 2.0


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
        except (OSError, ValueError):
            return "BUSY" if psutil.pid_exists(self.manager) else "GONE"

    def ended_trials(self) -> int:
        """How many trials have ended, well or not."""
        try:
            return sum(job["status"] not in ("WAITING", "RUNNING", "UNKNOWN") for job in self._ask("/trial-jobs"))
        except (OSError, ValueError):
            return 0

    def _ask(self, path: str) -> Any:
        # The manager is on this machine: a proxy of the environment must not come between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/api/v1/nni{path}", timeout=10) as response:
            return json.load(response)

    def history(self) -> History | None:
        """The records of its tuner, as far as they go; None before it has any."""
        try:
            return read_history(find_experiment(self.id))
        except BadInput:
            return None

    def stop(self) -> None:
        """Stop manager, tuner and trials, and wait until the manager's process has ended."""
        _nnictl("stop", self.id)
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            psutil.Process(self.manager).wait(timeout=60)


def start(action: list[str], port: int) -> Experiment:
    """Let nnictl start an experiment: ``action`` is ``create --config FILE`` or ``resume ID``.

    Raises:
        BadInput: nnictl refuses; the message is its own.
    """
    output = _nnictl(*action, "--port", str(port))
    found = re.search(r"Experiment ID:\s*(\w+)", output)
    if found is None:
        raise BadInput(f"nnictl {' '.join(action)} did not start an experiment:\n{output.strip()}")
    from nni.tools.nnictl.config_utils import Experiments

    return Experiment(found[1], port, Experiments().get_all_experiments()[found[1]]["pid"])


def watch(experiment: Experiment, total: int | None) -> None:
    """Show the progress of an experiment until it ends; if that is an error, exit with its message and code 1."""
    with tqdm(total=total, unit="trial", disable=None) as progress:
        while (status := experiment.status()) not in ("DONE", "ERROR", "STOPPED", "GONE"):
            ended = experiment.ended_trials()
            if ended > progress.n:
                progress.n = ended
                history = experiment.history()
                best = f", best {history.best()[0].metrics['default']:.2f}" if history and history.evaluations else ""
                progress.set_postfix_str(f"{ended} ended{best}")
                if progress.disable:
                    print(f"{ended} trials ended{best}", file=sys.stderr, flush=True)
            time.sleep(POLL_SECONDS)
    if status != "DONE":
        history = experiment.history()
        reason = history.error if history is not None and history.error else f"see 'nnictl log stderr {experiment.id}'"
        sys.exit(f"error: experiment {experiment.id} ended with {status}: {reason}")


@contextlib.contextmanager
def stopped_at_the_end(experiment: Experiment, go_on: str) -> Iterator[None]:
    """Stop the experiment when the block ends, however it ends; a stop that somebody asked for says how to go on."""
    # A kill must stop what we started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nstopping experiment {experiment.id}; to go on: {go_on}", file=sys.stderr)
        raise
    finally:
        experiment.stop()


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
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
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
        fault = failed_check(tuner.get("check_command"))
        if fault is not None:
            raise BadInput(fault.removeprefix("error: "))
        action = ["create", "--config", str(arguments.config)]
    else:
        action = ["resume", arguments.resume]
    port = arguments.port or free_port()
    experiment = start(action, port)
    print(f"experiment {experiment.id}: http://127.0.0.1:{port} (this machine only)", file=sys.stderr)
    with stopped_at_the_end(experiment, f"python -m experiments.launch --resume {experiment.id}"):
        watch(experiment, total)
    print(experiment.id)


if __name__ == "__main__":
    run_command(main)
