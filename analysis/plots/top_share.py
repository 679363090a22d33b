"""Dilations of each layer in the best trials of a search, beside those in all of its trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.plots.blocks import label_rows, rows_height
from analysis.plots.figure_file import new_figure, short
from nas_space.network import Network

SHARE = 0.2
"""Of the trials, that count as the best."""
TOP = f"{100 * SHARE:.0f} %"
MOST_LABELS = 12
"""Most candidates that are labelled in one map."""
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class TopShare:
    """How often each dilation occurs in each layer."""

    trials: int
    best: int
    """Trials among the best."""
    candidates: list[int]
    """All dilations that occur, rising."""
    in_all: npt.NDArray[np.int64]
    """(layers, candidates): trials with that dilation."""
    in_best: npt.NDArray[np.int64]
    """(layers, candidates): the same among the best trials."""

    @classmethod
    def of(cls, dilations: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> TopShare:
        """Of trials, at least one; of trials of equal scores, the earlier is the better.

        Args:
            dilations: (trials, layers).
            scores: (trials,).
        """
        best = math.ceil(SHARE * len(scores))
        top = dilations[np.argsort(-scores, kind="stable")[:best]]
        candidates = np.unique(dilations)
        in_all, in_best = ((each[:, :, None] == candidates).sum(axis=0) for each in (dilations, top))
        return cls(len(scores), best, candidates.tolist(), in_all, in_best)

    def gained(self, layer: int) -> int:
        """The index of the candidate whose share is larger among the best than in all, by most; of equals, the first.

        Args:
            layer: its index.
        """
        return int(np.argmax(self.in_best[layer] / self.best - self.in_all[layer] / self.trials))

    def significant(self, layer: int, candidate: int) -> bool:
        """Whether so many of the best having the candidate is beyond what a random choice of trials would give.

        One-sided hypergeometric test at the 5 % level, divided by the number of all pairs of layers and candidates that
        occur (Bonferroni).
        """
        having, among_best = int(self.in_all[layer, candidate]), int(self.in_best[layer, candidate])
        tail = sum(
            math.comb(having, count) * math.comb(self.trials - having, self.best - count)
            for count in range(among_best, min(having, self.best) + 1)
        )
        return tail * int(np.count_nonzero(self.in_all)) < SIGNIFICANCE * math.comb(self.trials, self.best)


def draw_top_share(name: str, shares: TopShare, network: Network) -> Figure:
    """The figure of one search. Raises BadInput where there are too many layers for a legible figure."""
    figure = new_figure(rows_height(network) + 1.6)
    maps = figure.subplots(1, 2)
    percent = [100 * shares.in_all / shares.trials, 100 * shares.in_best / shares.best]
    scale = ScalarMappable(Normalize(0, max(of.max() for of in percent)), "Blues")
    layers = range(len(network.layers))
    ends = []
    for layer in layers:
        gained = shares.gained(layer)
        from_, to = (of[layer, gained] for of in percent)
        ends.append(f"{shares.candidates[gained]}: {from_:.0f} → {to:.0f} %{'*' * shares.significant(layer, gained)}")
    titles = f"all {shares.trials} trials", f"the best {shares.best} ({TOP})"
    labels = range(0, len(shares.candidates), -(-len(shares.candidates) // MOST_LABELS))
    for axes, of, title, right in zip(maps, percent, titles, ([""] * len(layers), ends), strict=True):
        axes.imshow(scale.to_rgba(of), aspect="auto")
        label_rows(axes, network, right, "largest gain" if any(right) else "")
        axes.set_xticks(labels, [str(shares.candidates[index]) for index in labels])
        axes.set_xlabel("dilation")
        axes.set_title(title, fontsize=12)
    figure.colorbar(scale, ax=maps, label="trials with it (%)", aspect=30, pad=0.01)
    figure.suptitle(f"{short(name)}: dilations of the best trials beside those of all (*: beyond chance)")
    return figure
