"""Learned branch probabilities of one chain of a local search, for every layer and iteration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from analysis.history import Evaluation, History
from analysis.plots.blocks import label_rows, rows_height
from analysis.plots.colours import COLOURS
from analysis.plots.figure_file import legend_below, new_figure, short
from common.bad_input import BadInput
from nas_space.branching import Branching, next_structure
from nas_space.network import Network
from nas_space.structure import Structure

ROOM, DIGIT, GAP, SHORTEST_BAR = 13.6, 0.09, 0.07, 0.7
"""Inches: width of all iterations; in one cell the width of a digit, of the gaps around the bar, and of the bar."""
BAR_HEIGHT = 0.7
"""In rows."""
SCALE = LinearSegmentedColormap.from_list("branches", [COLOURS[0], "#BBBBBB", COLOURS[1]], N=257)


def draw_branches(name: str, history: History, chain: int) -> Figure:
    """The figure of one chain.

    Raises:
        BadInput: no iteration of the chain has finished, the records lack its branches or their probabilities, or there
            are too many layers for a legible figure.
    """
    search = history.folder.parent.name
    steps = [evaluation for evaluation in history.evaluations if evaluation.about.get("chain") == chain]
    if not steps:
        raise BadInput(f"{search}: no iteration of chain {chain} has finished")
    if "branching" not in steps[-1].about:
        raise BadInput(f"{search}: its records, of an older version, lack the branches")
    branching = Branching.from_text(steps[-1].about["branching"])
    network = history.network
    structures = [Structure.from_labels(step.structure, network) for step in steps]
    learned = [step.probabilities or {} for step in steps]
    try:
        *_, end = (next_structure(each, branching, of_each) for each, of_each in zip(structures, learned, strict=True))
    except (KeyError, ValueError) as fault:
        raise BadInput(f"{search}: damaged: probabilities and branches of chain {chain} differ ({fault})") from None

    figure = new_figure(rows_height(network) + 1.2)
    axes = figure.add_subplot()
    ranks = _draw_cells(axes, steps, network, branching)
    moves = zip(end.dilations, structures[0].dilations, strict=True)
    label_rows(axes, network, [f"{to} ({to - start:+d})" for to, start in moves], "result (change from the start)")
    axes.set_title(f"{short(name)}, chain {chain}: learned probabilities of the branches around each dilation")
    furthest = max(map(abs, ranks))
    legend_below(
        figure,
        [Patch(facecolor=_colour(rank, furthest)) for rank in ranks],
        [_side(rank, furthest) for rank in ranks],
    )
    return figure


def ranks_of(branches: Sequence[int], dilation: int) -> list[int]:
    """Rank of each branch relative to the dilation itself, which has 0; branches below it are negative."""
    below = sum(branch < dilation for branch in branches)
    missing = dilation not in branches
    return [index - below + (missing and branch > dilation) for index, branch in enumerate(branches)]


def _draw_cells(axes: Axes, steps: list[Evaluation], network: Network, branching: Branching) -> list[int]:
    """A dilation and the bar of its branches in each cell. Returns the ranks of all branches in ascending order."""
    digits = max(len(str(dilation)) for step in steps for dilation in step.structure.values())
    text = DIGIT * digits + GAP
    shown = steps[:: -(-len(steps) // int(ROOM / (text + 2 * GAP + SHORTEST_BAR)))]
    inch = len(shown) / ROOM
    length = 1 - (text + 2 * GAP) * inch
    bars: dict[int, list[Path]] = defaultdict(list)
    for column, step in enumerate(shown):
        branches = branching.branches(Structure.from_labels(step.structure, network))
        for row, label in enumerate(network.paths):
            dilation = step.structure[label]
            ranks = ranks_of(branches[label], dilation)
            left = column + (text + GAP) * inch
            axes.text(left - GAP * inch, row, str(dilation), ha="right", va="center", fontsize=10)
            for rank, probability in zip(ranks, (step.probabilities or {})[label], strict=True):
                right = left + length * probability
                bars[rank].append(_rectangle(left, right, row - BAR_HEIGHT / 2, row + BAR_HEIGHT / 2))
                left = right
    for rank, rectangles in bars.items():
        # One path for all rectangles: separate patches would make an SVG file a third larger.
        colour = _colour(rank, max(map(abs, bars)))
        axes.add_patch(PathPatch(Path.make_compound_path(*rectangles), facecolor=colour, linewidth=0))
    axes.set_xlim(0, len(shown))
    axes.set_xticks(
        [column + 0.5 for column in range(len(shown))], [str(step.about.get("iteration")) for step in shown]
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("iteration")
    return sorted(bars)


def _rectangle(left: float, right: float, top: float, bottom: float) -> Path:
    return Path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], closed=True)


def _colour(rank: int, furthest: int) -> str:
    return to_hex(SCALE(0.5 + 0.5 * rank / furthest))


def _side(rank: int, furthest: int) -> str:
    if rank == 0:
        return "the dilation itself"
    side = "above" if rank > 0 else "below"
    return f"the branch {side}" if furthest == 1 else f"branch {abs(rank)} {side}"
