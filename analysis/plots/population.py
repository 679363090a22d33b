"""Convergence of the population of a global search: the entropy of each layer's dilations over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure

from analysis.history import History
from analysis.plots.blocks import label_rows, rows_height
from analysis.plots.colours import COLOURS, FAINT, is_light
from analysis.plots.figure_file import new_figure, short
from common.bad_input import BadInput

MOST_MOMENTS = 20
MEAN = 1.8
"""Inches of the mean over layers, below the map."""


@dataclass(frozen=True)
class Convergence:
    """The population of a search at some moments, from the first full one to the last."""

    evaluated: list[int]
    """(moments,): structures evaluated by then."""
    entropies: npt.NDArray[np.float64]
    """(layers, moments): of the dilations in the population, in bits; 0 where all agree."""
    common: npt.NDArray[np.int64]
    """(layers, moments): the most common dilation; of equals, the smallest."""
    shares: npt.NDArray[np.float64]
    """(layers, moments): percent of the population with that dilation."""

    @classmethod
    def of(cls, dilations: npt.NDArray[np.int64], objectives: npt.NDArray[np.float64], size: int) -> Convergence:
        """Of a population of the ``size`` best so far; of equals, the earlier.

        Args:
            dilations: (structures, layers) in the order of evaluation, at least one.
            objectives: (structures,): what the search maximises.
        """
        first = min(size, len(dilations))
        moments = min(MOST_MOMENTS, len(dilations) - first + 1)
        evaluated = [int(count) for count in np.linspace(first, len(dilations), moments)]
        spreads = []
        for count in evaluated:
            population = dilations[:count][np.argsort(-objectives[:count], kind="stable")[:size]]
            spreads.append([spread(layer) for layer in population.T])
        entropies, common, shares = np.array(spreads).transpose(2, 1, 0)
        return cls(evaluated, entropies, common.astype(np.int64), shares)


def spread(dilations: npt.NDArray[np.int64]) -> tuple[float, int, float]:
    """The entropy of dilations in bits, the most common of them (the smallest of equals), and its percentage."""
    values, counts = np.unique(dilations, return_counts=True)
    shares = counts / len(dilations)
    most = int(np.argmax(counts))
    return float(np.sum(shares * np.log2(1 / shares))), int(values[most]), float(100 * shares[most])


def draw_population(name: str, history: History, size: int) -> Figure:
    """The figure of one global search.

    Args:
        size: the tuner's ``population_size``.

    Raises:
        BadInput: no trial succeeded, or there are too many layers for a legible figure.
    """
    history.best()
    network = history.network
    height = rows_height(network)
    objectives = history.scored_structures()
    if not objectives:
        raise BadInput(f"{history.folder.parent.name}: damaged: no trial had a structure of {network}")
    dilations = np.array(list(objectives))
    convergence = Convergence.of(dilations, np.array(list(objectives.values())), size)
    candidates = max(len(np.unique(layer)) for layer in dilations.T)
    largest = max(np.log2(min(candidates, size)), 1.0)

    figure = new_figure(height + MEAN + 1.8)
    maps, means = figure.subplots(2, 1, sharex=True, height_ratios=[height, MEAN])
    scale = ScalarMappable(Normalize(0, largest), "Blues")
    _draw_map(maps, convergence, scale)
    ends = zip(convergence.common[:, -1], convergence.shares[:, -1], strict=True)
    label_rows(maps, network, [f"{dilation} ({share:.0f} %)" for dilation, share in ends], "at the end (share)")
    maps.tick_params(labelbottom=False)
    figure.colorbar(scale, ax=maps, label="entropy (bits; 0: all agree)", aspect=30, pad=0.01)
    means.plot(convergence.entropies.mean(axis=0), color=COLOURS[0], marker="o", linewidth=2)
    means.set_ylim(0, largest)
    means.set_ylabel("mean (bits)")
    means.set_xticks(range(len(convergence.evaluated)), [str(count) for count in convergence.evaluated])
    means.set_xlabel("structures evaluated")
    means.grid(axis="y", color=FAINT, linewidth=0.6)
    means.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{short(name)}: entropy of the {min(size, len(dilations))} best structures so far")
    about = "numbers: the dilation that more than half of them have from here on; right: the most common at the end"
    maps.set_title(about, fontsize=12)
    return figure


def _draw_map(axes: Axes, convergence: Convergence, scale: ScalarMappable) -> None:
    """Entropies by colour; a dilation is written where more than half of the population first has it."""
    colours = scale.to_rgba(convergence.entropies)
    axes.imshow(colours, aspect="auto")
    settled = np.where(convergence.shares > 50, convergence.common, 0)
    for (layer, moment), dilation in np.ndenumerate(settled):
        if dilation and (moment == 0 or settled[layer, moment - 1] != dilation):
            colour = "black" if is_light(to_hex(tuple(colours[layer, moment]))) else "white"
            axes.text(moment, layer, str(dilation), color=colour, ha="center", va="center", fontsize=10)
