"""Budget: what the structures of a search may cost. All searches ask here whether a structure keeps it."""

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

Moves = Mapping[str, Mapping[int, float]]
"""By label, the smaller candidates that a layer may take, each with what it saves: frames of its dilation, or
multiply-adds."""

Choose = Callable[[Moves, Mapping[str, int]], tuple[str, int]]
"""Which layer takes which smaller candidate next. Is also given the dilations of all layers, by label."""


@dataclass(frozen=True)
class Budget:
    """Limits on what a network sees, in frames as it reads them, and on what it computes; None: no limit.

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
    multiply_adds: int | None = None
    """A frame, of all layers that can be left out; other convolutions, which no search changes, are not counted."""

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add ``--max-context`` and ``--max-multiply-adds``, texts for ``parse``."""
        group = parser.add_argument_group("limits")
        group.add_argument("--max-context", metavar="FRAMES", help=f"how far a structure may see: {EXAMPLES}")
        group.add_argument(
            "--max-multiply-adds",
            metavar="NUMBER",
            help="of its layers, a frame: 250000, or 50%% of all; layers are left out where 0 is a candidate",
        )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, fps: float | None) -> Budget:
        """The budget from those options and ``--network``; raises BadInput as ``parse``."""
        return cls.parse(arguments.max_context, arguments.max_multiply_adds, arguments.network, fps)

    @classmethod
    def parse(
        cls,
        max_context: Any,
        max_multiply_adds: Any = None,
        network: Network | None = None,
        fps: float | None = None,
    ) -> Budget:
        """The budget that these texts or numbers say; None is no limit.

        Args:
            max_context: such as 500, ``"33s"`` or ``"network=500,stage=120,past=20s,future=2s"``; ``str(budget)``, too.
            max_multiply_adds: such as 250000, or ``"50%"`` of what all layers of ``network`` take.
            fps: frames per second as the network reads them, for seconds that do not name their rate (``33s@15``).

        Raises:
            BadInput: it says no budget, or seconds of an unknown rate.
        """
        limits: dict[str, int] = {}
        for word in [] if max_context is None else str(max_context).split(","):
            name, _, number = word.rpartition("=")
            name = name.strip() or "network"
            if name not in {each.name for each in fields(cls)} or name in limits:
                raise BadInput(f"max_context {max_context!r}: write {EXAMPLES}")
            if name == "multiply_adds":
                limits[name] = _multiply_adds(number, None)
            else:
                least = 0 if name in ("past", "future") else 1
                limits[name] = _frames(number.strip(), fps, least, max_context)
        if max_multiply_adds is not None:
            if network is not None and not network.can_leave_out:
                raise BadInput(f"max_multiply_adds: {network} can leave no layer out, so that nothing can be saved")
            limits["multiply_adds"] = _multiply_adds(max_multiply_adds, network)
        return cls(**limits)

    def exceeded(self, network: Network, dilations: Sequence[int]) -> bool:
        """Whether a structure of these dilations ``(layers,)`` costs too much."""
        kept = [dilation > 0 for dilation in dilations]
        return any(amount > limit for limit, amount, _ in self._limits(network, dilations, kept))

    def excess(self, network: Network, dilations: Sequence[float], kept: Sequence[float]) -> list[float]:
        """By which share each limit is exceeded: 0.5 for 150 frames of 100; at most 0 where it is kept.

        Args:
            dilations: (layers,), or what is expected of them.
            kept: (layers,): 0 where the layer is left out, 1 where it is not, or the probability of that.
        """
        return [(amount - limit) / max(limit, 1) for limit, amount, _ in self._limits(network, dilations, kept)]

    def costs(self, network: Network) -> list[dict[str, tuple[int, int]]]:
        """Of each limit as in ``excess``, by label, what a layer adds: a frame of its dilation, and the layer itself.

        Of parallel partners, each as if it were the longer one; for past and future, of both together.
        """
        layers = layer_costs(network)
        return [
            {
                layer.label: (block.repeats * (layer.kernel_size - 1) if block in blocks else 0, 0)
                if blocks
                else (0, layers[layer.label])
                for block in network.blocks
                for layer in block.layers
            }
            for _, _, blocks in self._limits(network, [0] * len(layers), [0] * len(layers))
        ]

    def _limits(
        self, network: Network, dilations: Sequence[float], kept: Sequence[float]
    ) -> list[tuple[int, float, tuple[Block, ...]]]:
        """Each limit, what there is of it, and the blocks whose dilations it is; for multiply-adds none."""
        limits: list[tuple[int | None, float, tuple[Block, ...]]] = []
        if self.multiply_adds is not None:
            limits.append((self.multiply_adds, _cost(network, kept), ()))
        if any(limit is not None for limit in (self.network, self.stage, self.past, self.future)):
            reaches = block_reaches(network, dilations)
            reach = sum(reaches[1:], reaches[0])
            past, future = (reach, 0) if network.causal else (reach / 2, reach / 2)
            limits += [
                (self.network, reach + 1, network.blocks),
                (self.past, past, network.blocks),
                (self.future, future, network.blocks),
                *(
                    (self.stage, of_block + 1, (block,))
                    for block, of_block in zip(network.blocks, reaches, strict=True)
                ),
            ]
        return [(limit, amount, blocks) for limit, amount, blocks in limits if limit is not None]

    def check(self, candidates: Mapping[str, Sequence[int]], network: Network) -> None:
        """Raise BadInput where no structure over these candidates, by label, keeps the budget."""
        least = Structure.from_labels({label: min(of_layer) for label, of_layer in candidates.items()}, network)
        if self.exceeded(network, least.dilations):
            field = ReceptiveField.of(least)
            widest = max(block.frames for block in field.blocks)
            layers, cost = sum(dilation > 0 for dilation in least.dilations), multiply_adds(least)
            raise BadInput(
                f"the limits {self}: with the smallest candidates the network sees {field.network.frames} frames, "
                f"a stage up to {widest}, and its {layers} layers take {cost} multiply-adds a frame: allow more, "
                "take a network with fewer layers, or add 0 to the candidates, with which a layer is left out"
            )

    def is_tight(self, candidates: Mapping[str, Sequence[int]], network: Network) -> bool:
        """Whether the smallest candidates, by label, take more than half of a limit already.

        Then little is left to choose, unless layers can be left out.
        """
        least = Structure.from_labels({label: min(of_layer) for label, of_layer in candidates.items()}, network)
        kept = [float(dilation > 0) for dilation in least.dilations]
        return any(share > -0.5 for share in self.excess(network, least.dilations, kept))

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

        Where there are too many multiply-adds, layers are left out first.

        Args:
            candidates: of each layer, by label.
            choose: which layer is next; by default the one with the longest dilation, of equals the last, takes its
                next smaller candidate: so a pattern such as 1, 2, 4, ... is cut off.

        Raises:
            BadInput: no structure over these candidates keeps it.
        """
        network, dilations = structure.network, structure.by_label()
        while (moves := self._moves(network, dilations, candidates)) is not None:
            if not moves:
                self.check(candidates, network)
            label, dilation = (choose or _longest)(moves, dilations)
            dilations[label] = dilation
        return Structure.from_labels(dilations, network)

    def _moves(
        self, network: Network, dilations: Mapping[str, int], candidates: Mapping[str, Sequence[int]]
    ) -> Moves | None:
        """The moves that lessen what is exceeded; None where the budget is kept."""
        numbers = list(dilations.values())
        exceeded = [
            blocks
            for limit, amount, blocks in self._limits(network, numbers, [number > 0 for number in numbers])
            if amount > limit
        ]
        if not exceeded:
            return None
        if () in exceeded:
            return {
                label: {0: cost}
                for label, cost in layer_costs(network).items()
                if dilations[label] > 0 and 0 in candidates[label]
            }
        too_far = {layer.label for blocks in exceeded for block in blocks for layer in block.layers}
        return {
            label: lower
            for label, now in dilations.items()
            if label in too_far and (lower := {each: now - each for each in sorted(candidates[label]) if each < now})
        }

    def __str__(self) -> str:
        """As ``parse`` takes it."""
        return ",".join(
            f"{each.name}={value}" for each in fields(self) if (value := getattr(self, each.name)) is not None
        )


NO_LIMITS = Budget()


def layer_costs(network: Network) -> dict[str, int]:
    """The multiply-adds a frame that leaving out each layer saves, by label."""
    return {layer.label: block.repeats * layer.multiply_adds for block in network.blocks for layer in block.layers}


def multiply_adds(structure: Structure) -> int:
    """A frame, of the layers that are not left out; see ``Budget.multiply_adds``.

    Branches that a layer keeps are not counted: mixing the frames that they read takes few beside its matrix products.
    """
    return int(_cost(structure.network, [dilation > 0 for dilation in structure.dilations]))


def _cost(network: Network, kept: Sequence[float]) -> float:
    """The multiply-adds a frame of the layers that are kept; see ``Budget.excess``."""
    return sum(cost * each for cost, each in zip(layer_costs(network).values(), kept, strict=True))


def _longest(moves: Moves, dilations: Mapping[str, int]) -> tuple[str, int]:
    label = max(reversed(list(moves)), key=lambda label: dilations[label])
    return label, max(moves[label])


def _multiply_adds(number: Any, network: Network | None) -> int:
    """Multiply-adds a frame of ``250000`` or ``50%``."""
    found = re.fullmatch(r"(\d{1,15})|(\d{1,2}(?:\.\d{1,6})?|100)%", str(number).strip(), re.ASCII)
    if found is None or (found[2] and network is None):
        raise BadInput(f"max_multiply_adds {number!r}: write 250000, or 50% of what all layers take")
    if network is None or found[1]:
        return int(found[1])
    return int(float(found[2]) / 100 * sum(layer_costs(network).values()))


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
