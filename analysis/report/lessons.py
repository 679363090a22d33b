"""What the trials of a search tell beyond their best structure: which layers decide, and how many epochs are enough."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.history import History
from analysis.importance import FEWEST_TRIALS, Importance
from analysis.plots.budget_correlation import BudgetCorrelation, draw_budget_correlation, epoch_scores
from analysis.plots.importance import draw_importance
from analysis.plots.top_share import TOP, TopShare, draw_top_share
from analysis.rank_correlation import chance_tau
from analysis.report.answer import MINUS
from analysis.report.pictures import Picture, Pictures
from analysis.searches import SearchRecord
from nas_space.network import Network

MOST_NAMED = 3
"""Most layers that a sentence names."""
NAMED_EPOCHS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
"""The epochs that a sentence names; the figure has all."""


@dataclass(frozen=True)
class Lessons:
    """The lessons of one search."""

    phase: str
    notes: list[str] = field(default_factory=list)
    """Sentences: what the trials tell, or why they tell nothing."""
    pictures: list[Picture] = field(default_factory=list)


def lessons(phase: str, stem: str, name: str, search: SearchRecord, pictures: Pictures) -> Lessons:
    """Draw and say what the trials of a search tell.

    Args:
        stem: how the names of the figures begin.
        name: of the search, for the titles of the figures.
    """
    found, history = Lessons(phase), search.history
    if phase == "local":
        found.notes.append("The iterations of a chain are no independent trials: they tell nothing of single layers.")
        return found
    scored = history.scored_structures()
    if len(scored) < FEWEST_TRIALS:
        found.notes.append(
            f"{len(scored)} different structures are too few to tell anything of layers or epochs "
            f"(at least {FEWEST_TRIALS})."
        )
        return found
    dilations, scores = np.array(list(scored)), np.array(list(scored.values()))
    if np.ptp(scores) == 0:
        found.notes.append("All structures have the same score: the trials tell nothing.")
        return found
    _add_importance(found, stem, name, Importance.of(dilations, scores), history.network, pictures)
    _add_top_share(found, stem, name, TopShare.of(dilations, scores), history.network, pictures)
    _add_budget_correlation(found, stem, name, history, pictures)
    return found


def _add_importance(
    found: Lessons, stem: str, name: str, importance: Importance, network: Network, pictures: Pictures
) -> None:
    fit = f"out of bag: R² {_number(importance.r2)}, Kendall's tau {_number(importance.tau)}"
    if not importance.tells:
        found.notes.append(
            "Importance: the trials do not tell which layers matter. A random forest over them predicts unseen ones no "
            f"better than chance ({fit}; by chance, tau reaches {chance_tau(importance.trials):.2f})."
        )
        return
    order = np.argsort(-importance.drops, kind="stable").tolist()
    first = [layer for layer in order[:MOST_NAMED] if importance.drops[layer] > importance.deviations[layer]]
    labels = list(network.paths)
    named = ", ".join(f"{labels[layer]} ({importance.drops[layer]:.2f})" for layer in first or order[:1])
    found.notes.append(
        f"Importance: a random forest over {importance.trials} structures predicts unseen ones ({fit}). Its R² drops "
        f"most where the dilations of these layers are permuted: {named}."
    )
    caption = (
        "By how much the R² of the forest's predictions of unseen trials drops where the dilations of one layer are "
        "permuted among the trials. This holds for what the search tried: good dilations more often than others."
    )
    found.pictures.extend(
        pictures.draw(f"{stem}_importance", caption, lambda: draw_importance(name, importance, network))
    )


def _add_top_share(
    found: Lessons, stem: str, name: str, shares: TopShare, network: Network, pictures: Pictures
) -> None:
    gains = [
        f"{label}: {shares.candidates[candidate]} ({shares.in_best[layer, candidate]} of {shares.best}, "
        f"of all {shares.in_all[layer, candidate]} of {shares.trials})"
        for layer, label in enumerate(network.paths)
        if shares.significant(layer, candidate := shares.gained(layer))
    ]
    if gains:
        found.notes.append(f"The best {TOP} have these dilations more often than chance explains: {', '.join(gains)}.")
    else:
        found.notes.append(f"The best {TOP} have no dilation of any layer more often than chance explains.")
    caption = (
        f"Dilations of each layer in all trials and in the best {TOP}, and the dilation whose share is larger by "
        "most; *: beyond chance (one-sided hypergeometric test, 5 % over all layers and dilations)."
    )
    found.pictures.extend(pictures.draw(f"{stem}_top_share", caption, lambda: draw_top_share(name, shares, network)))


def _add_budget_correlation(found: Lessons, stem: str, name: str, history: History, pictures: Pictures) -> None:
    by_epoch = epoch_scores(history)
    trials, epochs = by_epoch.shape
    if epochs < 2:
        found.notes.append("Fewer epochs: the trials reported no score before that of their last epoch.")
        return
    if trials < FEWEST_TRIALS:
        found.notes.append(
            f"Fewer epochs: only {trials} trials reported a score after each epoch (needed: {FEWEST_TRIALS})."
        )
        return
    correlation = BudgetCorrelation.of(by_epoch)
    taus = ", ".join(
        f"{_number(correlation.taus[epoch - 1])} after {epoch}" for epoch in NAMED_EPOCHS if epoch < epochs
    )
    found.notes.append(
        f"Fewer epochs: Kendall's tau of the ranking by the last of {epochs} epochs with that after fewer: {taus} "
        f"({trials} trials; unrelated rankings reach {chance_tau(trials):.2f})."
    )
    caption = (
        f"How the scores after each epoch rank the trials, compared with those after epoch {epochs}. The scores of the "
        "last epoch are noisy, too, so tau need not approach 1."
    )
    found.pictures.extend(
        pictures.draw(f"{stem}_epochs_needed", caption, lambda: draw_budget_correlation(name, correlation))
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
