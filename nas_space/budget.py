"""Budget: how far the structures of a search may see. All searches ask here whether a structure keeps it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from common.bad_input import BadInput
from nas_space.network import Block, Network
from nas_space.receptive_field import ReceptiveField, block_reaches
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

    def exceeded(self, network: Network, dilations: Sequence[int]) -> set[str]:
        """Labels of the layers that together see too far: none where the dilations ``(layers,)`` keep the budget."""
        return {
            layer.label
            for limit, frames, blocks in self._limits(network, dilations)
            if frames > limit
            for block in blocks
            for layer in block.layers
        }

    def excess(self, network: Network, dilations: Sequence[Any]) -> list[Any]:
        """By which share each limit is exceeded: 0.5 for 150 frames of 100; below 0 where it is kept.

        Args:
            dilations: (layers,): numbers, or tensors of one number each.
        """
        return [(frames - limit) / max(limit, 1) for limit, frames, _ in self._limits(network, dilations)]

    def _limits(self, network: Network, dilations: Sequence[Any]) -> list[tuple[int, Any, tuple[Block, ...]]]:
        """Each limit, the frames that are seen of it, and the blocks that see them."""
        if self == NO_LIMITS:
            return []
        reaches = block_reaches(network, dilations)
        reach = sum(reaches[1:], reaches[0])
        past, future = (reach, 0 * reach) if network.causal else (reach / 2, reach / 2)
        limits = [
            (self.network, reach + 1, network.blocks),
            (self.past, past, network.blocks),
            (self.future, future, network.blocks),
            *((self.stage, of_block + 1, (block,)) for block, of_block in zip(network.blocks, reaches, strict=True)),
        ]
        return [(limit, frames, blocks) for limit, frames, blocks in limits if limit is not None]

    def check(self, candidates: Mapping[str, Sequence[int]], network: Network) -> None:
        """Raise BadInput where no structure over these candidates, by label, keeps the budget."""
        least = Structure.from_labels({label: min(of_layer) for label, of_layer in candidates.items()}, network)
        if self.exceeded(network, least.dilations):
            field = ReceptiveField.of(least)
            widest = max(block.frames for block in field.blocks)
            raise BadInput(
                f"max_context {self}: with the smallest candidates the network sees {field.network.frames} frames, "
                f"and a stage up to {widest}: allow more, or take a network with fewer layers"
            )

    def possible(self, candidates: Mapping[str, Sequence[int]], network: Network) -> dict[str, tuple[int, ...]]:
        """The candidates of each layer with which the budget can be kept: if all other layers take their smallest."""
        least = {label: min(candidates[label]) for label in network.paths}
        return {
            label: tuple(each for each in of_layer if not self.exceeded(network, list({**least, label: each}.values())))
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
        network, dilations = structure.network, structure.by_label()
        while exceeded := self.exceeded(network, list(dilations.values())):
            smaller = {
                label: sorted(lower)
                for label in dilations
                if label in exceeded and (lower := [each for each in candidates[label] if each < dilations[label]])
            }
            if not smaller:
                self.check(candidates, network)
            label, dilation = (choose or _longest)(smaller, dilations)
            dilations[label] = dilation
        return Structure.from_labels(dilations, network)

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
