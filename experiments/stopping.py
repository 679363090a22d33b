"""Ctrl-C and other signals while an experiment starts, runs and stops: no process of it is left behind."""

from __future__ import annotations

import signal
from types import TracebackType

from experiments.nni_experiment import Experiment, say


class _AtOnce(BaseException):
    """The user no longer waits for an orderly stop. Not an Exception, which callers might catch."""


class StopSignals:
    """Handles SIGINT, SIGTERM and SIGHUP for an experiment while the block runs.

    The first stops it in order, as soon as it has started; the second prints what is pending; the third kills its
    processes by id. On leaving the block, KeyboardInterrupt is raised if there was a signal and no other exception.
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
        """The experiment runs: the first signal raises KeyboardInterrupt from now on, or now if it came before."""
        self._wait_for(experiment)
        self._raises = KeyboardInterrupt
        if self._count:
            raise KeyboardInterrupt

    def stop(self, experiment: Experiment) -> None:
        """Stop an experiment in order; kill it by process id after a third signal."""
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
        # A third also interrupts code that has swallowed the first.
        if raises is not None and (self._count > 2 or (self._count == 1 and raises is KeyboardInterrupt)):
            if self._count > 2:
                self._raises = None  # killing takes a moment and must not be interrupted
            raise raises
        more = "; once more ends it at once, by process id" if self._count == 2 else ""
        say(f"waiting {self._waiting_for}{more}")


def stop(experiment: Experiment) -> None:
    """Stop the remains of an experiment of an earlier command. Raises KeyboardInterrupt if there was a signal."""
    with StopSignals() as signals:
        signals.stop(experiment)


def _stop_signals() -> list[signal.Signals]:
    """Those that end a command; without SIGHUP under nohup."""
    ignores = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM] + ([] if ignores else [signal.SIGHUP])
