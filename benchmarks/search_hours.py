"""The hours of a search, from the seconds of the steps that it consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from trials.data.arguments import SEARCH_FRACTION


@dataclass(frozen=True)
class Workload:
    """A search or a training, as trials of some epochs of one network."""

    what: str
    network: str
    trials: int
    epochs: int
    """Of each trial."""
    validates: bool
    """Whether it is evaluated on held-out videos after every epoch, as searches are."""

    def hours(self, seconds: Mapping[str, float], videos: int, batch_size: int, start: float = 0.0) -> float:
        """One trial after another.

        Args:
            seconds: of a ``NETWORK step``, and of a ``NETWORK prediction`` of one video.
            videos: in the training list of a split, of which a search holds some out.
            start: seconds from the start of a trial's process to its first step.
        """
        held_out = round(videos * SEARCH_FRACTION) if self.validates else 0
        steps = math.ceil((videos - held_out) / batch_size)
        epoch = steps * seconds[f"{self.network} step"] + held_out * seconds[f"{self.network} prediction"]
        return self.trials * (start + self.epochs * epoch) / 3600
