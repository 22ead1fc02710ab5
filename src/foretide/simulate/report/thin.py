"""This file knows how months of minutes are drawn with a few points, and which day to look at."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from foretide.model.demand import FloatArray

_DAY_MINUTES = 1440
_SMOOTH_MINUTES = 15
_RAMP_MINUTES = 30
_BEFORE_RAMP_MINUTES = 8 * 60
_SEEN_FRACTION = 0.9


def thin_extremes(values: FloatArray, column_count: int) -> tuple[FloatArray, float]:
    """Keep the lowest and the highest value of each column of pixels, in order of time.

    A mean would hide the very peaks capacity is bought for.

    Parameters
    ----------
    values : ndarray, shape (minutes,)
        One value a minute; NaN where there is none.
    column_count : int
        Columns to draw, >= 1.

    Returns
    -------
    points : ndarray, shape (<= 2 x column_count,)
        Evenly spaced in time; NaN where a column holds nothing.
    step_min : float
        Minutes between two points.
    """
    if len(values) <= 2 * column_count:
        return values, 1.0
    width = -(-len(values) // column_count)
    padded = np.full(-(-len(values) // width) * width, np.nan)
    padded[: len(values)] = values
    columns = padded.reshape(-1, width)
    lowest: FloatArray = np.fmin.reduce(columns, axis=1)
    highest: FloatArray = np.fmax.reduce(columns, axis=1)
    low_at = np.where(np.isnan(columns), np.inf, columns).argmin(axis=1)
    high_at = np.where(np.isnan(columns), -np.inf, columns).argmax(axis=1)
    rises = low_at <= high_at
    first, second = np.where(rises, lowest, highest), np.where(rises, highest, lowest)
    return np.column_stack([first, second]).ravel(), width / 2


def steepest_day(demand_rps: FloatArray) -> slice:
    """Return the day around the steepest half-hour rise of demand.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        NaN where demand was not observed.

    Returns
    -------
    slice
        Of at most 1440 minutes, eight hours of them before the rise where there are as many.
    """
    count = len(demand_rps)
    if count <= _DAY_MINUTES:
        return slice(0, count)
    seen = np.isfinite(demand_rps)
    kernel = np.ones(_SMOOTH_MINUTES)
    sums = np.convolve(np.where(seen, demand_rps, 0.0), kernel, mode="same")
    weights = np.convolve(seen.astype(float), kernel, mode="same")
    level = np.where(weights >= _SMOOTH_MINUTES / 2, sums / np.maximum(weights, 1.0), np.nan)
    rise = level[_RAMP_MINUTES:] - level[:-_RAMP_MINUTES]
    at = int(np.argmax(np.where(np.isnan(rise), -np.inf, rise)))
    first = min(max(at - _BEFORE_RAMP_MINUTES, 0), count - _DAY_MINUTES)
    return slice(first, first + _DAY_MINUTES)


def worst_day(missed_rps: FloatArray, demand_rps: FloatArray, start: datetime) -> slice:
    """Return the day (UTC) on which most was missed, or that of the steepest rise if nothing was.

    Parameters
    ----------
    missed_rps, demand_rps : ndarray, shape (minutes,)
        NaN where demand was not observed.
    start : datetime
        Of the first minute.

    Returns
    -------
    slice
        Of at most 1440 minutes.
    """
    days = _whole_days(len(demand_rps), start)
    missed = [float(np.nansum(missed_rps[day])) for day in days]
    if not days or max(missed) == 0:
        return steepest_day(demand_rps)
    return days[int(np.argmax(missed))]


def typical_day(demand_rps: FloatArray, start: datetime, other: slice) -> slice | None:
    """Return the day (UTC) that is most like the median day of all.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        NaN where demand was not observed.
    start : datetime
        Of the first minute.
    other : slice
        A day that is shown already, and may not be chosen.

    Returns
    -------
    slice, optional
        None where no other whole day was observed.
    """
    days = _whole_days(len(demand_rps), start)
    seen = [day for day in days if np.isfinite(demand_rps[day]).mean() >= _SEEN_FRACTION]
    if not seen:
        return None
    each = np.stack([demand_rps[day] for day in seen])
    known = np.isfinite(each)
    middle = np.median(np.where(known, each, 0.0), axis=0)
    stray = np.where(known, np.abs(each - middle), 0.0).sum(axis=1) / known.sum(axis=1)
    order: list[int] = np.argsort(stray, kind="stable").tolist()
    return next((seen[place] for place in order if not _overlap(seen[place], other)), None)


def _whole_days(count: int, start: datetime) -> list[slice]:
    into = start - start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = -(into // timedelta(minutes=1)) % _DAY_MINUTES
    return [
        slice(at, at + _DAY_MINUTES) for at in range(first, count - _DAY_MINUTES + 1, _DAY_MINUTES)
    ]


def _overlap(one: slice, other: slice) -> bool:
    return one.start < other.stop and other.start < one.stop
