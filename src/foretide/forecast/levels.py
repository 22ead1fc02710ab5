"""This file knows the quantile levels at which spreads are learned, and how others follow.

What is learned must not depend on what is asked for, so the levels are fixed; between two of them
a quantile lies where a normal distribution through both would put it.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from foretide.forecast.days import Floats

LEVELS: tuple[float, ...] = (
    0.001, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5,
    0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.98, 0.99, 0.995, 0.998, 0.999,
)  # fmt: skip


@lru_cache(maxsize=64)
def normal_quantiles(levels: tuple[float, ...]) -> Floats:
    """Return the standard normal's quantiles at `levels`, shape (levels,), read-only."""
    found = np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float32)
    found.flags.writeable = False
    return found


def at_levels(quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """Return quantiles at any levels from those at `LEVELS`.

    Parameters
    ----------
    quantiles : ndarray, shape (..., len(LEVELS))
        Rising along the last axis.
    levels : tuple of float
        Each in (0, 1), rising; beyond the outermost of `LEVELS` the last slope goes on.

    Returns
    -------
    ndarray, shape (..., levels)
        Exact where a level is one of `LEVELS`.
    """
    return at_scores(quantiles, normal_quantiles(levels).astype(np.float64))


def at_scores(quantiles: Floats, scores: Floats) -> Floats:
    """Return quantiles at any normal scores from those at `LEVELS`; see `at_levels`.

    Parameters
    ----------
    quantiles : ndarray, shape (..., len(LEVELS))
        Rising along the last axis.
    scores : ndarray, shape (scores,)
        Standard normal quantiles of the levels asked for, rising.

    Returns
    -------
    ndarray, shape (..., scores)
    """
    known = normal_quantiles(LEVELS).astype(np.float64)
    above = np.clip(np.searchsorted(known, scores), 1, len(known) - 1)
    share = ((scores - known[above - 1]) / (known[above] - known[above - 1])).astype(
        quantiles.dtype
    )
    low, high = quantiles[..., above - 1], quantiles[..., above]
    # so that a level that is known comes out to the last bit
    return np.where(share == 1, high, np.where(share == 0, low, low + share * (high - low)))
