"""A search, or final trainings, as recorded by the tuner: trainings, results, failures.

NNI's own database is not used: it can pair trials with the wrong parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.bad_input import BadInput, naming
from nas_space.network import Network
from nas_space.networks import ms_tcn, network_from_json
from nni_api.logs import why_ended
from nni_api.records import RECORDS_FILE, read_records
from nni_api.register import registered

CONTENT: dict[str, dict[str, Any]] = {
    "proposed": {"uid": int},
    "finished": {
        "uid": int | None,
        "trial": str | None,
        "structure": dict,
        "metrics": dict,
        "epochs": list,
        "seconds": int | float | None,
        "time": int | float,
    },
    "chain_ended": {"chain": int, "why": str, "structure": dict},
    "failed": {"reason": str, "time": int | float},
    "error": {"message": str},
}
"""The fields that are read of each kind of event."""


@dataclass(frozen=True)
class Evaluation:
    """A structure that was trained and evaluated."""

    uid: int | None
    """Number of the proposal; None for a trial added on NNI's web page."""
    trial: str
    """NNI's id of the trial."""
    structure: dict[str, int]
    """Dilations by short label, as actually trained."""
    metrics: dict[str, float]
    """``default`` is what the search maximised."""
    epochs: list[dict[str, float]]
    seconds: float | None
    probabilities: dict[str, list[float]] | None
    """Learned probabilities of the branches of each layer, by short label; None for a trial without branches."""
    about: dict[str, Any]
    """Origin of the proposal: generation and parents, or chain, iteration and branching; for a final training its
    structure, split and seed."""
    time: float
    """Time of the record, in seconds since 1970."""

    @property
    def epoch_scores(self) -> list[float]:
        """(epochs,): ``default`` after each epoch; empty where the trial did not report it after every one."""
        scores = [epoch["default"] for epoch in self.epochs if _is_finite(epoch.get("default"))]
        return scores if len(scores) == len(self.epochs) else []


@dataclass
class History:
    """The records of one search."""

    folder: Path
    phase: str | None = None
    """``global``, ``local`` or ``final``; None in records of earlier versions, which are of searches."""
    evaluations: list[Evaluation] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    """``failed`` events: uid, trial, reason, again (whether it was retried)."""
    chains: dict[int, dict[str, Any]] = field(default_factory=dict)
    """``chain_ended`` events of a local search, by chain."""
    proposals: dict[int, dict[str, Any]] = field(default_factory=dict)
    """``proposed`` events, by uid."""
    done: bool = False
    error: str | None = None
    """Why the search ended early."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python and the packages, at its start or last resume."""
    described: Network | None = None
    """The network as the tuner described it; None in records of earlier versions."""

    @property
    def network(self) -> Network:
        """The network whose structures were evaluated; for records of earlier versions, that of their labels.

        Raises:
            BadInput: the labels are not those of a network of earlier versions.
        """
        if self.described is not None:
            return self.described
        # A trial added by hand may be of another network.
        own = sorted(self.evaluations, key=lambda evaluation: evaluation.uid is None)
        return ms_tcn.of_labels(own[0].structure if own else {})

    @property
    def proposed(self) -> int:
        """How many structures were proposed."""
        return len(self.proposals)

    def origin(self, uid: int | None) -> dict[str, Any]:
        """What its search said of a proposal, as ``Evaluation.about``; empty for a trial added on NNI's web page."""
        event = {} if uid is None else self.proposals.get(uid, {})
        return {name: event[name] for name in event.keys() - {"event", "uid", "structure", "time"}}

    def scored_structures(self) -> dict[tuple[int, ...], float]:
        """``default`` by the dilations of the network's layers, in order; of a structure trained twice, the first.

        Structures of other networks are left out: a trial added by hand may have one.
        """
        scores: dict[tuple[int, ...], float] = {}
        labels = self.network.paths
        for evaluation in self.evaluations:
            if evaluation.structure.keys() == labels.keys():
                layers = tuple(evaluation.structure[label] for label in labels)
                scores.setdefault(layers, evaluation.metrics["default"])
        return scores

    def best(self, count: int = 1) -> list[Evaluation]:
        """The best evaluations by ``default``, the best first; of equals, the earlier. Each structure comes once.

        Once a chain of a local search has ended, the chains' results count instead: the structure that each ended with,
        by the metrics of its last iteration.

        Raises:
            BadInput: no trial succeeded, or they are final trainings, which find no structure.
        """
        if self.phase == "final":
            done = len(self.evaluations)
            state = f"{done} training{'' if done == 1 else 's'} done{f'; {self.error}' if self.error else ''}"
            raise BadInput(
                f"{self.folder / RECORDS_FILE}: final trainings find no structure ({state}): "
                "'python -m analysis.final OUTPUT' prints their table, OUTPUT as in the trialCommand"
            )
        candidates = self.chain_results() or self.evaluations
        if not candidates:
            reason = self.error or (self.failures[-1]["reason"] if self.failures else "none has finished yet")
            raise BadInput(f"{self.folder / RECORDS_FILE}: no successful trial: {reason}")
        return _different(_ranked(candidates))[:count]

    def chain_results(self) -> list[Evaluation]:
        """The last evaluation of each ended chain, with the structure that the chain ended with."""
        last = {evaluation.about.get("chain"): evaluation for evaluation in self.evaluations}
        return [
            replace(last[chain], structure=event["structure"]) for chain, event in self.chains.items() if chain in last
        ]


def read_history(folder: Path) -> History:
    """Read the records in a folder (``.../EXPERIMENT_ID/checkpoint``).

    Raises:
        BadInput: there are no records, or they are damaged.
    """
    path = folder / RECORDS_FILE
    if not path.exists():
        nothing = "no search of ours has started there, nor a final training but NNI's own"
        raise BadInput(f"{path}: no records: {why_ended(folder.parent) or nothing}")
    history = History(folder)
    finished: set[int] = set()
    for event in read_records(path):
        try:
            _check(event)
        except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
            raise BadInput(f"{path}: damaged: an event {event['event']!r} without its content ({fault!r})") from None
        kind = event["event"]
        if kind == "proposed":
            history.proposals[event["uid"]] = event
        elif kind == "finished":
            names = ("uid", "trial", "structure", "metrics", "epochs", "seconds", "time")
            known = {name: event[name] for name in names} | {"probabilities": event.get("probabilities")}
            if event["uid"] in finished:
                continue  # written again after a kill between the record and the tuner's state
            if event["uid"] is not None:
                finished.add(event["uid"])
            evaluation = Evaluation(**known, about=history.origin(event["uid"]))
            history.evaluations.append(evaluation)
        elif kind == "chain_ended":
            history.chains[event["chain"]] = event
        elif kind == "failed":
            history.failures.append(event)
        elif kind == "started":
            history.done, history.error = False, None
            history.phase = phase if isinstance(phase := event.get("phase"), str) else None
            history.versions = versions if isinstance(versions := event.get("versions"), dict) else {}
            if "network" in event:
                with naming(path):
                    history.described = network_from_json(event["network"])
        elif kind == "done":
            history.done = True
        elif kind == "error":
            history.error = event["message"]
    return history


def _ranked(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """The best first; of equals, the earlier."""
    return sorted(evaluations, key=lambda evaluation: -evaluation.metrics["default"])


def _different(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """The first evaluation of each structure."""
    different: dict[tuple[tuple[str, int], ...], Evaluation] = {}
    for evaluation in evaluations:
        different.setdefault(tuple(sorted(evaluation.structure.items())), evaluation)
    return list(different.values())


def _check(event: dict[str, Any]) -> None:
    """Raise KeyError, TypeError, ValueError or OverflowError for a damaged event."""
    for name, kind in CONTENT.get(event["event"], {}).items():
        if not isinstance(event[name], kind):
            raise TypeError(name)
    if event["event"] == "finished":
        numbers = [event["metrics"]["default"], *event["metrics"].values(), *event["structure"].values()]
        numbers.append(event["seconds"] or 0)
        branches = event.get("probabilities")
        if not isinstance(branches, dict | None):
            raise TypeError("probabilities")
        numbers += [probability for of_layer in (branches or {}).values() for probability in of_layer]
        if not all(map(math.isfinite, numbers)) or not all(isinstance(epoch, dict) for epoch in event["epochs"]):
            raise ValueError("metrics, structure, epochs, seconds or probabilities")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def find_experiment(experiment: str) -> Path:
    """The folder with the records of an NNI experiment of this user, running, stopped or finished.

    Raises:
        BadInput: NNI knows no experiment of that id.
    """
    return registered(experiment).folder / "checkpoint"
