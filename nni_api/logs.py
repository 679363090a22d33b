"""Why an NNI experiment ended, from NNI's own logs: the only source if its tuner could not even start."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

RECORD = re.compile(r"^\[([\d :-]+)\] (.*(?:\n(?!\[[\d :-]+\] ).*)*)", re.MULTILINE)
"""Time and text of a record, which can have several lines."""
DEATH = re.compile(r"ERROR \(nni\.(main|runtime\.msg_dispatcher_base)/.*\n(.*\n)*Traceback")
"""An exception that ended the tuner's process, or the thread in which NNI calls it, which is as bad."""


def why_ended(experiment: Path) -> str | None:
    """What has gone wrong in an experiment since its last start; None if its logs do not say.

    In order of preference: the tuner's last error message to NNI; the exception that the tuner died of; what made NNI's
    manager end the experiment.

    Args:
        experiment: its folder, with ``log/nnimanager.log`` and the tuner's ``log/dispatcher.log``.
    """
    manager = _records(experiment / "log" / "nnimanager.log")
    resumes = [index for index, (_, text) in enumerate(manager) if "(NNIManager) Resuming experiment" in text]
    since = manager[resumes[-1]][0] if resumes else ""
    manager = manager[resumes[-1] :] if resumes else manager
    # NNI's status has a message of its own instead. A traceback is in the tuner's log, too.
    messages = [text.partition("Dispatcher error: ")[2] for _, text in manager]
    stated = [message for message in messages if message and not message.startswith("Traceback")]
    if stated:
        return stated[-1].splitlines()[0]
    tuner = _records(experiment / "log" / "dispatcher.log")
    deaths = [text for time, text in tuner if time >= since and DEATH.match(text) and not _has_lost_manager(text)]
    if deaths:
        return f"the tuner failed: {deaths[-1].rstrip().splitlines()[-1]}"
    for (_, text), (_, change) in pairwise(reversed(manager)):
        if text.rstrip().endswith(" to: ERROR") and change.startswith("ERROR (NNIManager) "):
            return change.splitlines()[0].removeprefix("ERROR (NNIManager) ").removeprefix("Error: ")
    return None


def _has_lost_manager(death: str) -> bool:
    """Whether the tuner ended only because NNI's manager had."""
    return "command_channel" in death


def _records(path: Path) -> list[tuple[str, str]]:
    """The records of a log; none if it cannot be read."""
    try:
        return RECORD.findall(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
