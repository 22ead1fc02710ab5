"""This file knows how far reality strays from a forecast, by how far it strayed before.

Residuals of the combined forecast are taken in square roots (where the spread of counts is even),
divided by a scale per day ahead and one per time of day, and their quantiles become the
forecast's. Few origins make quantiles too narrow: they are widened as a Student t would be, and
leaned on a fixed heavy-tailed shape. Reference: conformal prediction; widening ours.
"""

from __future__ import annotations

from statistics import NormalDist

import msgspec
import numpy as np

from foretide.forecast.choose import recency
from foretide.forecast.days import Floats

_HALF_LIFE_ORIGINS = 7.0
_PRIOR_FREEDOM = 6.0
# Days of residuals that weigh as much as the fixed shape.
_PRIOR_DAYS = 6.0
_BIN_SHARE = 0.7
# Even a series that never erred may err: the least spread, in square roots of its level.
_LEAST_SPREAD = 0.015
# What is assumed, in square roots of the level, where less than a day of residuals is known.
_UNKNOWN_SPREAD = 0.2


class Spread(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How far reality strays, in square roots.

    Parameters
    ----------
    scale : ndarray, shape (series, days, bins)
        Usual stray of each bin ahead, > 0.
    quantiles : ndarray, shape (series, days, levels)
        Stray at each level, in units of `scale`; rises along the levels.
    """

    scale: Floats
    quantiles: Floats


def normal_quantiles(levels: tuple[float, ...]) -> Floats:
    """Return the standard normal's quantiles at `levels`, shape (levels,)."""
    return np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float32)


def widened(quantiles: Floats, freedom: Floats) -> Floats:
    """Return normal quantiles as wide as a Student t's, by its first term (Cornish-Fisher).

    Parameters
    ----------
    quantiles : ndarray, shape (levels,)
        Standard normal quantiles.
    freedom : ndarray, shape (...)
        Degrees of freedom, >= 1.

    Returns
    -------
    ndarray, shape (..., levels)
        The factor by which each level is to be stretched.
    """
    return 1 + (quantiles**2 + 1) / (4 * freedom[..., None])


def spread_of(strays: Floats, seen: Floats, levels: tuple[float, ...], level: Floats) -> Spread:
    """Learn from past strays how far the next days may stray.

    Parameters
    ----------
    strays : ndarray, shape (series, origins, days, bins)
        Root of actual minus root of forecast, oldest origin first; 0 where not observed.
    seen : ndarray, shape of `strays`
        1 where the actual was observed, else 0.
    levels : tuple of float
        Quantile levels, rising.
    level : ndarray, shape (series,)
        Root of the series' level: what the least spread is a share of.

    Returns
    -------
    Spread
    """
    per_bin = _bin_scale(strays, seen)
    even = strays / per_bin[:, None, None]
    unknown = np.clip(1 - seen.sum(axis=(1, 2, 3)) / strays.shape[3], 0, 1)
    least = level * (_LEAST_SPREAD + unknown * (_UNKNOWN_SPREAD - _LEAST_SPREAD))
    least = np.maximum(least, 1e-6)[:, None]
    per_day = np.maximum(_day_scale(even, seen), least)
    own, count = _day_quantiles(even / per_day[:, None, :, None], seen, levels)
    normal = normal_quantiles(levels)
    freedom = np.full(1, _PRIOR_FREEDOM, dtype=np.float32)
    prior = normal * widened(normal, freedom)[0] * np.sqrt(1 - 2 / _PRIOR_FREEDOM)
    trust = (count / (count + _PRIOR_DAYS))[..., None]
    observed_days = (seen.sum(axis=3) > 0).sum(axis=1).astype(np.float32)
    stretch = widened(normal, np.maximum(0.9 * observed_days, 1.5))
    blend = (trust * own + (1 - trust) * prior) * stretch
    return Spread(
        scale=(per_day[:, :, None] * per_bin[:, None]).astype(np.float32),
        quantiles=np.maximum.accumulate(blend, axis=2).astype(np.float32),
    )


def moved(centre: Floats, spread: Spread) -> Floats:
    """Return the quantiles around a forecast, shape (series, days, bins, levels), >= 0.

    Parameters
    ----------
    centre : ndarray, shape (series, days, bins)
        The combined forecast, >= 0.
    spread : Spread
        How far reality strays from it.
    """
    stray = spread.scale[..., None] * spread.quantiles[:, :, None]
    return np.square(np.maximum(np.sqrt(centre)[..., None] + stray, 0))


def _bin_scale(strays: Floats, seen: Floats) -> Floats:
    # Spread by time of day, smoothed over about three hours and leaned on the day's own.
    per_day = strays.shape[3]
    total = np.square(strays).sum(axis=(1, 2))
    count = seen.sum(axis=(1, 2))
    half = max(1, per_day // 16) if per_day >= 3 else 0
    for _ in range(2 if half else 0):
        total, count = _circular_sum(total, half), _circular_sum(count, half)
    mean = total.sum(axis=1, keepdims=True) / np.maximum(count.sum(axis=1, keepdims=True), 1)
    by_bin = np.where(count > 0, total / np.maximum(count, 1e-6), mean)
    relative = np.sqrt(by_bin / np.maximum(mean, 1e-12))
    relative = np.where(mean > 1e-12, relative, 1.0)
    return (1 - _BIN_SHARE + _BIN_SHARE * np.minimum(relative, 5.0)).astype(np.float32)


def _circular_sum(values: Floats, half: int) -> Floats:
    ring = np.concatenate([values[:, -half:], values, values[:, :half]], axis=1)
    view = np.lib.stride_tricks.sliding_window_view(ring, 2 * half + 1, axis=1)
    return view.sum(axis=-1) / np.float32(2 * half + 1)


def _day_scale(even: Floats, seen: Floats) -> Floats:
    # Root mean square by day ahead; further ahead never counts as surer.
    weight = recency(even.shape[1], _HALF_LIFE_ORIGINS)[:, None]
    total = (np.square(even).sum(axis=3) * weight).sum(axis=1)
    count = (seen.sum(axis=3) * weight).sum(axis=1)
    per_day = np.sqrt(np.where(count > 0, total / np.maximum(count, 1e-6), 0))
    return np.maximum.accumulate(per_day, axis=1)


def _day_quantiles(
    strays: Floats, seen: Floats, levels: tuple[float, ...]
) -> tuple[Floats, Floats]:
    # Quantiles of each day ahead and its two neighbours, and on how many days they rest.
    series, _, days, per_day = strays.shape
    unseen = np.where(seen > 0, strays, np.float32(np.inf))
    found = np.zeros((series, days, len(levels)), dtype=np.float32)
    count = np.zeros((series, days), dtype=np.float32)
    shares = np.array(levels)
    for day in range(days):
        near = unseen[:, :, max(day - 1, 0) : day + 2].reshape(series, -1)
        ordered = np.sort(near, axis=1)
        valid = np.isfinite(ordered).sum(axis=1)
        # Beyond the last observed one there is nothing to interpolate: the widening has to do.
        place = np.clip(shares * (valid[:, None] + 1) - 1, 0, np.maximum(valid - 1, 0)[:, None])
        low = place.astype(np.int64)
        high = np.minimum(low + 1, np.maximum(valid - 1, 0)[:, None])
        part = (place - low).astype(np.float32)
        ordered = np.where(np.isfinite(ordered[:, :1]), ordered, 0)
        below = np.take_along_axis(ordered, low, axis=1)
        above = np.take_along_axis(ordered, high, axis=1)
        found[:, day] = below + part * (above - below)
        count[:, day] = seen[:, :, day].sum(axis=(1, 2)) / per_day
    return found, count
