"""The final training of a small run, as a fault drill sees it: started by the pipeline, as a user does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from common.read_file import read_json
from tests.drills.drilled_search import DrilledSearch, Phase
from tests.drills.nni_home import REPOSITORY, Kind, find

SEEDS = ("0", "1", "2", "3")
COMMAND = ("-m", "experiments.pipeline", "--dataset", "demo", "--phases", "final", "--seeds", *SEEDS)


@dataclass
class DrilledFinal(DrilledSearch):
    """The final training of ``hand`` on the demo's split with four seeds, two at a time."""

    phase: Phase = "final"
    command: tuple[str, ...] = COMMAND
    """Of the pipeline."""

    def start(self) -> None:
        """Start the pipeline: the first time, and again after a fault."""
        environment = {**self.environment(), "PYTHONPATH": str(REPOSITORY)}
        self.launched = subprocess.Popen(
            [sys.executable, *self.command, *self.on_machines()],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    resume = start

    def kill(self, *kinds: Kind) -> None:
        """kill -9 of the pipeline, and of the processes of these kinds."""
        assert self.launched is not None
        for process in [psutil.Process(self.launched.pid), *find(self.home, *kinds)]:
            process.kill()

    def results(self) -> dict[Any, Any]:
        """What is trained to the end, by folder: when that was, and what came out."""
        paths = sorted(self._output().glob("*/split*/seed*/metrics.json"))
        return {str(path.parent.relative_to(self._output())): (path.stat().st_mtime_ns, told(path)) for path in paths}

    def outcome(self) -> dict[Any, Any]:
        """What came out of every training: equal for equal final trainings."""
        return {place: told for place, (_, told) in self.results().items()}

    def best(self) -> object:
        """What a final training is for: all that was asked for."""
        return self.outcome().keys()

    def trials(self) -> int:
        """How many trials NNI has started so far, not counting those that it ran again."""
        experiment = self.home / "nni-experiments" / self.id()
        return len(list(experiment.glob("environments/local-env/trials/*")))

    def _output(self) -> Path:
        return self.folder / "runs" / "demo" / "final"


def told(path: Path) -> dict[str, Any]:
    """The content of a metrics.json but for the seconds."""
    content = read_json(path)
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in content["history"]]
    return {name: value for name, value in content.items() if name != "seconds"} | {"history": history}
