"""NNI as a tuner meets it, without processes, threads and waiting."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nni_api.manager import NniManager
from nni_api.records import RECORDS_FILE, read_records
from nni_api.trial_report import TrialReport
from strategies.adapter import search_tuner
from strategies.adapter.search_tuner import GRACE_SECONDS, SearchTuner
from strategies.adapter.state_file import STATE_FILE

CANDIDATES = (1, 2, 4)
LABELS = ("s1l0", "s1l1", "s1l2")
SPACE = {label: {"_type": "choice", "_value": list(CANDIDATES)} for label in LABELS}


@dataclass
class Trial:
    """A trial that NNI started."""

    name: str
    parameter_id: int | None
    """None if somebody added it on the web page."""
    parameters: dict[str, Any]
    status: str = "RUNNING"
    result: Any = None
    resumed: bool = False
    """Whether NNI runs it again after a resume: then it hands its result over as imported data, and no end."""

    @property
    def uid(self) -> int | None:
        return self.parameters.get("_uid")

    @property
    def structure(self) -> dict[str, int]:
        return {label: value for label, value in self.parameters.items() if not label.startswith("_")}

    def report(self, fitness: float) -> dict[str, Any]:
        """The final result of a good trial."""
        return TrialReport(self.uid, self.name, self.structure, {"default": fitness}, seconds=1.0).to_nni()

    def job(self) -> dict[str, Any]:
        """The trial as NNI's REST interface lists it."""
        packed = json.dumps({"parameter_id": self.parameter_id, "parameters": self.parameters})
        listed: dict[str, Any] = {"trialJobId": self.name, "status": self.status, "hyperParameters": [packed]}
        if self.result is not None:
            listed["finalMetricData"] = [{"data": json.dumps(json.dumps(self.result))}]
        return listed


class FakeNni:
    """NNI's manager and dispatcher in one: starts trials as workers get free, and calls the tuner as NNI 3.0 does.

    Time passes in ``wait`` only, and threads run at once where they are started.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, workers: int = 2) -> None:
        self.folder = folder
        self.workers = workers
        self.trials: list[Trial] = []
        self.errors: list[str] = []
        self.endings = 0
        self.tuner: SearchTuner
        self._queue: deque[tuple[int, dict[str, Any]]] = deque()
        self._next_id = 0
        self._clock = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        patch.setenv("NNI_CHECKPOINT_DIRECTORY", str(folder))
        patch.setenv("NNI_TUNER_COMMAND_CHANNEL", "ws://localhost:1/tuner")
        patch.setattr(NniManager, "trial_jobs", lambda _: [trial.job() for trial in self.trials])
        patch.setattr(NniManager, "finish", lambda _: self._finish())
        threads = {"RLock": threading.RLock, "Timer": self._timer, "Thread": self._thread}
        patch.setattr(search_tuner, "threading", SimpleNamespace(**threads))

    # The manager

    def start(self, tuner: SearchTuner, space: Any = SPACE) -> None:
        """Start the experiment."""
        self.tuner = tuner
        tuner.update_search_space(space)
        self.request(self.workers)

    def resume(self, tuner: SearchTuner, space: Any = SPACE, ask: bool = True) -> None:
        """Stop, and resume with a new tuner: what was not started is forgotten, what ran is run again.

        NNI asks for as many proposals more as there are workers, and starts them when the old trials ended.
        """
        self.tuner = tuner
        self._queue.clear()
        self._timers.clear()
        self._next_id = self.endings = 0
        for trial in self.running:
            trial.resumed = True
        tuner.load_checkpoint()
        tuner.update_search_space(space)
        finished = [trial for trial in self.trials if trial.result is not None]
        tuner.import_data([{"parameter": t.parameters, "value": t.result, "trialJobId": t.name} for t in finished])
        if ask:
            self.request(self.workers)

    def add(self, **parameters: int) -> Trial:
        """Somebody adds a trial on the web page."""
        self.trials.append(Trial(f"trial{len(self.trials)}", None, parameters))
        return self.trials[-1]

    @property
    def running(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == "RUNNING"]

    def report(self, trial: Trial, result: Any) -> None:
        """A trial reports a final result."""
        result = json.loads(json.dumps(result))
        trial.result = result
        if trial.parameter_id is None:
            return  # NNI does not tell the tuner
        if trial.resumed:
            self.tuner.import_data([{"parameter": trial.parameters, "value": result}])
        else:
            self.tuner.receive_trial_result(
                trial.parameter_id, trial.parameters, result, customized=False, trial_job_id=trial.name
            )

    def end(self, trial: Trial, success: bool = True) -> None:
        """The process of a trial ends; its worker is free."""
        trial.status = "SUCCEEDED" if success else "FAILED"
        if not trial.resumed or trial.parameter_id is None:
            self.tuner.trial_end(trial.parameter_id, success)
        self.request(1)

    def complete(self, trial: Trial, fitness: float = 1.0) -> None:
        """A trial does all that it should."""
        self.report(trial, trial.report(fitness))
        self.end(trial)

    def crash(self, trial: Trial) -> None:
        """A trial dies, and the time in which its result may still come is over."""
        self.end(trial, success=False)
        self.wait()

    def wait(self, seconds: float = GRACE_SECONDS) -> None:
        """Let time pass."""
        self._clock += seconds
        due = [timer for timer in self._timers if timer[0] <= self._clock]
        self._timers = [timer for timer in self._timers if timer[0] > self._clock]
        for _, note in due:
            note()

    # The dispatcher

    def request(self, workers: int) -> None:
        """Ask for parameters for free workers, under new ids."""
        ids = list(range(self._next_id, self._next_id + workers))
        self._next_id += workers
        parameters = self.tuner.generate_multiple_parameters(ids, st_callback=self.send_trial_callback)
        assert len(parameters) <= workers
        for parameter_id, content in zip(ids, parameters, strict=False):
            self.send_trial_callback(parameter_id, content)
        self._run_queue()

    def send_trial_callback(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        self._queue.append((parameter_id, json.loads(json.dumps(parameters))))
        self._run_queue()

    def report_error(self, message: str) -> None:
        self.errors.append(message)

    # What the tuner wrote

    def records(self, *kinds: str) -> list[dict[str, Any]]:
        """The recorded events of some kinds, or all."""
        events = read_records(self.folder / RECORDS_FILE)
        return [event for event in events if not kinds or event["event"] in kinds]

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / STATE_FILE).read_text(encoding="utf-8"))

    def _run_queue(self) -> None:
        while self._queue and len(self.running) < self.workers:
            self.trials.append(Trial(f"trial{len(self.trials)}", *self._queue.popleft()))

    def _finish(self) -> int:
        self.endings += 1
        return len(self.trials)

    def _timer(self, seconds: float, note: Callable[[], None]) -> SimpleNamespace:
        return SimpleNamespace(start=lambda: self._timers.append((self._clock + seconds, note)))

    @staticmethod
    def _thread(target: Callable[[], None], daemon: bool) -> SimpleNamespace:
        assert daemon, "NNI could not stop the tuner"
        return SimpleNamespace(start=target)
