"""This file knows the level of a young series against a shape it was lent, and how surely."""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.shape_bank import Estimate, Shape, hourly
from foretide.model.demand import FloatArray

_HOUR_S = 3600
_HALF_LIFE_DAYS = 2.0
# Added to the shape: where it is all but zero a single call must not tell of thousands by day.
_FLOOR = 0.1
# A declared level, or the predecessor's, weighs as much as this much observed at it.
_DECLARED_H = 6.0
# Standard deviation of the root of the level, as a share of it: declared, and by kinship alone.
_DECLARED_STRAY, _GUESSED_STRAY = 0.25, 0.75
_TOLD_PER_HOUR = 48.0  # what an hour tells of the level where values are no counts
_PRIOR_H = 12.0
_HOURS_TO_TRUST, _SHARPNESS, _LEAN = 24.0, 8.0, 1.0
_PEAK_OVER_MEAN = 2.0


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What stretches the shape to a young series.

    Parameters
    ----------
    mean : float
        Mean amount per bucket where the shape is one, >= 0.
    root_variance : float
        How far roots of the series may stray from roots of the stretched shape, squared.
    seen_h : float
        Hours in which it was observed.
    """

    mean: float
    root_variance: float
    seen_h: float


def level_of(observed: FloatArray, shape: Shape, step_s: int, estimate: Estimate | None) -> Level:
    """Return the level of a young series.

    Parameters
    ----------
    observed : ndarray, shape (buckets,)
        What was observed beside the shape, NaN elsewhere.
    shape : Shape
        Mean about one.
    step_s : int
        Length of a bucket in seconds.
    estimate : Estimate or None
        What was declared of it.
    """
    both = np.isfinite(observed) & np.isfinite(shape.values)
    amounts, expected = observed[both], shape.values[both]
    is_counts = bool((amounts == np.round(amounts)).all())
    prior, prior_buckets, stray = _prior(shape, step_s, estimate, is_counts=is_counts)
    age_days = np.flatnonzero(both[::-1])[::-1] * (step_s / DAY_S)
    weight = np.exp2(-age_days / _HALF_LIFE_DAYS)
    stretched = (expected + _FLOOR) / (1 + _FLOOR)
    mass = float((weight * stretched).sum()) + prior_buckets
    mean = (float((weight * amounts).sum()) + prior * prior_buckets) / mass if mass else 0.0
    seen_h = len(amounts) * step_s / _HOUR_S
    variance = np.square(shape.disagreement) * mean + (0.25 if is_counts else 0.0)
    missed = np.square(np.sqrt(amounts) - np.sqrt(mean * expected)).sum() * step_s / _HOUR_S
    variance = (float(missed) + variance * _PRIOR_H) / (seen_h + _PRIOR_H)
    told = 4 * float(amounts.sum()) if is_counts else _TOLD_PER_HOUR * seen_h
    unsure = mean / (1 / np.square(stray) + told)
    return Level(
        mean=mean,
        root_variance=float(variance * (1 + 3 / (seen_h + 1)) + unsure),
        seen_h=seen_h,
    )


def agreement(observed: FloatArray, shape: Shape, step_s: int) -> float:
    """Return how far the shape is to be believed against the series' own earlier days, 0 ... 1.

    Both are asked for every hour since the second day, from what was seen half a day before: the
    shape at the level of the last two days, and the mean of the same hour on up to three days.

    Parameters
    ----------
    observed : ndarray, shape (buckets,)
        What was observed beside the shape, NaN elsewhere.
    shape : Shape
        Mean about one.
    step_s : int
        Length of a bucket in seconds.
    """
    per_hour = max(1, _HOUR_S // step_s)
    per_day = max(1, DAY_S // (per_hour * step_s))
    own, lent = np.sqrt(hourly(observed, per_hour)), np.sqrt(hourly(shape.values, per_hour))
    day_before = np.stack([_later(own, day * per_day) for day in (1, 2, 3)])
    seen = np.isfinite(day_before)
    count = seen.sum(axis=0)
    by_days = np.where(seen, day_before, 0.0).sum(axis=0) / np.maximum(count, 1)
    by_shape = lent * _recent_stretch(own, lent, per_day)
    told = np.isfinite(own) & np.isfinite(by_shape) & (count > 0)
    weight = np.exp2(-np.arange(len(own))[::-1] / (_HALF_LIFE_DAYS * per_day)) * told
    missed = [
        float((weight * np.where(told, np.abs(own - one), 0.0)).sum())
        for one in (by_shape, by_days)
    ]
    trust = told.sum() * 24 / per_day
    trust = trust / (trust + _HOURS_TO_TRUST)
    ahead = 1 - missed[0] / missed[1] if missed[1] > 0 else -float(missed[0] > 0)
    score = _SHARPNESS * ahead * trust + _LEAN * (1 - trust)
    return float(1 / (1 + np.exp(-np.clip(score, -20, 20))))


def _prior(
    shape: Shape, step_s: int, estimate: Estimate | None, *, is_counts: bool
) -> tuple[float, float, float]:
    # Expected mean, how many buckets it weighs, and how unsure its root is.
    declared_buckets = _DECLARED_H * _HOUR_S / step_s
    if estimate is not None:
        return _declared(shape, step_s, estimate), declared_buckets, _DECLARED_STRAY
    if np.isfinite(shape.predecessor_mean):
        return shape.predecessor_mean, declared_buckets, _DECLARED_STRAY
    # as much as one call would tell: nothing where amounts are no counts
    weight = 1 / shape.typical_mean if is_counts else 0.0
    return shape.typical_mean, weight, _GUESSED_STRAY


def _declared(shape: Shape, step_s: int, estimate: Estimate) -> float:
    if estimate.daily_amount is not None:
        return estimate.daily_amount * step_s / DAY_S
    peak = (estimate.peak_per_s or 0.0) * step_s
    if not shape.elders:
        return peak / _PEAK_OVER_MEAN
    hours = hourly(shape.values, max(1, _HOUR_S // step_s))
    week = hours[-7 * DAY_S // max(_HOUR_S, step_s) :]
    return peak / float(np.nanmax(week)) if np.isfinite(week).any() else peak / _PEAK_OVER_MEAN


def _later(values: FloatArray, places: int) -> FloatArray:
    moved = np.full_like(values, np.nan)
    if places < len(values):
        moved[places:] = values[: len(values) - places]
    return moved


def _recent_stretch(own: FloatArray, lent: FloatArray, per_day: int) -> FloatArray:
    # Root of own over lent in the two days that ended half a day before each hour.
    both = np.isfinite(own) & np.isfinite(lent)
    sums = [
        np.concatenate([[0.0], np.cumsum(np.where(both, np.square(one), 0.0))])
        for one in (own, lent)
    ]
    at = np.arange(len(own))
    end = np.maximum(at - per_day // 2, 0)
    begin = np.maximum(at - 2 * per_day, 0)
    top, below = (one[np.maximum(end, begin)] - one[begin] for one in sums)
    return np.sqrt(np.divide(top, below, out=np.full_like(own, np.nan), where=below > 0))
