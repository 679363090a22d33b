"""Which layers decide on a search's scores: permutation importance of a random forest over its trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.rank_correlation import Scores, chance_tau, kendall_tau

TREES, PERMUTATIONS = 200, 5
FEWEST_TRIALS = 20
"""A forest of fewer trials can hardly show anything beyond chance."""


@dataclass(frozen=True)
class Importance:
    """What the forest says of each layer, and whether it has learned anything.

    Everything is out of bag: a trial is predicted by those trees only that were fitted without it (Breiman, 2001).
    """

    trials: int
    r2: float
    """Share of the variance of the scores that the forest explains; below 0: worse than the mean score."""
    tau: float
    """Kendall's, of predicted and true scores."""
    drops: Scores
    """(layers,): by how much R² drops where the layer's dilations are permuted among the trials; the mean drop."""
    deviations: Scores
    """(layers,): sample standard deviation of the drop over the permutations."""

    @property
    def tells(self) -> bool:
        """Whether the forest predicts unseen trials better than chance does. If not, the drops mean nothing."""
        return self.r2 > 0 and self.tau > chance_tau(self.trials)

    @classmethod
    def of(cls, dilations: npt.NDArray[np.int64], scores: Scores) -> Importance:
        """Fit the forest, to the binary logarithms of the dilations; the same trials give the same result.

        Args:
            dilations: (trials, layers), of at least ``FEWEST_TRIALS`` different structures; 0: the layer is left out.
            scores: (trials,), not all equal.
        """
        from sklearn.ensemble import RandomForestRegressor  # takes a second, for this only

        features = np.log2(np.maximum(dilations, 0.5)).astype(np.float32)  # -1 where a layer is left out
        count, layers = features.shape
        # A third of the features at each split: Breiman's choice for regression.
        forest = RandomForestRegressor(TREES, max_features=1 / 3, random_state=0).fit(features, scores)
        trees = [
            (tree, np.setdiff1d(np.arange(count), drawn))
            for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True)
        ]
        random = np.random.default_rng(0)
        drops = np.empty((PERMUTATIONS, layers))
        for permuted_drops in drops:
            # The first copy is as it is; in each other one layer is permuted.
            copies = np.repeat(features[None], 1 + layers, axis=0)
            for layer in range(layers):
                copies[1 + layer, :, layer] = random.permutation(features[:, layer])
            predicted = np.zeros((1 + layers, count))
            votes = np.zeros(count)
            for tree, unseen in trees:
                rows = copies[:, unseen].reshape(-1, layers)
                predicted[:, unseen] += tree.predict(rows, check_input=False).reshape(1 + layers, -1)
                votes[unseen] += 1
            predicted /= votes
            r2 = 1 - np.mean((predicted - scores) ** 2, axis=1) / np.var(scores)
            permuted_drops[:] = r2[0] - r2[1:]
        return cls(
            count, float(r2[0]), kendall_tau(predicted[0], scores), drops.mean(axis=0), drops.std(axis=0, ddof=1)
        )
