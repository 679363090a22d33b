"""The steps of ``experiments.context``: searches within shares of the useful context, and final trainings beside
hand-scaled patterns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from common.bad_input import BadInput
from common.read_file import read_json
from experiments.config_file import class_arguments, class_name
from experiments.plan import FOLDER, search_file, source_of
from experiments.steps import PipelineStep, final_step, search_step
from nas_space.budget import Budget, Moves
from nas_space.network import Network
from nas_space.receptive_field import ReceptiveField
from nas_space.space import from_nni
from nas_space.structure import Structure
from nas_space.structure_files import write_structure
from trials.data.dataset import Dataset

SHARES = {"1_32": 1 / 32, "1_8": 1 / 8, "1_2": 1 / 2, "1_1": 1.0}
"""Of the useful context, by the ending of their structures' names."""


def useful_context(network: Network, dataset: Dataset, splits: Sequence[int]) -> int:
    """Frames, as the network reads them: the context of ``hand``, or twice the median video length, if that is less."""
    videos = {video for split in splits for part in dataset.split(split) for video in part}
    middle = median(dataset.frames(video) for video in videos)
    return min(ReceptiveField.of(Structure.hand(network)).network.frames, int(2 * middle))


def share_of(useful: int, share: float) -> Budget:
    """The limit to a share of the useful context."""
    return Budget(network=max(1, int(share * useful)))


def budgets(useful: int) -> dict[str, Budget]:
    """The limits of the searches, by the ending of their structures' names; of equal ones, the smallest share."""
    limits: dict[str, Budget] = {}
    for name, share in SHARES.items():
        budget = share_of(useful, share)
        if budget not in limits.values():
            limits[name] = budget
    return limits


def patterns(network: Network, budget: Budget) -> dict[str, Structure]:
    """``hand`` scaled to a budget by hand: cut off, and evenly shortened; none where it keeps the budget as it is.

    Cut off: the longest dilation is halved again and again, at last left out; of equals, that of the last layer of a
    block. Evenly shortened: all dilations are multiplied by the largest factor that keeps the budget, and rounded;
    those below 0.5 are left out.
    """
    hand = Structure.hand(network)
    if not budget.exceeded(network, hand.dilations):
        return {}
    halved = {
        label: [0, *(2**power for power in range(dilation.bit_length()))] for label, dilation in hand.by_label().items()
    }

    depth = {layer.label: index for block in network.blocks for index, layer in enumerate(block.layers)}

    def longest(moves: Moves, dilations: Mapping[str, int]) -> tuple[str, int]:
        label = max(reversed(list(moves)), key=lambda label: (dilations[label], depth[label]))
        return label, max(moves[label])

    def scaled(factor: float) -> Structure:
        return Structure(tuple(math.floor(factor * dilation + 0.5) for dilation in hand.dilations), network)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if budget.exceeded(network, scaled(middle).dilations) else (middle, high)
    cut, even = budget.shorten(hand, halved, longest), scaled(low)
    return {"cut": cut} if even == cut else {"cut": cut, "even": even}


def context_plan(
    run: Path,
    dataset: str,
    template: str,
    global_search: str,
    network: Network,
    limits: Mapping[str, Budget],
    splits: Sequence[int],
    seeds: Sequence[int],
) -> list[PipelineStep]:
    """The steps, so ordered that wherever they stop all structures have been trained on the same splits and seeds.

    For each split the searches within all budgets, and the final trainings of the first seed; then those of the other
    seeds.

    Args:
        run: folder of the results; structures are in ``split1/found_1_8.json``, ...
        limits: of the searches, see ``budgets``.

    Raises:
        BadInput: a YAML file is missing or damaged.
    """
    file = search_file(template, global_search)
    if not (FOLDER / file).exists():
        raise BadInput(f"no {source_of(file)}: give --template, or start with g2l new {dataset}")
    ends = f"{template}_final.yml"
    scaled = [f"{how}_{name}" for name, budget in limits.items() for how in patterns(network, budget)]
    names = [*(f"found_{name}" for name in limits), *scaled]

    def finals(name: str, of_splits: Sequence[int], of_seeds: Sequence[int]) -> PipelineStep:
        step = final_step(FOLDER / ends, source_of(ends), dataset, of_splits, names, of_seeds, run)
        if class_name(step.config) is None:
            raise BadInput(f"{source_of(ends)}: it must have FinalTuner, as the files of this version")
        return replace(step, name=name)

    steps = []
    for split in splits:
        for name, budget in limits.items():
            step = search_step("global", FOLDER / file, source_of(file), dataset, split, run / f"split{split}")
            step = replace(step, name=f"found_{name}_split{split}", result=run / f"split{split}" / f"found_{name}.json")
            step.config["experimentName"] = f"{dataset} {step.name}"
            _limit(step.config, network, budget)
            steps.append(step)
        steps.append(finals(f"final_split{split}", [split], seeds[:1]))
    return steps + [finals(f"final_seed{seed}", splits, [seed]) for seed in seeds[1:]]


def _limit(config: dict[str, Any], network: Network, budget: Budget) -> None:
    """Give a search its budget, and where that is tight for all its layers, the choice to leave layers out."""
    space = config.get("searchSpace") or read_json(Path(config.pop("searchSpaceFile")))
    candidates = from_nni(space, network)
    if budget.is_tight(candidates, network):
        space = {label: {"_type": "choice", "_value": [0, *of_layer]} for label, of_layer in candidates.items()}
    config["searchSpace"] = space
    config["tuner"]["classArgs"] = {**class_arguments(config), "max_context": str(budget)}


def write_patterns(run: Path, network: Network, limits: Mapping[str, Budget], splits: Sequence[int]) -> None:
    """Write the hand-scaled patterns where the final trainings look for them; files that are there stay."""
    for name, budget in limits.items():
        for how, structure in patterns(network, budget).items():
            for split in splits:
                path = run / f"split{split}" / f"{how}_{name}.json"
                if not path.exists():
                    write_structure(structure, path, about={"pattern": how})
