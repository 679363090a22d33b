"""Whether the scores of a search's trials after few epochs rank the structures as those after the last epoch do."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.history import History
from analysis.plots.colours import COLOURS, FAINT, TEXT
from analysis.plots.figure_file import legend_below, new_figure, short
from analysis.plots.top_share import SHARE, TOP
from analysis.rank_correlation import Scores, chance_tau, kendall_tau


@dataclass(frozen=True)
class BudgetCorrelation:
    """The ranking of the same trials after each epoch but the last, compared with that after the last."""

    trials: int
    taus: list[float]
    """(epochs - 1,): Kendall's."""
    found: list[float]
    """(epochs - 1,): share of the trials among the best ``SHARE`` after the last epoch that are among them by then."""

    @property
    def epochs(self) -> int:
        """Of each trial."""
        return len(self.taus) + 1

    @classmethod
    def of(cls, scores: Scores) -> BudgetCorrelation:
        """From ``default`` after each epoch: ``(trials, epochs)``, at least two of either.

        Of trials with equal scores, the earlier is the better.
        """
        *early, last = scores.T
        best = math.ceil(SHARE * len(last))
        tops = [set(np.argsort(-each, kind="stable")[:best].tolist()) for each in (*early, last)]
        return cls(
            len(last),
            [kendall_tau(each, last) for each in early],
            [len(top & tops[-1]) / best for top in tops[:-1]],
        )


def epoch_scores(history: History) -> Scores:
    """``default`` after each epoch, ``(trials, epochs)``, of the trials with the most common number of epochs."""
    every = [evaluation.epoch_scores for evaluation in history.evaluations]
    lengths = Counter(len(scores) for scores in every)
    usual = max(lengths, key=lambda length: (lengths[length], length), default=0)
    kept = [scores for scores in every if len(scores) == usual]
    return np.array(kept, dtype=np.float64).reshape(len(kept), usual)


def draw_budget_correlation(name: str, correlation: BudgetCorrelation) -> Figure:
    """The figure of one search."""
    figure = new_figure(4.2)
    axes = figure.add_subplot()
    epochs = range(1, correlation.epochs)
    chance = chance_tau(correlation.trials)
    band = axes.axhspan(-chance, chance, color=FAINT, alpha=0.5, linewidth=0)
    (taus,) = axes.plot(epochs, correlation.taus, "o-", color=COLOURS[0], linewidth=2)
    (found,) = axes.plot(epochs, correlation.found, "o--", color=COLOURS[3], linewidth=2)
    axes.axhline(0, color=TEXT, linewidth=1)
    axes.set_ylim(min(-0.05, -chance, *correlation.taus) - 0.05, 1.05)
    axes.set_xlim(0.5, correlation.epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"epochs trained, of {correlation.epochs}")
    axes.set_ylabel("agreement with the last epoch")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{short(name)}: do few epochs rank the {correlation.trials} trials as the last epoch does?")
    labels = ["Kendall's tau", f"share of the final best {TOP} found", "tau of unrelated rankings (95 %)"]
    legend_below(figure, [taus, found, band], labels)
    return figure
