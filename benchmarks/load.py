"""Memory, time, file sizes and resume of the tuners in a real NNI experiment of a thousand trials.

The trials do nothing (``benchmarks.do_nothing_trial``). The experiment is started by ``experiments.launch``, stopped
shortly before its end, and resumed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from analysis.history import find_experiment
from benchmarks.interleaved import REPOSITORY
from common.bad_input import BadInput, KnownFailure, run_command
from common.command_parser import command_parser
from experiments.nni_experiment import Experiment
from nas_space.networks import DEFAULT, find_network
from nas_space.space import global_space, local_space, to_nni
from nni_api.records import RECORDS_FILE, read_records
from strategies.adapter.state_file import STATE_FILE

POLL_SECONDS = 0.5
ITERATIONS = 10


@dataclass(frozen=True)
class Sample:
    """The state of the tuner after some trials."""

    trials: int
    at: float
    """Seconds since 1970."""
    memory: int
    """Resident memory in bytes."""
    seconds: float
    """CPU time since the start of the tuner."""
    state: int
    """Bytes of its state."""
    records: int
    """Bytes of its records."""


def configuration(kind: str, trials: int, concurrency: int) -> dict[str, Any]:
    """The experiment; for a local search, with as many chains as needed for the number of trials, a multiple of ten."""
    network = find_network(DEFAULT)
    if kind == "global":
        space, name = to_nni(global_space(network)), "GlobalTuner"
        arguments: dict[str, Any] = {"budget": trials}
    else:
        space, name = to_nni(local_space(network)), "LocalTuner"
        seeds = list(range(trials // ITERATIONS))
        arguments = {"starts": ["hand"], "splits": [1], "seeds": seeds, "iterations": ITERATIONS}
    return {
        "experimentName": f"load of the {kind} tuner",
        "trialCommand": "python3 -m benchmarks.do_nothing_trial",
        "trialCodeDirectory": str(REPOSITORY),
        "trialConcurrency": concurrency,
        "searchSpace": space,
        "tuner": {"className": f"strategies.tuners.{name}", "codeDirectory": str(REPOSITORY), "classArgs": arguments},
        "trainingService": {"platform": "local"},
    }


class Launched:
    """An experiment run by ``experiments.launch``; leaving the context stops it, like Ctrl-C.

    Args:
        action: the arguments of ``experiments.launch``.
        log: a file for its output.
    """

    def __init__(self, action: Sequence[str], log: Path) -> None:
        self.start = time.time()
        self._log = log
        command = [sys.executable, "-m", "experiments.launch", *action]
        with open(log, "w") as file:
            # In its own session: a Ctrl-C on the terminal reaches it once, through us.
            self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=file, start_new_session=True)

    def __enter__(self) -> Launched:
        try:
            while (found := re.search(r"experiment (\w+): http", self._log.read_text())) is None:
                self.pause()
        except KeyboardInterrupt:
            self.__exit__()
            raise
        self.experiment = Experiment.of_id(found[1])
        self._folder = find_experiment(found[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def pause(self) -> None:
        """Wait a moment. Raises KnownFailure, with the output, where the experiment has ended by itself."""
        if self._process.poll() is not None:
            raise KnownFailure(f"experiments.launch ended: {self._log.read_text()}")
        time.sleep(POLL_SECONDS)

    def run_until(self, trials: int, step: int) -> list[Sample]:
        """Wait until the tuner has ``trials`` results; a sample after the first and then every ``step`` trials."""
        samples: list[Sample] = []
        while not samples or samples[-1].trials < trials:
            self.pause()
            finished = self._finished()
            if finished and (not samples or finished // step > samples[-1].trials // step or finished >= trials):
                samples.append(self._sample(finished))
        return samples

    def first_proposal(self) -> tuple[float, float]:
        """Seconds from the start of a resume until the tuner runs, and until its first new proposal."""
        while True:
            events = self._events()
            resumed = [event["time"] for event in events if event.get("resumed")]
            new = [
                event["time"]
                for event in events
                if resumed and event["event"] == "proposed" and event["time"] >= resumed[0]
            ]
            if new:
                return resumed[0] - self.start, new[0] - self.start
            self.pause()

    def wait(self) -> None:
        """Wait until the experiment has ended by itself."""
        self._process.wait()

    def _events(self) -> list[dict[str, Any]]:
        path = self._folder / RECORDS_FILE
        return read_records(path) if path.exists() else []

    def _finished(self) -> int:
        return sum(event["event"] == "finished" for event in self._events())

    def _sample(self, trials: int) -> Sample:
        tuner = next(process for process in psutil.process_iter(["name", "environ"]) if self._is_tuner(process.info))
        times = tuner.cpu_times()
        sizes = [(self._folder / name).stat().st_size for name in (STATE_FILE, RECORDS_FILE)]
        return Sample(trials, time.time(), tuner.memory_info().rss, times.user + times.system, *sizes)

    def _is_tuner(self, process: dict[str, Any]) -> bool:
        # NNI's shell may stay above the tuner, with the same environment.
        folder = (process["environ"] or {}).get("NNI_CHECKPOINT_DIRECTORY")
        return folder == str(self._folder) and process["name"].startswith("python")


def table(samples: Sequence[Sample]) -> str:
    """One line per sample; times are means since the line above."""
    lines = [f"{'trials':>7}{'memory':>10}{'processor':>16}{'wall':>13}{'state.json':>12}{'records.jsonl':>15}"]
    for before, sample in zip([samples[0], *samples], samples, strict=False):
        trials = sample.trials - before.trials
        times = f"{1e3 * (sample.seconds - before.seconds) / trials:.1f} ms/trial" if trials else ""
        wall = f"{(sample.at - before.at) / trials:.2f} s/trial" if trials else ""
        sizes = f"{sample.state / 1e3:>9.0f} kB{sample.records / 1e3:>12.0f} kB"
        lines.append(f"{sample.trials:>7}{sample.memory / 2**20:>7.1f} MB{times:>16}{wall:>13}{sizes}")
    return "\n".join(lines)


def main() -> None:
    """Run an experiment of trials that do nothing, stop it before its end, resume it, and print its cost."""
    parser = command_parser("benchmarks.load", main.__doc__, "global --trials 200 --concurrency 8")
    parser.add_argument("kind", choices=["global", "local"], help="which tuner")
    parser.add_argument("--trials", type=int, default=1000, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--concurrency", type=int, default=16, metavar="N", help="parallel trials (default: %(default)s)"
    )
    arguments = parser.parse_args()
    trials, concurrency = arguments.trials, arguments.concurrency
    if concurrency < 1 or trials < 4 * concurrency or trials % ITERATIONS:
        raise BadInput(f"--trials must be a multiple of {ITERATIONS}, and at least four times --concurrency")
    # More trials must be left than NNI has pending, which it runs again without asking for new ones.
    stop = trials - 3 * concurrency
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        path = Path(name) / "load.yml"
        path.write_text(yaml.safe_dump(configuration(arguments.kind, trials, concurrency)))
        with Launched([str(path)], Path(name) / "first.txt") as launched:
            print(f"experiment {launched.experiment.id}", flush=True)
            print(table(launched.run_until(stop, trials // 10)), flush=True)
        with Launched(["--resume", launched.experiment.id], Path(name) / "resumed.txt") as resumed:
            ready, proposed = resumed.first_proposal()
            print(f"resumed: the tuner ran after {ready:.1f} s, and its first new proposal came after {proposed:.1f} s")
            print(table(resumed.run_until(trials, trials)), flush=True)
            resumed.wait()


if __name__ == "__main__":
    run_command(main)
