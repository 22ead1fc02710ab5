"""This file knows how counts spread about their mean, as quantiles.

Calls in a minute are whole and often few. Their variance is the mean times (1 + dispersion): below
zero where it is known who may call (a binomial), zero where strangers come on their own (a Poisson
count), above where the mean itself is unsure (a negative binomial).
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np

from foretide.forecast.path_stage import IntArray
from foretide.model.demand import FloatArray

DISPERSIONS = (-0.4, -0.25, -0.1, 0.0, 0.15, 0.35, 0.7, 1.2, 2.0, 4.0, 8.0, 20.0, 60.0, 200.0)
_VARIANCES = 1.0 + np.array(DISPERSIONS)  # over the mean
POISSON_AT = DISPERSIONS.index(0.0)
_MEAN_MIN, _MEAN_MAX, _MEANS = 0.003, 40.0, 480
_STEP = np.log(_MEAN_MAX / _MEAN_MIN) / (_MEANS - 1)
_COUNT_MAX = 1200


def quantiles(mean: FloatArray, dispersion: IntArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles of counts.

    Parameters
    ----------
    mean : ndarray, shape (...)
        Expected counts, >= 0.
    dispersion : ndarray of int, shape (..., levels), or fewer of the same last axes
        Index into `DISPERSIONS`, for each level.
    levels : tuple of float
        Rising, each in (0, 1).

    Returns
    -------
    ndarray, shape (..., levels)
        >= 0; rising with the level where the dispersion is the same.
    """
    table = _table(levels)
    column = dispersion * (_MEANS * len(levels)) + np.arange(len(levels))
    found = table.ravel().take(column + (_near(mean) * len(levels))[..., None])
    large = mean > _MEAN_MAX
    if large.any():
        spread = np.broadcast_to(dispersion, found.shape)[large]
        found[large] = _smooth(mean[large][:, None], _VARIANCES[spread], levels)
    return found


def all_quantiles(mean: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return quantiles of counts for every one of `DISPERSIONS`.

    Parameters
    ----------
    mean : ndarray, shape (...)
        Expected counts, >= 0.
    levels : tuple of float
        Rising, each in (0, 1).

    Returns
    -------
    ndarray, shape (dispersions, ..., levels)
    """
    found = _table(levels).take(_near(mean), axis=1)
    large = mean > _MEAN_MAX
    if large.any():
        found[:, large] = _smooth(mean[large][:, None], _VARIANCES[:, None, None], levels)
    return found


def _near(mean: FloatArray) -> IntArray:
    place = np.log(np.maximum(mean, _MEAN_MIN) / _MEAN_MIN) / _STEP
    return np.minimum(np.rint(place), _MEANS - 1).astype(np.int64)


def _smooth(mean: FloatArray, variance: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    # Wilson and Hilferty's cube: close to both kinds of counts where the mean is large.
    spread = variance / (9 * mean)
    root = np.maximum(1 - spread + _scores(levels) * np.sqrt(spread), 0.0)
    return mean * (root * root * root)


@lru_cache(maxsize=16)
def _scores(levels: tuple[float, ...]) -> FloatArray:
    return np.array([NormalDist().inv_cdf(level) for level in levels])


@lru_cache(maxsize=16)
def _table(levels: tuple[float, ...]) -> FloatArray:
    mean = _MEAN_MIN * np.exp(_STEP * np.arange(_MEANS))
    return np.stack([_column(mean, one, levels) for one in DISPERSIONS])


def _column(mean: FloatArray, dispersion: float, levels: tuple[float, ...]) -> FloatArray:
    # p(k + 1) / p(k) in the family that holds binomial, Poisson and negative binomial.
    ratio = dispersion / (1 + dispersion)
    slope = mean / (1 + dispersion)
    chance = np.exp(-mean * _log1p_over(dispersion))
    total = chance.copy()
    found = np.full((len(mean), len(levels)), -1.0)
    for count in range(_COUNT_MAX):
        found = np.where((total[:, None] >= levels) & (found < 0), count, found)
        if (found >= 0).all():
            break
        chance = chance * np.maximum(slope + ratio * count, 0.0) / (count + 1)
        total += chance
    return np.where(found < 0, _COUNT_MAX, found)


def _log1p_over(dispersion: float) -> float:
    # log(1 + d) / d, which is 1 at 0: the chance of no call is its exponential.
    return float(np.log1p(dispersion) / dispersion) if dispersion else 1.0
