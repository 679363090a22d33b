"""Ctrl-C and kills while an experiment starts, runs and stops: however impatient the user, nothing of it is left."""

from __future__ import annotations

import signal
from types import TracebackType

from experiments.nni_experiment import Experiment, say


class _AtOnce(BaseException):
    """The user no longer waits for a stop in order. No Exception: nothing on the way may catch it."""


class StopSignals:
    """What Ctrl-C, a kill and a closed terminal do to an experiment, for as long as the block lasts.

    The first stops it in order, as soon as it has started; a second says what is waited for; a third ends its processes
    by their ids. On leaving the block, KeyboardInterrupt is raised if there was a signal, and no other exception was.
    """

    def __init__(self) -> None:
        self._count = 0
        self._raises: type[BaseException] | None = None
        self._waiting_for = "for NNI to start the experiment, which is then stopped"

    def __enter__(self) -> StopSignals:
        for number in _stop_signals():
            signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        for number in _stop_signals():
            signal.signal(number, signal.default_int_handler)
        if fault is None and self._count:
            raise KeyboardInterrupt

    def let_through(self, experiment: Experiment) -> None:
        """The experiment runs: the first signal raises KeyboardInterrupt from now on, or now if it has come before."""
        self._wait_for(experiment)
        self._raises = KeyboardInterrupt
        if self._count:
            raise KeyboardInterrupt

    def stop(self, experiment: Experiment) -> None:
        """Stop an experiment in order; end it by process id for a user who no longer wants to wait."""
        try:
            self._wait_for(experiment)
            self._raises = _AtOnce
            if self._count > 2:
                self._raises = None
                raise _AtOnce
            experiment.stop()
            self._raises = None
        except (_AtOnce, KeyboardInterrupt):
            experiment.kill()

    def _wait_for(self, experiment: Experiment) -> None:
        self._waiting_for = f"for NNI's manager (process {experiment.manager}) to stop experiment {experiment.id}"

    def _handle(self, *_: object) -> None:
        self._count += 1
        raises = self._raises
        # A third interrupts also what has swallowed the first.
        if raises is not None and (self._count > 2 or (self._count == 1 and raises is KeyboardInterrupt)):
            if self._count > 2:
                self._raises = None  # to end processes takes a moment, in which nothing more may interrupt
            raise raises
        more = "; once more ends it at once, by process id" if self._count == 2 else ""
        say(f"waiting {self._waiting_for}{more}")


def stop(experiment: Experiment) -> None:
    """Stop what an earlier command has left of an experiment. Raises KeyboardInterrupt if there was a signal."""
    with StopSignals() as signals:
        signals.stop(experiment)


def _stop_signals() -> list[signal.Signals]:
    """Those that end a command; not SIGHUP where nohup has made it ignored."""
    ignores = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM] + ([] if ignores else [signal.SIGHUP])
