"""Budget: how far the structures of a search may see. All searches ask here whether a structure keeps it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from common.bad_input import BadInput
from nas_space.network import Network
from nas_space.receptive_field import Extent, ReceptiveField, block_reaches
from nas_space.structure import Structure

EXAMPLES = "500, 33s, or network=500,stage=120,past=20s,future=2s; where the rate is not known, 33s@15"

Choose = Callable[[Mapping[str, Sequence[int]], Mapping[str, int]], tuple[str, int]]
"""Which layer is shortened next, and to which dilation: chosen from smaller candidates (rising), by label.

Is also given the dilations of all layers, by label.
"""


@dataclass(frozen=True)
class Budget:
    """Limits on what a network sees, in frames as it reads them; None: no limit.

    Where a network looks both ways, half of what it sees beside its own frame is past and half is future.
    """

    network: int | None = None
    """Frames that the last output sees, its own included."""
    stage: int | None = None
    """Frames that each block sees alone, its own included."""
    past: int | None = None
    """Frames before its own that the last output sees."""
    future: int | None = None
    """Frames after its own that the last output sees."""

    @classmethod
    def add_argument(cls, parser: argparse.ArgumentParser) -> None:
        """Add ``--max-context``, a text for ``parse``."""
        parser.add_argument("--max-context", metavar="FRAMES", help=f"how far a structure may see: {EXAMPLES}")

    @classmethod
    def parse(cls, value: Any, fps: float | None = None) -> Budget:
        """The budget that ``max_context`` or ``--max-context`` says; None is no limit.

        Args:
            value: such as 500, ``"33s"`` or ``"network=500,stage=120,past=20s,future=2s"``.
            fps: frames per second as the network reads them, for seconds that do not name their rate (``33s@15``).

        Raises:
            BadInput: it says no budget, or seconds of an unknown rate.
        """
        if value is None:
            return cls()
        limits: dict[str, int] = {}
        for word in str(value).split(","):
            name, _, number = word.rpartition("=")
            name = name.strip() or "network"
            if name not in {each.name for each in fields(cls)} or name in limits:
                raise BadInput(f"max_context {value!r}: write {EXAMPLES}")
            least = 0 if name in ("past", "future") else 1
            limits[name] = _frames(number.strip(), fps, least, value)
        return cls(**limits)

    def exceeded(self, structure: Structure) -> set[str]:
        """Labels of the layers that together see too far: none where the structure keeps the budget."""
        if self == NO_LIMITS:
            return set()
        field = ReceptiveField.of(structure)
        if not self._network_keeps(field.network):
            return set(structure.network.paths)
        if self.stage is None:
            return set()
        return {
            layer.label
            for block, seen in zip(structure.network.blocks, field.blocks, strict=True)
            if seen.frames > self.stage
            for layer in block.layers
        }

    def _network_keeps(self, seen: Extent) -> bool:
        limits = ((self.network, seen.frames), (self.past, seen.past), (self.future, seen.future))
        return all(limit is None or value <= limit for limit, value in limits)

    def excess(self, network: Network, dilations: Sequence[Any]) -> list[Any]:
        """By which share each limit is exceeded: 0.5 for 150 frames of 100; below 0 where it is kept.

        Args:
            dilations: (layers,): numbers, or tensors of one number each.
        """
        blocks = block_reaches(network, dilations)
        reach = sum(blocks[1:], blocks[0])
        past, future = (reach, 0 * reach) if network.causal else (reach / 2, reach / 2)
        seen = [(self.network, reach + 1), (self.past, past), (self.future, future)]
        seen += [(self.stage, of_block + 1) for of_block in blocks]
        return [(frames - limit) / max(limit, 1) for limit, frames in seen if limit is not None]

    def check(self, candidates: Mapping[str, Sequence[int]], network: Network) -> None:
        """Raise BadInput where no structure over these candidates, by label, keeps the budget."""
        least = Structure.from_labels({label: min(of_layer) for label, of_layer in candidates.items()}, network)
        if self.exceeded(least):
            field = ReceptiveField.of(least)
            widest = max(block.frames for block in field.blocks)
            raise BadInput(
                f"max_context {self}: with the smallest candidates the network sees {field.network.frames} frames, "
                f"and a stage up to {widest}: allow more, or take a network with fewer layers"
            )

    def possible(self, candidates: Mapping[str, Sequence[int]], network: Network) -> dict[str, tuple[int, ...]]:
        """The candidates of each layer with which the budget can be kept: if all other layers take their smallest."""
        least = {label: min(of_layer) for label, of_layer in candidates.items()}
        return {
            label: tuple(
                each for each in of_layer if not self.exceeded(Structure.from_labels({**least, label: each}, network))
            )
            for label, of_layer in candidates.items()
        }

    def shorten(
        self, structure: Structure, candidates: Mapping[str, Sequence[int]], choose: Choose | None = None
    ) -> Structure:
        """The structure with a smaller candidate in one layer after another, until it keeps the budget.

        Args:
            candidates: of each layer, by label.
            choose: which layer is next; by default the one with the longest dilation, of equals the last, takes its
                next smaller candidate: so a pattern such as 1, 2, 4, ... is cut off.

        Raises:
            BadInput: no structure over these candidates keeps it.
        """
        dilations = structure.by_label()
        while exceeded := self.exceeded(structure):
            smaller = {
                label: sorted(lower)
                for label in dilations
                if label in exceeded and (lower := [each for each in candidates[label] if each < dilations[label]])
            }
            if not smaller:
                self.check(candidates, structure.network)
            label, dilation = (choose or _longest)(smaller, dilations)
            dilations[label] = dilation
            structure = Structure.from_labels(dilations, structure.network)
        return structure

    def __str__(self) -> str:
        """As ``parse`` takes it."""
        return ",".join(
            f"{each.name}={value}" for each in fields(self) if (value := getattr(self, each.name)) is not None
        )


NO_LIMITS = Budget()


def _longest(smaller: Mapping[str, Sequence[int]], dilations: Mapping[str, int]) -> tuple[str, int]:
    label = max(reversed(list(smaller)), key=lambda label: dilations[label])
    return label, smaller[label][-1]


def _frames(number: str, fps: float | None, least: int, value: Any) -> int:
    """Frames of ``500``, ``33s`` or ``33s@15``; seconds are rounded down."""
    found = re.fullmatch(r"(\d{1,9})|(\d{1,9}(?:\.\d{1,6})?)s(?:@(\d{1,4}(?:\.\d{1,6})?))?", number, re.ASCII)
    if found is None:
        raise BadInput(f"max_context {value!r}: write {EXAMPLES}")
    if found[1] is None:
        rate = float(found[3]) if found[3] else fps
        if not rate:
            raise BadInput(f"max_context {value!r}: the frames per second are not known: write 33s@15, or frames")
        frames = int(float(found[2]) * rate)
    else:
        frames = int(found[1])
    if frames < least:
        raise BadInput(f"max_context {value!r}: at least {least} frame(s) are needed")
    return frames
