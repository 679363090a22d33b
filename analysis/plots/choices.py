"""Learned probability of every candidate in each layer, for one training of a differentiable search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.history import Evaluation
from analysis.plots.blocks import label_rows, rows_height
from analysis.plots.figure_file import new_figure, short
from common.bad_input import BadInput
from nas_space.network import Network

MOST_LABELS = 24
"""Most candidates that are labelled."""


def draw_choices(
    name: str, evaluation: Evaluation, network: Network, candidates: Mapping[str, Sequence[int]]
) -> Figure:
    """The figure of one training.

    Args:
        candidates: candidate dilations of each layer, by short label.

    Raises:
        BadInput: the probabilities do not match the candidates, or there are too many layers for a legible figure.
    """
    found = evaluation.structure
    probabilities = evaluation.probabilities or {}
    try:
        learned = {label: dict(zip(candidates[label], probabilities[label], strict=True)) for label in network.paths}
        ends = [f"{found[label]} ({100 * of_layer[found[label]]:.0f} %)" for label, of_layer in learned.items()]
    except (KeyError, ValueError):
        raise BadInput(f"trial {evaluation.trial}: its probabilities do not match its candidates") from None
    figure = new_figure(rows_height(network) + 1.4)
    axes = figure.add_subplot()
    scale = ScalarMappable(Normalize(0, 1), "Blues")
    every = sorted({dilation for of_layer in candidates.values() for dilation in of_layer})
    # What is not a candidate of a layer is white, like probability 0.
    map_ = [[of_layer.get(dilation, 0.0) for dilation in every] for of_layer in learned.values()]
    axes.imshow(scale.to_rgba(np.array(map_)), aspect="auto")
    label_rows(axes, network, ends, "result (its probability)")
    labelled = range(0, len(every), -(-len(every) // MOST_LABELS))
    axes.set_xticks(labelled, [str(every[index]) for index in labelled])
    axes.set_xlabel("candidate dilation")
    figure.colorbar(scale, ax=axes, label="probability", aspect=30, pad=0.01)
    axes.set_title(f"{short(name)}: learned probability of each candidate dilation")
    return figure
