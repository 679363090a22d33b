"""All trials of a search as a CSV table, for tools that know nothing of this project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.history import History
from common.atomic_file import write_text
from common.bad_input import BadInput, naming
from nas_space.budget import multiply_adds
from nas_space.network import Network
from nas_space.receptive_field import ReceptiveField
from nas_space.structure import Structure
from nni_api.records import RECORDS_FILE
from trials.table import csv_text


def trial_rows(history: History) -> list[dict[str, Any]]:
    """One row for each trial that ended, in that order; all have the same columns, and None where nothing is known.

    ``ended`` is in seconds since 1970. A trial that failed has its reason, and the dilations that were proposed. One of
    another network, added by hand, has neither dilations nor a receptive field.

    Raises:
        BadInput: a structure is damaged.
    """
    network = history.network
    rows: list[tuple[float, dict[str, Any]]] = []

    def row(uid: int | None, trial: str | None, state: str, structure: Any) -> dict[str, Any]:
        with naming(f"{history.folder / RECORDS_FILE}, trial {trial}"):
            seen = _structure(structure, network, foreign=uid is None)
        return {"trial": trial, "proposal": uid, "state": state, **_origin(history, uid), **seen}

    for each in history.evaluations:
        scores = {f"default_epoch_{epoch}": score for epoch, score in enumerate(each.epoch_scores, start=1)}
        result = {"seconds": each.seconds, "epochs": len(each.epochs), **each.metrics, **scores}
        rows.append((each.time, {**row(each.uid, each.trial, "succeeded", each.structure), **result}))
    for event in history.failures:
        uid = event["uid"] if type(event.get("uid")) is int else None
        proposed = history.proposals[uid].get("structure") if uid in history.proposals else None
        why = {"reason": event["reason"], "retried": event.get("again")}
        rows.append((event["time"], {**row(uid, event.get("trial"), "failed", proposed), **why}))
    rows.sort(key=lambda timed: timed[0])
    columns = _columns(history, network)
    return [dict.fromkeys(columns) | {"ended": time} | known for time, known in rows]


def write_trial_table(history: History, path: Path) -> None:
    """Write ``trial_rows`` as a CSV file; None is an empty cell. Raises BadInput where no trial has ended."""
    rows = trial_rows(history)
    if not rows:
        raise BadInput(f"{history.folder / RECORDS_FILE}: no trial has ended yet")
    write_text(path, csv_text(rows))


def _structure(dilations: Any, network: Network, foreign: bool) -> dict[str, int]:
    """The dilations by label and what the network sees; empty where a trial has none, or those of another network."""
    if not isinstance(dilations, Mapping) or not dilations or (foreign and dilations.keys() != network.paths.keys()):
        return {}
    structure = Structure.from_labels(dilations, network)
    seen = ReceptiveField.of(structure).network
    frames = {"past_frames": seen.past, "future_frames": seen.future, "receptive_field": seen.frames}
    return {**structure.by_label(), **frames, "multiply_adds": multiply_adds(structure)}


def _origin(history: History, uid: int | None) -> dict[str, Any]:
    """Where a proposal comes from; lists, as of parents, as words."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in history.origin(uid).items()
    }


def _columns(history: History, network: Network) -> list[str]:
    evaluations = history.evaluations
    origins = sorted(_names(history.origin(uid) for uid in history.proposals))
    epochs = range(1, max((len(each.epoch_scores) for each in evaluations), default=0) + 1)
    return [
        *("trial", "proposal", "ended", "state", "reason", "retried"),
        *origins,
        *network.paths,
        *("past_frames", "future_frames", "receptive_field", "multiply_adds"),
        *_names(each.metrics for each in evaluations),
        *("seconds", "epochs"),
        *(f"default_epoch_{epoch}" for epoch in epochs),
    ]


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all rows, each once, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))
