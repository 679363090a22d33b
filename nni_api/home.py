"""The machine of NNI's manager, for a trial that runs on another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

MetricKind = Literal["PERIODICAL", "FINAL"]


@dataclass(frozen=True)
class Home:
    """The connection of this trial to the machine of NNI's manager."""

    current: ClassVar[Home | None] = None
    """That of this process; None: NNI's manager runs on this machine."""

    record: dict[str, Any]
    """The parameters of this trial, with their number, as the manager has them."""
    trials: int
    """How many trials share this machine's cores."""
    send_metric: Callable[[MetricKind, int, dict[str, Any]], None]
    """As ``TrialChannel.send``."""
