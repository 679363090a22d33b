"""A small search through NNI that a fault strikes: what it had reported before, what is left of it, what came out.

The global search goes over the whole of a small space, so that its best structure is known whatever the order of its
trials; a chain of the local search is the same bit for bit, however often it is interrupted.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml

from analysis.history import History
from common.bad_input import BadInput
from experiments.demo_data import write_demo
from nas_space.networks import find_network
from nas_space.space import global_space, local_space, to_nni
from tests.drills.nni_home import REPOSITORY, Kind, find, history_of, is_trial, launch, only_experiment, wait_for

Phase = Literal["global", "local", "final"]
NETWORK = find_network("ms-tcn:stages=1,layers=2")
CANDIDATES = (1, 4, 16)
OPTIONS = f"--dataset demo --network {NETWORK} --device cpu --threads 1 --batch-size 1 --objective mean"
TRIALS: dict[Phase, str] = {
    "global": f"trials.search_trial {OPTIONS} --split 1 --epochs 5 --learning-rate 5e-3",
    "local": f"trials.local_trial {OPTIONS} --epochs 2 --learning-rate 0.02 --decay-epochs",
}
TUNERS: dict[Phase, dict[str, Any]] = {
    # With this seed the best structure is not among the first four, of which some drills let one fail.
    "global": {"population_size": 4, "budget": len(CANDIDATES) ** len(NETWORK.layers), "seed": 3},
    "local": {"starts": ["hand"], "splits": [1], "seeds": [0, 1], "iterations": 3, "expand_rate": 0.5},
}
TIME_LIMIT = 600.0
"""Seconds that a search may take to come to what a drill waits for."""


@dataclass
class DrilledSearch:
    """One search in a home folder of its own, as a drill sees it."""

    folder: Path
    phase: Phase = "global"
    more_options: str = ""
    """Of the trial."""
    more_of_the_tuner: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the tuner, in place of the usual ones."""
    fault: str | None = None
    """Of ``tests.drills.faulty_trial``; it strikes once ``arm`` was called."""
    more_environment: Mapping[str, str] = field(default_factory=dict)
    time_limit: str = "5m"
    """Of a trial."""
    machines: Path | None = None
    """The file of the machines on which its trials run; None: they run on this one."""
    before: dict[Any, Any] = field(default_factory=dict)
    """What ``results`` were there when the fault struck."""
    said: str = ""
    """What ``experiments.launch`` printed."""
    notes: list[str] = field(default_factory=list)
    """What else a drill has seen that is worth telling."""
    seconds: float | None = None
    """From the last fault until all was done that was at work when it struck; if nothing was, what came next."""
    _struck: float | None = None
    _at_work: set[int] = field(default_factory=set)
    launched: subprocess.Popen[str] | None = None
    """The last ``experiments.launch``."""

    @property
    def home(self) -> Path:
        """The home folder of all of its processes."""
        return self.folder / "home"

    @property
    def armed(self) -> Path:
        """The file that lets the fault strike."""
        return self.folder / "armed"

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        write_demo(self.folder / "data" / "demo", train=8, test=2, seed=0)

    def start(self) -> None:
        """Create the experiment."""
        self._launch(self.write_config(), *self.on_machines())

    def resume(self) -> None:
        """Go on with the experiment."""
        self._launch("--resume", self.id())

    def id(self) -> str:
        """NNI's id of the experiment."""
        return only_experiment(self.home)

    def history(self) -> History:
        """What the tuner has recorded so far; an empty history before that."""
        try:
            return history_of(self.home, self.id())
        except (BadInput, OSError, StopIteration):
            return History(self.folder)

    def wait_for_results(self, count: int = 2) -> None:
        """Return once so many results are recorded."""
        self.wait_for(lambda: len(self.history().evaluations) >= count, running=True)

    def wait_for(self, condition: Callable[[], object], running: bool = False) -> None:
        """Return as soon as the condition holds.

        Raises:
            TimeoutError: it does not in time.
            RuntimeError: what was launched ends before, where it has to be ``running``.
        """

        def holds() -> bool:
            self._look()
            if condition():
                return True
            if running and self.launched is not None and self.launched.poll() is not None:
                raise RuntimeError(f"it has ended too early: {self.launched.communicate()[1]}")
            return False

        wait_for(holds, TIME_LIMIT)

    def wait_for_process(self, *kinds: Kind) -> list[psutil.Process]:
        """The processes of these kinds, as soon as there are any."""
        self.wait_for(lambda: find(self.home, *kinds))
        return find(self.home, *kinds)

    def wait_for_training(self) -> psutil.Process:
        """A trial of the global search, as soon as it is after its first epoch and long before its last."""
        training: list[psutil.Process] = []

        def found() -> bool:
            training.extend(self._in_training())
            return bool(training)

        self.wait_for(found, running=True)
        return training[0]

    def _in_training(self) -> list[psutil.Process]:
        printed = self.home.glob("nni-experiments/*/environments/local-env/trials/*/trial.stderr")
        # What a trial has printed last tells how far it is.
        training = [path.parent.name for path in printed if "epoch 1/" in path.read_text()[-300:]]
        with suppress(psutil.Error):  # it may have ended by now
            return [trial for trial in find(self.home, is_trial) if trial.environ()["NNI_TRIAL_JOB_ID"] in training]
        return []

    def arm(self) -> None:
        """Let the fault strike, and return once it has."""
        self.armed.touch()
        self.wait_for(lambda: not self.armed.exists())
        self.strike()

    def strike(self, fault: Callable[[], object] = lambda: None) -> None:
        """Let a fault strike from outside; what was reported and was at work when it had struck is noted."""
        fault()
        self._struck, self.seconds = time.monotonic(), None
        history = self.history()
        self.before = self.results()
        done = {evaluation.uid for evaluation in history.evaluations}
        self._at_work = set(range(history.proposed)) - done or {history.proposed}

    def finish(self) -> None:
        """Wait for the end of ``experiments.launch``, good or bad."""
        launched = self.launched
        assert launched is not None
        self.wait_for(lambda: launched.poll() is not None)
        self.said += launched.communicate()[1]

    def is_done(self) -> bool:
        """Whether ``experiments.launch`` has ended well."""
        return self.launched is not None and self.launched.poll() == 0

    def nnictl(self, *words: str) -> None:
        """Run nnictl as a user does."""
        command = [str(Path(sys.executable).parent / "nnictl"), *words]
        subprocess.run(command, env=self.environment(), capture_output=True, check=True)

    def results(self) -> dict[Any, Any]:
        """What has been reported so far, by proposal."""
        return {e.uid: (e.trial, e.structure, e.metrics, e.epochs) for e in self.history().evaluations}

    def kept(self) -> int:
        """How much of what had been reported is there, unchanged."""
        now = self.results()
        return sum(now.get(which) == result for which, result in self.before.items())

    def best(self) -> object:
        """What the search is for: the best structure that it found."""
        return self.history().best()[0].structure

    def outcome(self) -> dict[Any, Any]:
        """The metrics of every structure, and for the local search the end of every chain: equal for equal searches."""
        history = self.history()
        place = "chain", "iteration"
        outcome: dict[Any, Any] = {
            (*(e.about.get(name) for name in place), *e.structure.values()): e.metrics for e in history.evaluations
        }
        return outcome | {chain: (event["why"], event["structure"]) for chain, event in history.chains.items()}

    def _look(self) -> None:
        """Note when all is done that was at work when the fault struck."""
        if self._struck is not None and self.seconds is None:
            history = self.history()
            given_up = {failure["uid"] for failure in history.failures if not failure["again"]}
            if self._at_work <= {evaluation.uid for evaluation in history.evaluations} | given_up:
                self.seconds = time.monotonic() - self._struck

    def _launch(self, *arguments: str | Path) -> None:
        self.launched = launch(*arguments, environment=self.environment())

    def on_machines(self) -> list[str]:
        """The option that names the machines of its trials, if any."""
        return [] if self.machines is None else ["--machines", str(self.machines)]

    def environment(self) -> dict[str, str]:
        """What all of its processes see."""
        own = {"HOME": self.home, "G2L_DATA_ROOT": self.folder / "data", "G2L_CACHE": self.folder / "cache"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {
            **os.environ,
            **{name: str(value) for name, value in own.items()},
            "PATH": path,
            **self.more_environment,
        }

    def write_config(self) -> Path:
        """Write the experiment's YAML file."""
        path = self.folder / "search.yml"
        path.write_text(yaml.safe_dump(self._config()))
        return path

    def _config(self) -> dict[str, Any]:
        module = f"{TRIALS[self.phase]} {self.more_options}".strip()
        if self.fault is not None:
            module = f"tests.drills.faulty_trial {self.fault} {shlex.quote(str(self.armed))} {module}"
        space = global_space(NETWORK, CANDIDATES) if self.phase == "global" else local_space(NETWORK)
        return {
            "experimentName": f"fault drill, {self.phase}",
            "trialCommand": f"python3 -m {module}",
            "trialCodeDirectory": str(REPOSITORY),
            "trialConcurrency": 2,
            "maxTrialDuration": self.time_limit,
            "searchSpace": to_nni(space),
            "tuner": {
                "className": f"strategies.tuners.{self.phase.title()}Tuner",
                "codeDirectory": str(REPOSITORY),
                "classArgs": {"network": str(NETWORK), **TUNERS[self.phase], **self.more_of_the_tuner},
            },
            "trainingService": {"platform": "local"},
        }
