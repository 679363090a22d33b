"""What a tuner asks of NNI's manager over its REST interface, which tuners are not given otherwise."""

from __future__ import annotations

import json
import os
from typing import Any

from common.local_http import get_json, put_json

REST_PATH = "/api/v1/nni"
"""Of the REST interface of NNI's manager, after its address."""

UNFINISHED = ("WAITING", "RUNNING", "UNKNOWN", "ADD_RESUMED")
"""States of a trial that has not ended; the last is that of a trial that NNI will run again after a resume."""


class NniManager:
    """The manager of the experiment that this tuner belongs to."""

    def __init__(self, command_channel: str | None = None) -> None:
        channel = command_channel or os.environ["NNI_TUNER_COMMAND_CHANNEL"]
        self._url = channel.replace("ws://", "http://", 1).removesuffix("/tuner") + REST_PATH

    def trial_jobs(self) -> list[dict[str, Any]]:
        """All trials of the experiment, as NNI lists them."""
        return self._get("/trial-jobs")

    def latest_job(self, parameter_id: int) -> dict[str, Any] | None:
        """The latest trial of those parameters, whose ids can restart with a resume; None where there is none."""
        for job in reversed(self.trial_jobs()):
            if job.get("hyperParameters") and json.loads(job["hyperParameters"][0])["parameter_id"] == parameter_id:
                return job
        return None

    def uids_in_progress(self) -> set[int]:
        """The proposals that NNI has trials of, waiting or running."""
        uids = set()
        for job in self.trial_jobs():
            if job.get("status") in UNFINISHED and job.get("hyperParameters"):
                uids.add(json.loads(job["hyperParameters"][0])["parameters"].get("_uid"))
        return uids - {None}

    def results_of_added_trials(self) -> list[tuple[str, Any]]:
        """Trial id and final result of every trial that somebody added on the web page (None: it has none)."""
        results = []
        for job in self.trial_jobs():
            added = job.get("hyperParameters") and json.loads(job["hyperParameters"][0])["parameter_id"] is None
            if added and job.get("status") not in UNFINISHED:
                data = job.get("finalMetricData")
                results.append((job["trialJobId"], json.loads(json.loads(data[0]["data"])) if data else None))
        return results

    def finish(self) -> int:
        """Let the experiment end once the submitted trials have: NNI does so by the number of trials only."""
        profile = self._get("/experiment")
        submitted = max(1, len(self.trial_jobs()))
        profile["params"]["maxTrialNumber"] = submitted
        put_json(f"{self._url}/experiment?update_type=MAX_TRIAL_NUM", profile)
        return submitted

    def _get(self, path: str) -> Any:
        return get_json(self._url + path)
