"""What a tuner asks NNI's manager over its REST interface, because NNI does not pass it to tuners."""

from __future__ import annotations

import json
import os
from typing import Any

from common.local_http import get_json, put_json

REST_PATH = "/api/v1/nni"
"""Path of the manager's REST interface."""

UNFINISHED = ("WAITING", "RUNNING", "UNKNOWN", "ADD_RESUMED")
"""States of a trial that has not ended; the last one: NNI will run it again after a resume."""


class NniManager:
    """The manager of the experiment that this tuner belongs to."""

    def __init__(self, command_channel: str | None = None) -> None:
        channel = command_channel or os.environ["NNI_TUNER_COMMAND_CHANNEL"]
        self._url = channel.replace("ws://", "http://", 1).removesuffix("/tuner") + REST_PATH

    def trial_jobs(self) -> list[dict[str, Any]]:
        """All trials of the experiment, as NNI lists them."""
        return self._get("/trial-jobs")

    def latest_job(self, parameter_id: int) -> dict[str, Any] | None:
        """The latest trial with these parameters, whose ids can restart with a resume; None if there is none."""
        jobs = reversed(self.trial_jobs())
        return next((job for job in jobs if _record(job).get("parameter_id") == parameter_id), None)

    def uids_in_progress(self) -> set[int]:
        """The proposals with a waiting or running trial."""
        records = [_record(job) for job in self.trial_jobs() if job.get("status") in UNFINISHED]
        return {record["parameters"]["_uid"] for record in records if "_uid" in record.get("parameters", {})}

    def results_of_added_trials(self) -> list[tuple[str, Any]]:
        """Trial id and final result (None: it has none) of every trial that was added on the web page."""
        results = []
        for job in self.trial_jobs():
            added = _record(job).get("parameter_id", 0) is None
            if added and job.get("status") not in UNFINISHED:
                data = job.get("finalMetricData")
                results.append((job["trialJobId"], json.loads(json.loads(data[0]["data"])) if data else None))
        return results

    def finish(self) -> int:
        """Let the experiment end with its submitted trials: NNI ends one only by its number of trials."""
        submitted = max(1, len(self.trial_jobs()))
        self._update("MAX_TRIAL_NUM", maxTrialNumber=submitted)
        return submitted

    def set_concurrency(self, trials: int) -> None:
        """Let so many trials run side by side from now on."""
        self._update("TRIAL_CONCURRENCY", trialConcurrency=trials)

    def _update(self, kind: str, **settings: Any) -> None:
        profile = self._get("/experiment")
        profile["params"] |= settings
        put_json(f"{self._url}/experiment?update_type={kind}", profile)

    def _get(self, path: str) -> Any:
        return get_json(self._url + path)


def _record(job: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a trial with their number; empty before the manager has written them."""
    texts = job.get("hyperParameters")
    return dict(json.loads(texts[0])) if texts else {}
