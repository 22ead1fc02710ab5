"""This file knows many small regressions at once, learned from pairs as they mature.

Each is shrunk towards what one would do without having learned anything, and the old fades.
"""

from __future__ import annotations

import numpy as np

from foretide.model.demand import FloatArray

_PRIOR_COUNT = 60.0  # minutes that weigh as much as the prior
_TINY = 1e-9


class OnlineRidge:
    """Weighted ridge regressions of one shape, one for each (lead, feature).

    Parameters
    ----------
    leads, features : int
        How many regressions: leads x features.
    prior : ndarray, shape (inputs,)
        Weights to start from.
    """

    def __init__(self, leads: int, features: int, prior: FloatArray) -> None:
        inputs = len(prior)
        self._prior = prior
        self._gram = np.zeros((leads, features, inputs, inputs))
        self._moment = np.zeros((leads, features, inputs))
        self._count = np.zeros((leads, features, 1))
        self.weights: FloatArray = np.broadcast_to(prior, self._moment.shape).copy()

    def absorb(
        self, inputs: FloatArray, actual: FloatArray, weight: FloatArray, decay: float
    ) -> None:
        """Add matured pairs; what was learned before fades by `decay`.

        Parameters
        ----------
        inputs : ndarray, shape (pairs, leads, features, inputs)
            As they were known when issued.
        actual : ndarray, shape (pairs, leads, features)
            What came to be, NaN where not observed.
        weight : ndarray, shape of `actual`
            What a pair counts, >= 0: 1 over its variance.
        decay : float
            In (0, 1].
        """
        known = np.isfinite(actual) & (weight > 0)
        root = np.sqrt(np.where(known, weight, 0.0))
        rows = np.moveaxis(inputs * root[..., None], 0, 2)
        target = np.moveaxis(np.where(known, actual, 0.0) * root, 0, 2)[..., None]
        across = np.swapaxes(rows, 2, 3)
        self._gram = self._gram * decay + across @ rows
        self._moment = self._moment * decay + (across @ target)[..., 0]
        self._count = self._count * decay + known.sum(axis=0)[..., None]

    def solve(self) -> None:
        """Renew the weights from what was absorbed."""
        diagonal = np.einsum("lfii->lfi", self._gram)
        ridge = diagonal * (_PRIOR_COUNT / np.maximum(self._count, 1.0)) + _TINY
        ridge += diagonal.sum(axis=-1, keepdims=True) * 1e-7
        gram = self._gram + ridge[..., None] * np.eye(len(self._prior))
        moment = self._moment + ridge * self._prior
        self.weights = np.linalg.solve(gram, moment[..., None])[..., 0]

    def predicted(self, inputs: FloatArray) -> FloatArray:
        """Return what the regressions say.

        Parameters
        ----------
        inputs : ndarray, shape (leads, features, inputs)

        Returns
        -------
        ndarray, shape (leads, features)
        """
        return np.sum(inputs * self.weights, axis=-1)
