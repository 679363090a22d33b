"""Who works on what: the bookkeeping between a search's proposals and NNI's trials."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Assignments:
    """Proposals at work, to be repeated, or run again by NNI itself after a resume."""

    running: dict[int, int] = field(default_factory=dict)
    """Parameter id -> proposal; of this session only, as NNI's ids can restart."""
    repeat: deque[int] = field(default_factory=deque)
    """Proposals whose trial ended without a result."""
    awaited: set[int] = field(default_factory=set)
    """Proposals that ran when the experiment stopped. NNI runs them again, but is silent if that fails."""
    attempts: dict[int, int] = field(default_factory=dict)
    """How often each open proposal was handed out."""

    def begin(self, parameter_id: int, uid: int) -> None:
        """A proposal is handed out."""
        self.running[parameter_id] = uid
        self.attempts[uid] = self.attempts.get(uid, 0) + 1

    def release(self, uid: int) -> None:
        """Nobody works on a proposal any more, as far as we know."""
        self.awaited.discard(uid)
        self.running = {parameter_id: other for parameter_id, other in self.running.items() if other != uid}
        if uid in self.repeat:
            self.repeat.remove(uid)

    def settle(self, uid: int) -> None:
        """A proposal has its result, or was given up."""
        self.release(uid)
        self.attempts.pop(uid, None)

    def try_again(self, uid: int, retries: int) -> bool:
        """Note a proposal to be repeated; False if it was tried ``retries`` times more than once already."""
        self.release(uid)
        if self.attempts.get(uid, 1) > retries:
            return False
        self.repeat.append(uid)
        return True
