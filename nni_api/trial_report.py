"""The final result of a trial, the one message whose format trials and tuners share.

NNI can pair a result with the parameters of another trial, so the message itself says which proposal was trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from common.bad_input import BadInput, KnownFailure

CANDIDATES = "_candidates"
"""The parameter with the candidate dilations of each layer, by short label, for trials of a differentiable search."""
LIMITS = "_limits"
"""The parameter with the limits on what a structure may cost, as a text for ``Budget.parse``, for the same trials."""

EARLIER = "_earlier"
"""The parameter with the dilations of all earlier iterations of a chain, as ``{"0": "1 2 4", "1": "1 3 4"}``.

All trials of a chain have it, and it is an object: NNI's page draws an axis of it, which would have a label for each
text, and interrupts the lines of trials without it; of objects it only says ``[object Object]``.
"""


@dataclass(frozen=True)
class TrialReport:
    """The outcome of one trial: metrics, or the reason of its failure."""

    uid: int | None = None
    """Number of the proposal, as its parameters carry it in ``_uid``; None for a trial added on NNI's web page."""
    trial: str | None = None
    """NNI's id of the trial."""
    structure: dict[str, int] | None = None
    """Dilations by short label, as trained or as found by the trial."""
    metrics: dict[str, float] = field(default_factory=dict)
    """``default`` (the objective of NNI and the tuner) and the metrics that it is computed from."""
    epochs: list[dict[str, float]] = field(default_factory=list)
    """The metrics after each epoch."""
    seconds: float | None = None
    probabilities: dict[str, list[float]] | None = None
    """Learned branch probabilities of each layer, by short label, if the network has branches."""
    failure: str | None = None
    """Why there are no metrics."""
    ends_search: bool = False
    """Whether every other trial would fail in the same way."""

    def to_nni(self, found: bool = False) -> dict[str, Any]:
        """As a final result for NNI: numbers as flat entries, the rest as one object.

        NNI's page draws one axis per entry and can hide none. A string axis covers the others with its tick labels, one
        per trial. An object axis shows one short label, ``[object Object]``, but its lines, and those of the axis
        before it (seconds), are not drawn.

        Args:
            found: the trial found its structure itself: its parameters have no dilations, so the result shows them.
        """
        trained = {
            "trial": self.trial,
            "structure": self.structure,
            "epochs": self.epochs,
            "probabilities": self.probabilities,
            "failure": self.failure,
            **({"ends_search": True} if self.ends_search else {}),
        }
        shown = (self.structure or {}) if found else {}
        return {**shown, **self.metrics, "_uid": self.uid, "_sec": self.seconds, "_trained": trained}

    @classmethod
    def from_nni(cls, value: Any, parameters: Any, trial: str | None) -> TrialReport:
        """From a final result as a tuner receives it, with the parameters and the trial that NNI pairs it with.

        A trial that reports a plain number, or a dict without our fields, counts as having trained these parameters.
        A ``default`` that is not a finite number is a failure.
        """
        own = value if isinstance(value, dict) else {"default": value}
        uid = own["_uid"] if "_uid" in own else parameters.get("_uid") if isinstance(parameters, dict) else None
        # A user's own trial command may report anything.
        trained = own["_trained"] if isinstance(own.get("_trained"), dict) else {}
        fitness, failure = own.get("default"), trained.get("failure")
        structure = trained.get("structure")
        no_metrics = structure.keys() if isinstance(structure, dict) else ()
        if failure is None and not _is_finite(fitness):
            failure = f"the reported result is no finite number: {fitness!r}"
        return cls(
            uid=uid,
            trial=trained.get("trial") or trial,
            structure=structure,
            metrics={
                name: number
                for name, number in own.items()
                if name[0] != "_" and name not in no_metrics and _is_finite(number)
            }
            if failure is None
            else {},
            epochs=trained.get("epochs") or [],
            seconds=own.get("_sec"),
            probabilities=trained.get("probabilities"),
            failure=failure,
            ends_search=failure is not None and trained.get("ends_search") is True,
        )


def reason_of(fault: Exception) -> str:
    """Why a trial failed, as its report says it."""
    if isinstance(fault, OSError) and fault.filename is not None:
        return f"{fault.filename}: {fault.strerror}"
    if isinstance(fault, BadInput | KnownFailure):
        return str(fault)
    return f"{type(fault).__name__}: {fault}"


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
