"""This file knows what kind of demand a series is, and how wrong repeating its past would be."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foretide.forecast.base import DAY_S
from foretide.model.accuracy import SeriesClass
from foretide.model.demand import Demand, FloatArray

_HOUR_S = 3600
_LOOK_BACK_DAYS = 56
_YOUNG_DAYS = 14
_SPARSE_ZEROS = 0.5
_EXPLAINED = 0.5
# How much more of the variance the hour of the week must explain than the hour of the day.
_WEEK_GAIN = 0.1
_DRIFT_RATIO = 1.5
_DRIFT_CORRELATION = 0.3
_BURST_RATIO = 3.0
_BURST_LEVEL = 0.995
_WEEKS_FOR_WEEKDAYS = 3
_LAG_DAYS_OF_WEEKS = 8


def naive_scale_of(demand: Demand, issued_at: datetime) -> float:
    """Return the mean error of repeating the last week (or day), in the weeks before `issued_at`.

    What the mean absolute scaled error is scaled by.

    Parameters
    ----------
    demand : Demand
        What was observed.
    issued_at : datetime
        Buckets that ended later are not looked at.

    Returns
    -------
    float
        In the unit of the series; 0 where fewer than two days are known or nothing ever changed.
    """
    values = _known(demand, issued_at)
    days = len(values) * demand.step_s / DAY_S
    lag = (7 if days >= _LAG_DAYS_OF_WEEKS else 1) * DAY_S // demand.step_s
    if not 0 < lag < len(values):
        return 0.0
    change = np.abs(values[lag:] - values[:-lag])
    change = change[np.isfinite(change)]
    return float(change.mean()) if len(change) else 0.0


def class_of(demand: Demand, issued_at: datetime) -> SeriesClass:
    """Return what kind of demand a series was at an instant.

    Parameters
    ----------
    demand : Demand
        What was observed.
    issued_at : datetime
        Buckets that ended later are not looked at.
    """
    values = _known(demand, issued_at)
    seen = np.isfinite(values)
    if len(values) * demand.step_s < _YOUNG_DAYS * DAY_S:
        return SeriesClass.YOUNG
    if (values[seen] == 0).mean() > _SPARSE_ZEROS:
        return SeriesClass.SPARSE
    days = _by_day(values, demand.step_s)
    if _is_drifting(days):
        return SeriesClass.DRIFTING
    if _is_bursty(days):
        return SeriesClass.BURSTY
    by_day, by_week = _explained(days, 1), _explained(days, 7)
    if by_week >= _EXPLAINED and by_week - by_day >= _WEEK_GAIN:
        return SeriesClass.WEEKLY
    return SeriesClass.REGULAR if by_day >= _EXPLAINED else SeriesClass.IRREGULAR


def _known(demand: Demand, issued_at: datetime) -> FloatArray:
    # From the first bucket observed, eight weeks at most.
    values = demand.until(issued_at).values[-_LOOK_BACK_DAYS * DAY_S // demand.step_s :]
    seen = np.flatnonzero(np.isfinite(values))
    return values[seen[0] : seen[-1] + 1] if len(seen) else values[:0]


def _by_day(values: FloatArray, step_s: int) -> FloatArray:
    # Means of about an hour, whole days ending with the last bucket: shape (days, bins).
    per_bin = max(1, _HOUR_S // step_s)
    per_day = max(1, DAY_S // (step_s * per_bin))
    days = len(values) // (per_bin * per_day)
    bins = values[len(values) - days * per_bin * per_day :].reshape(-1, per_bin)
    return _mean(bins, axis=1).reshape(days, per_day)


def _mean(values: FloatArray, axis: int) -> FloatArray:
    seen = np.isfinite(values)
    count = seen.sum(axis=axis)
    total = np.where(seen, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _explained(days: FloatArray, period: int) -> float:
    # Share of the variance that the mean of every `period` days explains, less what as many free
    # means would explain of pure noise.
    rows = len(days) // period * period
    laid = days[len(days) - rows :].reshape(-1, period * days.shape[1])
    rest = laid - _mean(laid, axis=0)
    rest, whole = rest[np.isfinite(rest)], laid[np.isfinite(laid)]
    free = len(rest) - laid.shape[1]
    if free <= 0 or whole.var() <= 1e-12 * whole.mean() ** 2:
        return 0.0
    return float(1 - np.square(rest).sum() / free / whole.var())


def _is_drifting(days: FloatArray) -> bool:
    last, before = days[-7:], days[-28:-7]
    now, then = (float(np.nan_to_num(_mean(part.ravel(), axis=0))) for part in (last, before))
    if max(now, then) > _DRIFT_RATIO * min(now, then):
        return True
    if _explained(before, 1) < _EXPLAINED:
        return False
    shapes = np.stack([_mean(last, axis=0), _mean(before, axis=0)])
    shapes = shapes[:, np.isfinite(shapes).all(axis=0)]
    if shapes.shape[1] < 3 or (shapes.std(axis=1) <= 0).any():
        return False
    even = shapes - shapes.mean(axis=1, keepdims=True)
    even /= np.sqrt(np.square(even).sum(axis=1, keepdims=True))
    return float(even[0] @ even[1]) < _DRIFT_CORRELATION


def _is_bursty(days: FloatArray) -> bool:
    level = float(np.nan_to_num(_mean(days.ravel(), axis=0)))
    filled = np.where(np.isfinite(days), days, level)
    usual = np.broadcast_to(_usual(filled, 1), filled.shape)
    if len(days) >= 7 * _WEEKS_FOR_WEEKDAYS:
        # a Saturday night is no burst where every Saturday has one
        weeks = -(-len(days) // 7)
        usual = np.maximum(usual, np.tile(_usual(filled, 7), (weeks, 1))[-len(days) :])
    ratio = filled / np.maximum(usual, max(0.25 * level, 1e-300))
    return bool(np.quantile(ratio, _BURST_LEVEL) > _BURST_RATIO)


def _usual(days: FloatArray, period: int) -> FloatArray:
    # The median of every `period` days, shape (period, bins), the highest of an hour and its
    # neighbours: a steep morning is no burst.
    rows = len(days) // period * period
    usual = np.median(days[len(days) - rows :].reshape(-1, period * days.shape[1]), axis=0)
    if len(usual) >= 3:
        usual = sliding_window_view(np.pad(usual, 1, mode="wrap"), 3).max(axis=1)
    return usual.reshape(period, -1)
