"""This file knows how forecasts of several candidates become one.

On usual days their quantiles are averaged. In a surge nobody knows whether it will last: one
candidate says so, another says not, and the average would be wrong either way. Then their chances
are pooled: high quantiles come from who says it lasts, low ones from who says not.
"""

from __future__ import annotations

import numpy as np

from foretide.model.demand import FloatArray

POOL_LEVELS = (
    0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999,
)  # fmt: skip
_EDGES = np.concatenate([[0.0], (np.array(POOL_LEVELS[1:]) + POOL_LEVELS[:-1]) / 2, [1.0]])
_MASSES = np.diff(_EDGES)
_TINY = 1e-9


def averaged(values: FloatArray, trust: FloatArray) -> FloatArray:
    """Return the mean of quantiles by trust.

    Parameters
    ----------
    values : ndarray, shape (candidates, ..., levels)
    trust : ndarray, shape (candidates, ...)
        >= 0, of sum 1 over the candidates.

    Returns
    -------
    ndarray, shape (..., levels)
    """
    mixed = np.zeros(values.shape[1:])
    for part, one in zip(trust, values, strict=True):
        mixed += part[..., None] * one
    return mixed


def pooled(values: FloatArray, trust: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles of the pool of all candidates' chances.

    Parameters
    ----------
    values : ndarray, shape (candidates, ..., pool levels)
        Quantiles at `POOL_LEVELS`.
    trust : ndarray, shape (candidates, ...)
        >= 0, of sum 1 over the candidates.
    levels : tuple of float
        Levels wanted.

    Returns
    -------
    ndarray, shape (..., levels)
    """
    weights = trust[..., None] * _MASSES
    cells = values.shape[1:-1]
    value = np.moveaxis(values, 0, -2).reshape(*cells, -1)
    weight = np.moveaxis(weights, 0, -2).reshape(*cells, -1)
    order = np.argsort(value, axis=-1, kind="stable")
    value = np.take_along_axis(value, order, axis=-1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=-1), axis=-1)
    found = np.empty((*cells, len(levels)))
    for place, level in enumerate(levels):
        at = np.minimum((reached < level - _TINY).sum(axis=-1), value.shape[-1] - 1)
        found[..., place] = np.take_along_axis(value, at[..., None], axis=-1)[..., 0]
    return found
