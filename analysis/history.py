"""A search as its tuner recorded it: which structures were tried, what came out, what failed.

NNI's own database can pair trials and parameters wrongly, so it is only asked where an experiment lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas_space.bad_input import BadInput
from strategies.records import RECORDS_FILE, read_records


@dataclass(frozen=True)
class Evaluation:
    """A structure that was trained and judged."""

    uid: int | None
    """Number of the proposal; None for a trial added on NNI's web page."""
    trial: str
    """NNI's id of the trial."""
    structure: dict[str, int]
    """Dilations by short label, as really trained."""
    metrics: dict[str, float]
    """``default`` is what the search maximised."""
    epochs: list[dict[str, float]]
    seconds: float | None
    generation: int | None
    time: float
    """When it was recorded, in seconds since 1970."""


@dataclass
class History:
    """All that the records of one search tell."""

    folder: Path
    evaluations: list[Evaluation] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    """``failed`` events: uid, trial, reason, again (whether it was tried again)."""
    proposed: int = 0
    done: bool = False
    error: str | None = None
    """Why the search ended early."""

    def best(self, count: int = 1) -> list[Evaluation]:
        """The best evaluations by ``default``, the best first; of equals, the earlier. Each structure comes once.

        Raises:
            BadInput: no trial succeeded.
        """
        if not self.evaluations:
            reason = self.error or (self.failures[-1]["reason"] if self.failures else "none has finished yet")
            raise BadInput(f"{self.folder.parent.name}: no successful trial: {reason}")
        different: dict[tuple[tuple[str, int], ...], Evaluation] = {}
        for evaluation in sorted(self.evaluations, key=lambda evaluation: -evaluation.metrics["default"]):
            different.setdefault(tuple(sorted(evaluation.structure.items())), evaluation)
        return list(different.values())[:count]


def read_history(folder: Path) -> History:
    """The history that the records in a folder (``.../EXPERIMENT_ID/checkpoint``) tell.

    Raises:
        BadInput: there are no records.
    """
    path = folder / RECORDS_FILE
    if not path.exists():
        raise BadInput(f"{path}: no records: no search of ours has started there")
    history = History(folder)
    judged: set[int] = set()
    generations: dict[int | None, int | None] = {}
    for event in read_records(path):
        kind = event["event"]
        if kind == "proposed":
            history.proposed += event["uid"] not in generations
            generations[event["uid"]] = event.get("generation")
        elif kind == "finished":
            names = ("uid", "trial", "structure", "metrics", "epochs", "seconds", "time")
            known = {name: event[name] for name in names}
            if event["uid"] in judged:
                continue  # written again after a kill between the record and the tuner's state
            if event["uid"] is not None:
                judged.add(event["uid"])
            history.evaluations.append(Evaluation(**known, generation=generations.get(event["uid"])))
        elif kind == "failed":
            history.failures.append(event)
        elif kind == "done":
            history.done = True
        elif kind == "error":
            history.error = event["message"]
    return history


def find_experiment(experiment: str) -> Path:
    """The folder with the records of an NNI experiment of this user, running, stopped or finished.

    Raises:
        BadInput: NNI knows no experiment of that id.
    """
    # Only this needs NNI, and importing it takes over a second.
    from nni.tools.nnictl.config_utils import Experiments

    known = Experiments().get_all_experiments()
    if experiment not in known:
        raise BadInput(f"unknown experiment {experiment!r}: 'nnictl experiment list --all' shows those of this user")
    return Path(known[experiment]["logDir"]) / experiment / "checkpoint"
