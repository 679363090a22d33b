"""What a search hands out, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Proposal:
    """One structure to try."""

    uid: int
    """Number of the proposal: unique within a search, 0, 1, 2, ..."""
    dilations: dict[str, int]
    """By short label, as trials receive them."""
    about: dict[str, Any]
    """Where it comes from (generation and parents, or chain and iteration), for the records."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further parameters of the trial."""


@dataclass
class Ledger:
    """The life of every proposal of a search: open at first, then evaluated, or failed.

    A failed proposal may be reopened, and a late result counts; an evaluated one stays evaluated.
    """

    size: int = 0
    """How many proposals there are: their numbers are 0 to ``size - 1``."""
    open: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    @classmethod
    def restore(cls, size: int, evaluated: Iterable[int], failed: Iterable[int]) -> Ledger:
        """The ledger of a saved search: what is neither evaluated nor failed is open.

        Raises:
            ValueError, TypeError: the state is damaged.
        """
        ledger = cls(size, set(range(size)), set(failed))
        for uid in (*evaluated, *ledger.failed):
            ledger.check(uid)
            ledger.open.discard(uid)
        return ledger

    def add(self) -> int:
        """The number of a new proposal, which is open."""
        self.open.add(self.size)
        self.size += 1
        return self.size - 1

    def check(self, uid: int) -> None:
        """Raises ValueError where there is no proposal of that number."""
        if type(uid) is not int or not 0 <= uid < self.size:
            raise ValueError(f"there is no proposal {uid!r}")

    def evaluate(self, uid: int) -> bool:
        """A proposal has its result; False if it had one before. Raises ValueError where there is no such proposal."""
        self.check(uid)
        if uid not in self.open and uid not in self.failed:
            return False
        self.open.discard(uid)
        self.failed.discard(uid)
        return True

    def fail(self, uid: int) -> None:
        """A proposal could not be evaluated. One that is not open stays what it is."""
        if uid in self.open:
            self.open.remove(uid)
            self.failed.add(uid)

    def reopen(self, uid: int) -> None:
        """A failed proposal is to be tried again."""
        if uid in self.failed:
            self.failed.remove(uid)
            self.open.add(uid)

    @property
    def evaluated(self) -> list[int]:
        """Proposals that have their result, in order."""
        return [uid for uid in range(self.size) if uid not in self.open and uid not in self.failed]
