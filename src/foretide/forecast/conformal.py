"""This file knows how far reality strays from a forecast, by how far it strayed before.

Residuals of the combined forecast are taken in square roots (where the spread of counts is even),
divided by a scale per day ahead and one per time of day, and their quantiles become the
forecast's. Few origins make quantiles too narrow: they are widened as a Student t would be, and
leaned on a fixed heavy-tailed shape. Reference: conformal prediction; widening ours.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.choose import recency
from foretide.forecast.days import Days, Floats
from foretide.forecast.levels import LEVELS, at_levels, normal_quantiles

_HALF_LIFE_ORIGINS = 7.0
_PRIOR_FREEDOM = 6.0
# Days of residuals that weigh as much as the fixed shape.
_PRIOR_DAYS = 15.0
_BIN_SHARE = 0.7
# What of the present is left a day later, and the origins that weigh as much as that assumption.
_STAYS_PER_DAY, _ASSUMED_ORIGINS = np.float32(0.7), 5.0
# About so many values tell a shape; more only take time.
_SHAPE_VALUES = 700
# The least spread, in square roots of the level; and that of a series foreseen exactly so far, as
# errors below such a share are none: what never erred tells nothing of how it may err.
_LEAST_SPREAD, _SPREAD_WITHOUT_ERROR, _NO_ERROR = 0.002, 0.015, 1e-4
# What is assumed, in square roots of the level, where less than a day of residuals is known.
_UNKNOWN_SPREAD = 0.2


class Spread(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How far reality strays, in square roots.

    Parameters
    ----------
    scale : ndarray, shape (series, days, bins)
        Usual stray of each bin ahead, > 0.
    quantiles : ndarray, shape (series, days, len(LEVELS))
        Stray at each of `LEVELS`, in units of `scale`; rises along the levels.
    """

    scale: Floats
    quantiles: Floats


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


def wander_of(days: Days) -> Floats:
    """Return how far each series strays from its own mean day, in square roots, shape (series,)."""
    roots = np.sqrt(days.values)
    mean = roots.sum(axis=1, keepdims=True) / np.maximum(days.seen.sum(axis=1, keepdims=True), 1)
    strays = (roots - mean) * days.seen
    square = np.einsum("skb,skb->sk", strays, strays).sum(axis=1)
    return np.sqrt(square / np.maximum(days.seen.sum(axis=(1, 2)), 1))


def weekly_wander_of(days: Days) -> Floats:
    """Return how far each day strays from the same weekday before, in square roots.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins), rows > 7.

    Returns
    -------
    ndarray, shape (series,)
        Infinite where no two same weekdays were observed.
    """
    roots = np.sqrt(days.values)
    seen = days.seen[:, 7:] * days.seen[:, :-7]
    strays = (roots[:, 7:] - roots[:, :-7]) * seen
    square = np.einsum("skb,skb->sk", strays, strays).sum(axis=1)
    count = seen.sum(axis=(1, 2))
    return np.where(count > 0, np.sqrt(square / np.maximum(count, 1)), np.float32(np.inf))


def spread_of(strays: Floats, seen: Floats, level: Floats, wander: Floats) -> Spread:
    """Learn from past strays how far the next days may stray.

    Parameters
    ----------
    strays : ndarray, shape (series, origins, days, bins)
        Root of actual minus root of forecast, oldest origin first; 0 where not observed.
    seen : ndarray, shape of `strays`, or (1, origins, days, bins)
        1 where the actual was observed, else 0.
    level : ndarray, shape (series,)
        Root of the series' level: what the least spread is a share of.
    wander : ndarray, shape (series,)
        How far the series strays from a mean day, from `wander_of`: what a forecast can be off by
        when nothing of the present is left in it.

    Returns
    -------
    Spread
    """
    per_bin = _bin_scale(strays, seen)
    series, _, days, bins = strays.shape
    # Laid out as the strays are: a factor that changes with every day is slow to broadcast.
    flat = strays.reshape(series, -1, days * bins)
    even = (flat * np.tile(1 / per_bin, days)[:, None]).reshape(strays.shape)
    unknown = np.clip(1 - np.einsum("skdb->s", seen) / bins, 0, 1)
    observed = (np.einsum("skdb->skd", seen) > 0).sum(axis=1).astype(np.float32)
    per_day = _day_scale(even, seen, observed, wander)
    has_erred = per_day[:, 0] > _NO_ERROR * level
    share = np.where(has_erred, _LEAST_SPREAD, _SPREAD_WITHOUT_ERROR)
    least = level * (share + unknown * (_UNKNOWN_SPREAD - share))
    per_day = np.maximum(per_day, np.maximum(least, 1e-6)[:, None].astype(np.float32))
    own, count = _day_quantiles(even, seen, per_day)
    normal = normal_quantiles(LEVELS)
    freedom = np.full(1, _PRIOR_FREEDOM, dtype=np.float32)
    prior = normal * widened(normal, freedom)[0] * np.sqrt(1 - 2 / _PRIOR_FREEDOM)
    trust = (count / (count + _PRIOR_DAYS))[..., None]
    stretch = widened(normal, np.maximum(0.85 * (observed + observed[:, :1]) / 2, 1.5))
    blend = (trust * own + (1 - trust) * prior) * stretch
    return Spread(
        scale=(per_day[:, :, None] * per_bin[:, None]).astype(np.float32),
        quantiles=np.maximum.accumulate(blend, axis=2).astype(np.float32),
    )


def moved(centre: Floats, spread: Spread, levels: tuple[float, ...]) -> Floats:
    """Return the quantiles around a forecast, shape (series, days, bins, levels), >= 0.

    Parameters
    ----------
    centre : ndarray, shape (series, days, bins)
        The combined forecast, >= 0.
    spread : Spread
        How far reality strays from it.
    levels : tuple of float
        Quantile levels, rising, each in (0, 1).
    """
    quantiles = at_levels(spread.quantiles, levels)
    stray = spread.scale[..., None] * quantiles[:, :, None]
    stray += np.sqrt(centre)[..., None]
    np.maximum(stray, 0, out=stray)
    return np.square(stray, out=stray)


def _bin_scale(strays: Floats, seen: Floats) -> Floats:
    # Spread by time of day, smoothed over about three hours and leaned on the day's own.
    per_day = strays.shape[3]
    total = np.einsum("skdb,skdb->sb", strays, strays)
    count = np.einsum("skdb->sb", seen)
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


def _day_scale(even: Floats, seen: Floats, observed: Floats, wander: Floats) -> Floats:
    # Root mean square by day ahead; further ahead never counts as surer. Days ahead of which few
    # outcomes are known lean on the first day's, growing to what the series wanders by.
    weight = recency(even.shape[1], _HALF_LIFE_ORIGINS)
    total = np.einsum("skdb,skdb->skd", even, even).transpose(0, 2, 1) @ weight
    count = np.einsum("skdb->skd", seen).transpose(0, 2, 1) @ weight
    square = np.where(count > 0, total / np.maximum(count, 1e-6), 0)
    gone = 1 - _STAYS_PER_DAY ** np.arange(square.shape[1], dtype=np.float32)
    first = square[:, :1]
    assumed = first + np.maximum(np.square(wander)[:, None] - first, 0) * gone
    trust = observed / (observed + _ASSUMED_ORIGINS)
    square = trust * square + (1 - trust) * assumed
    return np.sqrt(_rising(square))


def _rising(by_day: Floats) -> Floats:
    # The nearest that never falls (isotonic regression by its max-min formula): a running maximum
    # would make every later day as wide as the least lucky earlier one.
    days = by_day.shape[1]
    summed = np.concatenate([np.zeros_like(by_day[:, :1]), np.cumsum(by_day, axis=1)], axis=1)
    found = np.full(by_day.shape, -np.inf, dtype=np.float32)
    for begin in range(days):
        means = np.stack(
            [
                (summed[:, end] - summed[:, begin]) / (end - begin)
                for end in range(begin + 1, days + 1)
            ],
            axis=1,
        )
        least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        found[:, begin:] = np.maximum(found[:, begin:], least)
    return found


def _day_quantiles(even: Floats, seen: Floats, per_day: Floats) -> tuple[Floats, Floats]:
    # Quantiles by groups of days ahead, and on how many days they rest: shape is much the same
    # from one day to the next once its scale is taken out.
    series, _, days, bins = even.shape
    found = np.zeros((series, days, len(LEVELS)), dtype=np.float32)
    count = np.zeros((len(seen), days), dtype=np.float32)
    scaled = even / per_day[:, None, :, None]
    bounded = np.clip(scaled, -3, 3) * seen
    n = np.einsum("skdb->sd", seen)
    place = _with_neighbours(np.einsum("skdb->sd", bounded)) / np.maximum(_with_neighbours(n), 1)
    count[:] = n / bins
    scaled = np.where(seen > 0, scaled - place[:, None, :, None], np.float32(np.inf))
    for day in range(days):
        near = scaled[:, :, max(day - 1, 0) : day + 2].reshape(series, -1)
        # An odd stride, so that every time of day is met.
        stride = (near.shape[1] // _SHAPE_VALUES) | 1
        found[:, day] = _ordered_quantiles(near[:, ::stride]) + place[:, day, None]
    return found, count


def _with_neighbours(by_day: Floats) -> Floats:
    summed = by_day.copy()
    summed[:, 1:] += by_day[:, :-1]
    summed[:, :-1] += by_day[:, 1:]
    return summed


def _ordered_quantiles(values: Floats) -> Floats:
    # Of each row, infinite where nothing was observed, at `LEVELS`; 0 where nothing was at all.
    ordered = np.sort(values, axis=1)
    last = np.maximum(np.isfinite(ordered).sum(axis=1, keepdims=True) - 1, 0)
    # Beyond the last observed one there is nothing to interpolate: the widening has to do.
    place = np.clip(np.array(LEVELS) * (last + 2) - 1, 0, last)
    low = place.astype(np.int64)
    ordered = np.where(np.isfinite(ordered[:, :1]), ordered, 0)
    below = np.take_along_axis(ordered, low, axis=1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, last), axis=1)
    return below + (place - low).astype(np.float32) * (above - below)
