"""This file knows how good a forecast was, once what it spoke of has happened."""

from __future__ import annotations

import numpy as np

from foretide.model.demand import FloatArray


def pinball(values: FloatArray, levels: tuple[float, ...], actual: FloatArray) -> FloatArray:
    """Return the pinball loss at every step and level.

    Parameters
    ----------
    values : ndarray, shape (steps, levels)
        Forecast quantiles.
    levels : tuple of float
        Their levels, each in (0, 1).
    actual : ndarray, shape (steps,)
        What came to be; NaN where it was not observed.

    Returns
    -------
    ndarray, shape (steps, levels)
        >= 0, in the unit of the series; NaN where `actual` is.
    """
    over = actual[:, None] - values
    shares = np.asarray(levels)
    return np.maximum(shares * over, (shares - 1) * over)


def wql(values: FloatArray, levels: tuple[float, ...], actual: FloatArray) -> float:
    """Return the weighted quantile loss: twice the pinball loss over the demand, mean by level.

    Parameters
    ----------
    values, levels, actual
        As for `pinball`.

    Returns
    -------
    float
        0 is perfect; NaN when nothing but zero was observed.
    """
    total = np.nansum(np.abs(actual))
    if total == 0:
        return float("nan")
    losses = np.nansum(pinball(values, levels, actual))
    return float(2 * losses / total) / len(levels)


def coverage(lower: FloatArray, upper: FloatArray, actual: FloatArray) -> float:
    """Return the share of observed steps that lay in [lower, upper].

    Parameters
    ----------
    lower, upper, actual : ndarray, shape (steps,)
        An interval, and what came to be; NaN where it was not observed.

    Returns
    -------
    float
        In [0, 1]; NaN when nothing was observed.
    """
    seen = np.isfinite(actual)
    if not seen.any():
        return float("nan")
    inside = (actual[seen] >= lower[seen]) & (actual[seen] <= upper[seen])
    return float(inside.mean())
