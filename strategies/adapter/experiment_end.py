"""How a tuner ends its experiment, which NNI 3.0 foresees neither for a finished search nor for a failed tuner."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from common.local_http import NO_ANSWER
from nni_api.manager import NniManager
from nni_api.records import Records

log = logging.getLogger(__name__)

Send = Callable[[int, dict[str, Any]], None]
"""NNI's callback that hands parameters to a worker: (parameter id, parameters)."""


class ExperimentEnd:
    """Ends the experiment exactly once: normally, by capping ``maxTrialNumber``, or with an error."""

    def __init__(self, manager: NniManager, records: Records) -> None:
        self._manager = manager
        self._records = records
        self._reported: str | None = None
        self.started = False
        """Whether the search is finished, and the end is on its way to NNI."""

    def finish(self, send: Send | None) -> None:
        """The search is finished: NNI ends the experiment once its number of trials is reached, so that is set."""
        self.started = True
        self._records.write("done")
        threading.Thread(target=self._limit_trials, args=[send], daemon=True).start()

    def fail(self, message: str, send: Send | None) -> None:
        """Turn the experiment to ERROR: after an exception alone it would stay RUNNING.

        ``send`` is None before NNI first asks for parameters; the message is repeated then.
        """
        if message != self._reported:
            self._reported = message
            try:
                self._records.write("error", message=message)
            except OSError as fault:  # a full disk may be what has failed: NNI must know nevertheless
                log.error("%s: %s", fault.filename, fault.strerror)
        if send is not None:
            # The callback is a method of NNI's dispatcher, which a tuner can reach no other way.
            send.__self__.report_error(message)  # type: ignore[attr-defined]

    def _limit_trials(self, send: Send | None) -> None:
        for attempt in range(1, 21):
            try:
                log.info("the search is finished after %d trials", self._manager.finish())
                return
            except NO_ANSWER as fault:
                log.warning("NNI's manager does not answer (%s), attempt %d", fault, attempt)
                time.sleep(1)
        self.fail("the search is finished, but NNI's manager does not answer", send)
