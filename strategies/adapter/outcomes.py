"""What becomes of proposals: the results and the failures of their trials, noted in the search and in the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nni_api.records import Records
from nni_api.trial_report import TrialReport
from strategies.adapter.assignments import Assignments
from strategies.adapter.failures import FailuresInARow
from strategies.search import Search


@dataclass
class Outcomes:
    """Notes each outcome once, however often and in whatever order NNI tells it."""

    search: Search
    assignments: Assignments
    records: Records
    retries: int
    repeats_stated_failures: bool
    foreign_trials: set[str] = field(default_factory=set)
    """Trials that somebody added on the web page, and that are noted."""
    failed_trials: set[str] = field(default_factory=set)
    """Trials that said why they failed: NNI reports them again on a resume."""
    failures: FailuresInARow = field(default_factory=lambda: FailuresInARow(succeeded=False))

    def note_report(self, report: TrialReport) -> str | None:
        """Note what a trial reports; returns why the experiment is to end, if so.

        Raises:
            RuntimeError: it trained another structure than its proposal's.
        """
        if report.uid is None:
            self.note_foreign(report)
            return None
        structure = self.search.proposal(report.uid).dilations
        if structure and report.structure not in (None, structure):
            raise RuntimeError(f"the trial of proposal {report.uid} reports that it trained {report.structure}")
        if report.failure is not None:
            if report.trial in self.failed_trials:
                return None
            self.failed_trials.add(str(report.trial))
            if report.ends_search:
                return self._note_end(report.uid, report.failure, report.trial)
            return self.note_failure(report.uid, report.failure, report.trial, repeat=self.repeats_stated_failures)
        if self.search.tell(report.uid, report):
            self.assignments.settle(report.uid)
            self.failures.end()
            self._record_finished(report, structure or report.structure or {})
        return None

    def note_failure(self, uid: int, reason: str, trial: str | None, repeat: bool = True) -> str | None:
        """Try a proposal again, or give it up; returns why the experiment is to end, if so."""
        if uid not in self.search.ledger.open or uid in self.assignments.repeat:
            return None
        again = self.assignments.try_again(uid, self.retries if repeat else 0)
        self.records.write("failed", uid=uid, trial=trial, reason=reason, again=again)
        if not again:
            self.assignments.settle(uid)
            self.search.ledger.fail(uid)
        return self.failures.note(uid, reason, again)

    def _note_end(self, uid: int, reason: str, trial: str | None) -> str:
        """Note a failure that would be that of every other trial, too: the proposal stays open for a resume."""
        self.records.write("failed", uid=uid, trial=trial, reason=reason, again=True)
        self.assignments.settle(uid)
        return reason

    def note_foreign(self, report: TrialReport) -> None:
        """Note what a trial reports that somebody added on the web page."""
        if report.trial in self.foreign_trials:
            return
        self.foreign_trials.add(str(report.trial))
        failure = report.failure or ("it does not say what it trained" if report.structure is None else None)
        if failure is not None or report.structure is None:
            self.records.write("failed", uid=None, trial=report.trial, reason=failure, again=False)
        else:
            self.search.add_trial(report)
            self._record_finished(report, report.structure)

    def _record_finished(self, report: TrialReport, structure: dict[str, int]) -> None:
        self.records.write(
            "finished",
            uid=report.uid,
            trial=report.trial,
            structure=structure,
            metrics=report.metrics,
            epochs=report.epochs,
            seconds=report.seconds,
            **({} if report.probabilities is None else {"probabilities": report.probabilities}),
        )

    def state_dict(self) -> dict[str, Any]:
        """All of the state as JSON content, but for that of the search."""
        return {
            "attempts": self.assignments.attempts,
            "foreign_trials": sorted(self.foreign_trials),
            "failed_trials": sorted(self.failed_trials),
            "succeeded": self.failures.succeeded,
            "reopen": self.failures.reopen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, after the search has; what was given up in the row that ended it is tried again.

        Raises:
            KeyError, TypeError, ValueError, ...: it is damaged.
        """
        self.assignments.attempts = {int(uid): attempts + 0 for uid, attempts in state["attempts"].items()}
        self.foreign_trials = set(state["foreign_trials"])
        self.failed_trials = set(state["failed_trials"])
        self.failures = FailuresInARow(state["succeeded"])
        for uid in state.get("reopen", []):
            self.search.ledger.reopen(uid)
        self.assignments.awaited = set(self.search.ledger.open)
