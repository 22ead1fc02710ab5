"""This file knows what to say of a series of which little, or nothing, was ever observed.

Such forecasts are wide by declaration: their spread is a stated prior, not something learned.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.conformal import widened
from foretide.forecast.days import Days, Floats, daily_profile, decay, recent_level
from foretide.forecast.levels import normal_quantiles
from foretide.model.demand import FloatArray

# Root of the level by which demand strays, as a share of it, before anything could be learned.
_STRAY = 0.3
_STRAY_GROWTH_PER_DAY = 0.15


def unseen_quantiles(levels: tuple[float, ...]) -> FloatArray:
    """Return what is assumed of a series never observed, shape (levels,).

    An exponential distribution of mean one: about an event a bucket.
    """
    return -np.log1p(-np.asarray(levels))


def silent_quantiles(levels: tuple[float, ...], whole_days: int) -> FloatArray:
    """Return what is assumed of a series observed but never above zero, shape (levels,).

    Zero at every level up to the median; above it an exponential tail, the shorter the longer
    the series was seen to do nothing.
    """
    tail = -np.log1p(-np.asarray(levels)) - np.log(2)
    return np.maximum(tail, 0) / (1 + whole_days)


def short_quantiles(days: Days, days_ahead: int, levels: tuple[float, ...]) -> Floats:
    """Forecast from less than three days, by time of day where seen and by level elsewhere.

    Parameters
    ----------
    days : Days
        The past, relative to its level; shape (series, rows, bins).
    days_ahead : int
        Days to forecast, 1 ... 7.
    levels : tuple of float
        Quantile levels, rising.

    Returns
    -------
    ndarray, shape (series, days_ahead, bins, levels)
    """
    per_day = days.values.shape[2]
    roots = Days(values=np.sqrt(days.values), seen=days.seen)
    profile = daily_profile(roots, 4.0)
    usual = _mean(roots.values, roots.seen)
    present = usual + recent_level(_minus(roots, usual), per_day / 8)[:, -1:]
    pull = decay(days_ahead, per_day, 1.0)
    by_level = usual[:, :, None] + (present - usual)[:, :, None] * pull
    missed = Days(values=(roots.values - profile[:, -1:]) * roots.seen, seen=roots.seen)
    by_hour = profile[:, -1, None] + recent_level(missed, per_day / 8)[:, -1:, None] * pull
    centre = np.maximum((by_level + by_hour) / 2, 0)
    strayed = np.sqrt(_mean(np.square(_minus(roots, usual).values), roots.seen))
    growth = 1 + _STRAY_GROWTH_PER_DAY * np.arange(days_ahead, dtype=np.float32)
    scale = np.sqrt(np.square(strayed / 2) + np.square(_STRAY * np.maximum(usual, 0.1)))
    normal = normal_quantiles(levels)
    # Less than three days are at most two independent looks at a day.
    stretched = normal * widened(normal, np.array([2.0], dtype=np.float32))[0]
    spread = scale[:, :, None, None] * growth[:, None, None] * stretched
    return np.square(np.maximum(centre[..., None] + spread, 0)).astype(np.float32)


def _mean(values: Floats, seen: Floats) -> Floats:
    total = values.sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    return total[:, None]


def _minus(roots: Days, level: Floats) -> Days:
    return Days(values=(roots.values - level[:, :, None]) * roots.seen, seen=roots.seen)
