"""The adapter between a search algorithm and NNI: parameter ids, failures, waiting workers, resume, the end.

NNI 3.0 keeps a worker only if its request is served in the end, reports results and ends of trials on two threads in
either order, never saves a tuner's state, and ends an experiment by the number of trials only. All of that is dealt
with here, so that the algorithms need not know.
"""

from __future__ import annotations

import logging
import threading
import traceback
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Literal

from nni.tuner import Tuner

from common.bad_input import BadInput
from common.local_http import NO_ANSWER
from nas_space.network import Network
from nas_space.networks import tuner_network
from nas_space.networks.ms_tcn import EARLIER_ARGUMENTS
from nni_api.manager import NniManager
from nni_api.records import Records
from nni_api.register import TRIALS_FOLDER
from nni_api.trial_report import TrialReport
from strategies.adapter.assignments import Assignments
from strategies.adapter.data_check import failed_check
from strategies.adapter.experiment_end import ExperimentEnd, Send
from strategies.adapter.failures import NO_RESULT, why_failed
from strategies.adapter.outcomes import Outcomes
from strategies.adapter.state_file import StateFile
from strategies.search import Search

log = logging.getLogger(__name__)

GRACE_SECONDS = 3.0
"""How long after the end of a trial its result may still come."""
LOOK_AGAIN_SECONDS = 5.0


class SearchTuner(Tuner):
    """Runs a ``Search`` as an NNI tuner; a subclass says which one.

    Every parameter set carries its proposal's number as ``_uid``; trials answer with a ``TrialReport``.

    Args:
        network: as ``--network`` of the trials says it.
        earlier: arguments of earlier versions: those that named the network, and others that do nothing any more.
        check_command: a command to run first, from the repository root; if it fails, its message ends the experiment
            before a trial is started.
        retries: how often a proposal is tried again if its trial ended without saying a result, or why there is none.
    """

    phase: Literal["global", "local", "final"]
    """What its experiments are: their records say so."""
    earlier_arguments = EARLIER_ARGUMENTS
    """Arguments of earlier versions that are still accepted."""
    repeats_stated_failures = False
    """Whether a trial that said why it failed is tried again, as one that ended without a word."""

    def __init__(self, network: str, earlier: Mapping[str, int], check_command: str | None, retries: int) -> None:
        super().__init__()
        self._network = (network, earlier)
        self.search: Search | None = None
        self._retries = retries
        self._manager = NniManager()
        folder = Path(self.get_checkpoint_path())
        self._state_file = StateFile(folder)
        self._trials_folder = folder.parent / TRIALS_FOLDER
        self._records = Records(folder)
        self._lock = threading.RLock()
        self._send: Send | None = None
        self._saved: dict[str, Any] | None = None
        self._assignments = Assignments()
        self._outcomes: Outcomes
        self._waiting: deque[int] = deque()  # parameter ids of workers that could not be served yet
        self._looking_again = False
        self._end = ExperimentEnd(self._manager, self._records)
        self._refusal = failed_check(check_command)
        if type(retries) is not int or retries < 0:
            self._refusal = f"retries must be a whole number of at least 0, not {retries!r}"

    @cached_property
    def network(self) -> Network:
        """The network whose dilations are searched. Raises BadInput where there is none such."""
        text, earlier = self._network
        unknown = [name for name in earlier if name not in self.earlier_arguments]
        if unknown:
            raise BadInput(f"{type(self).__name__} has no argument {unknown[0]!r}")
        unused = [name for name in earlier if name not in EARLIER_ARGUMENTS]
        if unused:
            warnings.warn(f"classArgs: {', '.join(unused)} has no effect any more: leave it out", stacklevel=2)
        return tuner_network(text, {name: value for name, value in earlier.items() if name in EARLIER_ARGUMENTS})

    @abstractmethod
    def create_search(self, search_space: Any) -> Search:
        """The search over the space that NNI hands over. Raises BadInput where the space cannot be searched."""

    # Called by NNI, on its command thread.

    def load_checkpoint(self) -> None:
        """NNI resumes the experiment; ``update_search_space`` follows."""
        with self._reporting_errors():
            try:
                self._saved = self._state_file.read()
            except BadInput as fault:
                self._refusal = str(fault)

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
            versions = {"python": python_version(), **{name: version(name) for name in ("nni", "numpy", "torch")}}
            resumed = self._saved is not None
            about = {"phase": self.phase, "resumed": resumed, "refusal": self._refusal, "versions": versions}
            network: dict[str, Any] = {} if self.search is None else {"network": self.network.to_json()}
            self._records.write("started", **about, **network)

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
            # NNI pairs the returned list with the ids by position; earlier workers get theirs one by one.
            self._tell([pair for pair in served if pair[0] not in parameter_id_list])
            return [parameters for parameter_id, parameters in served if parameter_id in parameter_id_list]

    def receive_trial_result(self, _: int, parameters: Any, value: Any, **kwargs: Any) -> None:
        """A trial reported its final result."""
        with self._lock, self._reporting_errors():
            if self.search is not None:
                self._note_report(value, parameters, kwargs.get("trial_job_id"))
                self._serve_and_send()

    def import_data(self, data: list[dict[str, Any]]) -> None:
        """After a resume: the results of all finished trials, and later of those that NNI runs again."""
        with self._lock, self._reporting_errors():
            if self.search is not None:
                for entry in data:
                    self._note_report(entry.get("value"), entry.get("parameter"), entry.get("trialJobId"))
                self._serve_and_send()

    # Called by NNI on another thread, before or after the result of the same trial.

    def trial_end(self, parameter_id: int | None, success: bool, **_: Any) -> None:
        """A trial ended: give its result a moment to come, then look whether it did."""
        self._later(GRACE_SECONDS, lambda: self._note_end(parameter_id, success))

    def _note_end(self, parameter_id: int | None, success: bool) -> None:
        if parameter_id is None:
            self._note_foreign_trials()
        elif parameter_id in self._assignments.running:
            why = (NO_RESULT, None) if success else why_failed(self._manager, parameter_id, self._trials_folder)
            self._end_if(self._outcomes.note_failure(self._assignments.running[parameter_id], *why))
        else:
            return  # its result came before: all is noted, and saved
        self._serve_and_send()

    def _note_foreign_trials(self) -> None:
        """NNI does not hand results of trials that were added on the web page to the tuner: fetch them."""
        try:
            results = self._manager.results_of_added_trials()
        except NO_ANSWER as fault:
            log.warning("NNI's manager does not answer (%s): asked again later", fault)
            self._later(LOOK_AGAIN_SECONDS, lambda: self._note_end(None, True))
            return
        for trial, value in results:
            self._outcomes.note_foreign(TrialReport.from_nni(value, None, trial))

    def _note_report(self, value: Any, parameters: Any, trial: str | None) -> None:
        self._end_if(self._outcomes.note_report(TrialReport.from_nni(value, parameters, trial)))

    def _end_if(self, why: str | None) -> None:
        """End the experiment, if there is a reason to, and it is the first."""
        if why is not None and self._refusal is None:
            self._refusal = f"{why} (trials print to {self._trials_folder / '*' / 'trial.stderr'})"
            self._end.fail(self._refusal, self._send)

    # Proposals

    def _start(self, search: Search) -> None:
        self._outcomes = Outcomes(search, self._assignments, self._records, self._retries, self.repeats_stated_failures)
        if self._saved is not None:
            with self._state_file.refusing_damage():
                search.load_state_dict(self._saved["search"])
                self._outcomes.load_state_dict(self._saved)
        self.search = search

    def _serve(self) -> list[tuple[int, dict[str, Any]]]:
        """Proposals for waiting workers, with their parameter ids; on disk before NNI may know of them."""
        assert self.search is not None
        served = []
        while self._waiting and not self._end.started and self._refusal is None and (uid := self._next()) is not None:
            parameter_id = self._waiting.popleft()
            self._assignments.begin(parameter_id, uid)
            proposal = self.search.proposal(uid)
            served.append((parameter_id, {**proposal.dilations, **proposal.extra, "_uid": uid}))
        for event in self.search.pop_events():
            self._records.write(**event)
        if self.search.finished and not self._end.started and self._refusal is None:
            self._end.finish(self._send)
        self._state_file.write({"search": self.search.state_dict(), **self._outcomes.state_dict()})
        return served

    def _serve_and_send(self) -> None:
        self._tell(self._serve())

    def _tell(self, served: list[tuple[int, dict[str, Any]]]) -> None:
        for parameter_id, parameters in served:
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
        try:
            lost = self._assignments.awaited - self._manager.uids_in_progress()
        except NO_ANSWER as fault:
            log.warning("NNI's manager does not answer (%s): nothing is taken for lost", fault)
            lost = set()
        if not lost:
            self._look_again()
            return None
        self._assignments.awaited.remove(min(lost))
        return min(lost)

    def _look_again(self) -> None:
        def look() -> None:
            self._looking_again = False
            self._serve_and_send()

        if not self._looking_again:
            self._looking_again = True
            self._later(LOOK_AGAIN_SECONDS, look)

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
                return  # before NNI first asks for parameters, there is no way to report an error
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
