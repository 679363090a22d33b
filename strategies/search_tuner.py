"""The adapter between a search algorithm and NNI: parameter ids, failures, waiting workers, resume, the end.

NNI 3.0 keeps a worker only if its request is served in the end, reports results and ends of trials on two threads in
either order, never saves a tuner's state, and ends an experiment by the number of trials only. All of that is dealt
with here, so that the algorithms need not know.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nni.tuner import Tuner

from nas_space.atomic_file import write_text
from nas_space.bad_input import BadInput
from nas_space.local_http import NO_ANSWER
from nas_space.read_file import read_json
from nas_space.trial_report import TrialReport
from strategies.assignments import Assignments
from strategies.data_check import failed_check
from strategies.experiment_end import ExperimentEnd, Send
from strategies.failures import NO_RESULT, FailuresInARow, why_failed
from strategies.nni_manager import NniManager
from strategies.proposal import Search
from strategies.records import Records

log = logging.getLogger(__name__)

STATE_FILE = "state.json"
GRACE_SECONDS = 3.0
"""How long after the end of a trial its result may still come."""
LOOK_AGAIN_SECONDS = 5.0


class SearchTuner(Tuner):
    """Runs a ``Search`` as an NNI tuner; a subclass says which one.

    Every parameter set carries its proposal's number as ``_uid``; trials answer with a ``TrialReport``.

    Args:
        check_command: a command to run first, from the repository root; if it fails, its message ends the experiment
            before a trial is started.
        retries: how often a proposal is tried again if its trial ended without saying a result, or why there is none.
    """

    repeats_stated_failures = False
    """Whether a trial that said why it failed is tried again, as one that ended without a word."""

    def __init__(self, check_command: str | None, retries: int) -> None:
        super().__init__()
        self.search: Search | None = None
        self._retries = retries
        self._manager = NniManager()
        self._folder = Path(self.get_checkpoint_path())
        self._trials_folder = self._folder.parent / "environments" / "local-env" / "trials"
        self._records = Records(self._folder)
        self._lock = threading.RLock()
        self._send: Send | None = None
        self._saved: dict[str, Any] | None = None
        self._assignments = Assignments()
        self._foreign_trials: set[str] = set()  # trials that somebody added on the web page, and that are noted
        self._failed_trials: set[str] = set()  # trials that said why they failed: NNI reports them again on a resume
        self._waiting: deque[int] = deque()  # parameter ids of workers that could not be served yet
        self._failures = FailuresInARow(succeeded=False)
        self._looking_again = False
        self._end = ExperimentEnd(self._manager, self._records)
        self._refusal = failed_check(check_command)
        if type(retries) is not int or retries < 0:
            self._refusal = f"retries must be a whole number of at least 0, not {retries!r}"

    @abstractmethod
    def create_search(self, search_space: Any) -> Search:
        """The search over the space that NNI hands over. Raises BadInput where the space cannot be searched."""

    @abstractmethod
    def tell(self, search: Any, report: TrialReport) -> bool:
        """Let the search learn from a trial; False if it knows the proposal's outcome already."""

    def inject(self, search: Any, report: TrialReport) -> None:
        """Let the search learn from a trial that somebody added on NNI's web page, if it can."""

    def hints(self) -> dict[str, Any]:
        """What the next trial is told besides its proposal."""
        return {}

    # Called by NNI, on its command thread.

    def load_checkpoint(self) -> None:
        """NNI resumes the experiment; ``update_search_space`` follows."""
        path = self._folder / STATE_FILE
        with self._reporting_errors():
            if path.exists():
                try:
                    self._saved = read_json(path)
                except BadInput as fault:
                    self._refusal = f"{fault}; start a new experiment"

    def update_search_space(self, search_space: Any) -> None:
        """NNI hands over the space: first after the start, and again if somebody edits it on the web page."""
        with self._lock, self._reporting_errors():
            if self.search is not None:
                log.warning("the search space of a running search cannot change: the new one is ignored")
                return
            if self._refusal is None:
                try:
                    self._start(self.create_search(search_space))
                except BadInput as fault:
                    self._refusal = str(fault)
            self._records.write("started", resumed=self._saved is not None, refusal=self._refusal)

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> Any:
        """Not used: NNI calls ``generate_multiple_parameters``."""
        raise NotImplementedError

    def generate_multiple_parameters(
        self, parameter_id_list: list[int], st_callback: Send | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        """Workers are free: parameters for those that can be served now; the others are kept, and served later."""
        with self._lock, self._reporting_errors():
            self._send = st_callback
            if self._refusal is not None:
                self._end.fail(self._refusal, self._send)
                return []
            self._waiting.extend(parameter_id_list)
            served = self._serve()
            # NNI pairs the returned list with the ids by position; workers that came before are told one by one.
            for parameter_id, parameters in served:
                if parameter_id not in parameter_id_list:
                    self._tell(parameter_id, parameters)
            return [parameters for parameter_id, parameters in served if parameter_id in parameter_id_list]

    def receive_trial_result(self, _: int, parameters: Any, value: Any, **kwargs: Any) -> None:
        """A trial reported its final result."""
        with self._lock, self._reporting_errors():
            if self.search is not None:
                self._note_report(TrialReport.from_nni(value, parameters, kwargs.get("trial_job_id")))
                self._serve_and_send()

    def import_data(self, data: list[dict[str, Any]]) -> None:
        """After a resume: the results of all finished trials, and later of those that NNI runs again."""
        with self._lock, self._reporting_errors():
            if self.search is not None:
                for entry in data:
                    self._note_report(
                        TrialReport.from_nni(entry.get("value"), entry.get("parameter"), entry.get("trialJobId"))
                    )
                self._serve_and_send()

    # Called by NNI on another thread, before or after the result of the same trial.

    def trial_end(self, parameter_id: int | None, success: bool, **_: Any) -> None:
        """A trial ended: give its result a moment to come, then look whether it did."""
        self._later(GRACE_SECONDS, lambda: self._note_end(parameter_id, success))

    def _note_end(self, parameter_id: int | None, success: bool) -> None:
        if parameter_id is None:
            self._note_foreign_trials()
        elif parameter_id in self._assignments.running:
            reason, trial = NO_RESULT, None
            if not success:
                reason, trial = why_failed(self._manager, parameter_id, self._trials_folder)
            self._note_failure(self._assignments.running[parameter_id], reason, trial, repeat=True)
        else:
            return  # its result came before: all is noted, and saved
        self._serve_and_send()

    # Results

    def _note_report(self, report: TrialReport) -> None:
        """Note what a trial reports."""
        assert self.search is not None
        if report.uid is None:
            self._note_foreign_report(report)
            return
        structure = self.search.proposal(report.uid).dilations
        if report.structure not in (None, structure):
            raise RuntimeError(f"the trial of proposal {report.uid} reports that it trained {report.structure}")
        if report.failure is not None:
            if report.trial in self._failed_trials:
                return
            self._failed_trials.add(str(report.trial))
            self._note_failure(report.uid, report.failure, report.trial, repeat=self.repeats_stated_failures)
        elif self.tell(self.search, report):
            self._assignments.judged(report.uid)
            self._failures.end()
            self._record_finished(report, structure)

    def _record_finished(self, report: TrialReport, structure: dict[str, int]) -> None:
        self._records.write(
            "finished",
            uid=report.uid,
            trial=report.trial,
            structure=structure,
            metrics=report.metrics,
            epochs=report.epochs,
            seconds=report.seconds,
            **({} if report.probabilities is None else {"probabilities": report.probabilities}),
        )

    def _note_failure(self, uid: int, reason: str, trial: str | None, repeat: bool) -> None:
        """Try a proposal again, or give it up."""
        assert self.search is not None
        if not self.search.is_open(uid) or uid in self._assignments.repeat:
            return
        again = self._assignments.try_again(uid, self._retries if repeat else 0)
        self._records.write("failed", uid=uid, trial=trial, reason=reason, again=again)
        if not again:
            self._assignments.judged(uid)
            self.search.fail(uid)
        end = self._failures.note(uid, reason, again)
        if end is not None and self._refusal is None:
            self._refusal = f"{end} (trials print to {self._trials_folder / '*' / 'trial.stderr'})"
            self._end.fail(self._refusal, self._send)

    def _note_foreign_trials(self) -> None:
        """NNI does not hand results of trials that were added on the web page to the tuner: fetch them."""
        try:
            results = self._manager.results_of_added_trials()
        except NO_ANSWER as fault:
            log.warning("NNI's manager does not answer (%s): asked again later", fault)
            self._later(LOOK_AGAIN_SECONDS, lambda: self._note_end(None, True))
            return
        for trial, value in results:
            self._note_foreign_report(TrialReport.from_nni(value, None, trial))

    def _note_foreign_report(self, report: TrialReport) -> None:
        assert self.search is not None
        if report.trial in self._foreign_trials:
            return
        self._foreign_trials.add(str(report.trial))
        failure = report.failure or ("it does not say what it trained" if report.structure is None else None)
        if failure is not None or report.structure is None:
            self._records.write("failed", uid=None, trial=report.trial, reason=failure, again=False)
        else:
            self.inject(self.search, report)
            self._record_finished(report, report.structure)

    # Proposals

    def _start(self, search: Search) -> None:
        if self._saved is not None:
            try:
                self._load(search, self._saved)
            except BadInput:
                raise
            except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as fault:
                path = self._folder / STATE_FILE
                raise BadInput(f"{path}: damaged ({fault!r}): start a new experiment") from None
        self.search = search

    def _load(self, search: Search, saved: dict[str, Any]) -> None:
        search.load_state_dict(saved["search"])
        self._assignments.attempts = {int(uid): attempts + 0 for uid, attempts in saved["attempts"].items()}
        self._foreign_trials = set(saved["foreign_trials"])
        self._failed_trials = set(saved["failed_trials"])
        self._failures = FailuresInARow(saved["succeeded"])
        for uid in saved.get("reopen", []):
            search.reopen(uid)
        self._assignments.awaited = set(search.pending)

    def _serve(self) -> list[tuple[int, dict[str, Any]]]:
        """Proposals for waiting workers, with their parameter ids; on disk before NNI may know of them."""
        assert self.search is not None
        served = []
        while self._waiting and not self._end.begun and self._refusal is None and (uid := self._next()) is not None:
            parameter_id = self._waiting.popleft()
            self._assignments.begin(parameter_id, uid)
            proposal = self.search.proposal(uid)
            told = {**proposal.dilations, **proposal.extra, **self.hints(), "_uid": uid}
            served.append((parameter_id, told))
        for news in self.search.news():
            self._records.write(**news)
        if self.search.finished and not self._end.begun and self._refusal is None:
            self._end.finish(self._send)
        self._save()
        return served

    def _serve_and_send(self) -> None:
        for parameter_id, parameters in self._serve():
            self._tell(parameter_id, parameters)

    def _tell(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        assert self._send is not None
        self._send(parameter_id, parameters)

    def _next(self) -> int | None:
        """The proposal to try next: one to repeat, a new one, or one that NNI lost over a resume."""
        assert self.search is not None
        if self._assignments.repeat:
            return self._assignments.repeat.popleft()
        proposal = self.search.ask()
        if proposal is not None:
            self._records.write("proposed", uid=proposal.uid, structure=proposal.dilations, **proposal.about)
            return proposal.uid
        if not self._assignments.awaited:
            return None
        lost = self._assignments.awaited - self._uids_in_progress()
        if not lost:
            self._look_again()
            return None
        self._assignments.awaited.remove(min(lost))
        return min(lost)

    def _uids_in_progress(self) -> set[int]:
        try:
            return self._manager.uids_in_progress()
        except NO_ANSWER as fault:
            log.warning("NNI's manager does not answer (%s): nothing is taken for lost", fault)
            return self._assignments.awaited

    def _look_again(self) -> None:
        if not self._looking_again:
            self._looking_again = True
            self._later(LOOK_AGAIN_SECONDS, self._end_looking_again)

    def _end_looking_again(self) -> None:
        self._looking_again = False
        self._serve_and_send()

    def _save(self) -> None:
        assert self.search is not None
        state = {
            "search": self.search.state_dict(),
            "attempts": self._assignments.attempts,
            "foreign_trials": sorted(self._foreign_trials),
            "failed_trials": sorted(self._failed_trials),
            "succeeded": self._failures.succeeded,
            "reopen": self._failures.reopen,
        }
        write_text(self._folder / STATE_FILE, json.dumps(state))

    # Errors and delays

    @contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        """Whatever goes wrong inside ends the experiment; nothing more is noted: a resume begins with what is saved."""
        try:
            yield
        except Exception as fault:
            log.exception("the tuner failed")
            if isinstance(fault, OSError) and fault.filename is not None:
                self._refusal = f"{fault.filename}: {fault.strerror}; mend that, then resume the experiment"
            else:
                self._refusal = f"the tuner failed: {fault!r}\n{traceback.format_exc()}"
            self.search = None
            if self._send is None:
                return  # NNI cannot be told before it first asks for parameters
            self._end.fail(self._refusal, self._send)
            raise

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while, on a thread of its own."""

        def run() -> None:
            with self._lock, self._reporting_errors():
                if self.search is not None:
                    act()

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        timer.start()
