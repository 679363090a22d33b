"""A command that reads a file, and the ways in which that file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bad_input.damages import MISSING, Damage


@dataclass(frozen=True)
class Reader:
    """A command that reads a file."""

    main: Callable[[], None]
    words: tuple[str, ...]
    file: str
    damages: dict[str, Damage]
    names: tuple[str, ...] = ()
    """What a refusal may name instead of the file."""
    may_be_missing: bool = False
    """Whether the work begins anew without the file."""
    code: int = 0
    """How the command ends on the good file."""
    says: dict[str, str] = field(default_factory=dict)
    """What the refusals of some damages say, beside the file."""

    def __post_init__(self) -> None:
        if self.may_be_missing:
            for name in (*MISSING, "a link to itself"):
                self.damages.pop(name, None)
