"""What a trial tells the tuner with its final result: the one message that both sides must agree on.

NNI can pair a result with the parameters of another trial, so a trial says itself which proposal it trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

CANDIDATES = "_candidates"
"""The parameter that tells the trials of a differentiable search what each layer chooses among, by short label."""


@dataclass(frozen=True)
class TrialReport:
    """The outcome of one trial: metrics, or why there are none."""

    uid: int | None = None
    """Number of the proposal, as its parameters carry it in ``_uid``; None for a trial added on NNI's web page."""
    trial: str | None = None
    """NNI's id of the trial."""
    structure: dict[str, int] | None = None
    """Dilations by short label, as really trained, or found."""
    metrics: dict[str, float] = field(default_factory=dict)
    """``default`` (what NNI and the tuner go by) and the metrics that it comes from."""
    epochs: list[dict[str, float]] = field(default_factory=list)
    """The metrics after each epoch."""
    seconds: float | None = None
    probabilities: dict[str, list[float]] | None = None
    """Learned probabilities of the branches of each layer, by short label: of trials whose networks have branches."""
    failure: str | None = None
    """Why there is no result."""
    ends_search: bool = False
    """Whether the failure would be that of every other trial, too."""

    def to_nni(self, found: bool = False) -> dict[str, Any]:
        """As a final result for NNI: the numbers, flat, and the rest as one object.

        NNI's page draws one axis per entry, and can hide none. A string axis hides the others behind its tick labels,
        one a trial. An object axis shows one short label, ``[object Object]``, but its lines, and those of the axis
        before it (seconds), are not drawn.

        Args:
            found: the trial found its structure, so that no parameters show the dilations: the result does.
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
        """From a final result as NNI hands it to a tuner, with the parameters and the trial that NNI pairs it with.

        A trial command that reports a plain number, or a dict without our fields, is believed to have trained the
        parameters. A ``default`` that is no finite number is a failure.
        """
        own = value if isinstance(value, dict) else {"default": value}
        uid = own["_uid"] if "_uid" in own else parameters.get("_uid") if isinstance(parameters, dict) else None
        # A trial command of the user's own may say anything.
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


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
