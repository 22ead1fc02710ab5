"""This file knows what earlier days say of a day: the smooth shape, its wander, and the week's.

Days are counted backwards from the end of the history, so that the last row of every table is
the last full day, whatever the hour at which it ends.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.wallclock import IntArray, local_s
from foretide.model.demand import FloatArray


class DayTable(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was expected of each day from the days before it.

    Parameters
    ----------
    smooth : ndarray, shape (days + 2, buckets a day)
        Recency-weighted mean of the same bucket on earlier days, smoothed over the day. The last
        two rows are the days after the history. NaN where no earlier day was observed.
    wander : ndarray, same shape
        What the smoothing took away: demand that comes at its own minute, like scheduled jobs.
    weekly : ndarray, same shape
        How the same weekday differs from `smooth`; 0 before there is a week of history.
    """

    smooth: FloatArray
    wander: FloatArray
    weekly: FloatArray


def day_rows(values: FloatArray, buckets_per_day: int, first_row: int = 0) -> FloatArray:
    """Return `values` cut into days that end where `values` ends, NaN before the beginning.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        History.
    buckets_per_day : int
        Buckets in a day.
    first_row : int
        Rows to leave out at the beginning.

    Returns
    -------
    ndarray, shape (days, buckets_per_day)
    """
    rows = -(-len(values) // buckets_per_day)
    padded = np.full(rows * buckets_per_day, np.nan)
    padded[len(padded) - len(values) :] = values
    return padded.reshape(rows, buckets_per_day)[first_row:]


def wall_places(
    count: int, ahead: int, *, step_s: int, start_s: int, zone: ZoneInfo | None
) -> IntArray:
    """Return where buckets stand on the wall clock, counted from the end of the history.

    Parameters
    ----------
    count, ahead : int
        Buckets of history, and after it.
    step_s : int
        Length of a bucket in seconds.
    start_s : int
        When the first bucket began, in seconds from the epoch.
    zone : ZoneInfo or None
        Whose wall clock; None for one that never changes.

    Returns
    -------
    ndarray of int, shape (count + ahead,)
        0 for the first bucket after the history. Where DST begins places are left out, where it
        ends they come twice.
    """
    steps = np.arange(count + ahead, dtype=np.int64)
    if zone is None:
        return steps - count
    clock = local_s(start_s + steps * step_s, zone)
    return (clock - clock[count]) // step_s


def on_wall(values: FloatArray, places: IntArray) -> FloatArray:
    """Return a history as the wall clock showed it.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        History.
    places : ndarray of int, shape (buckets,)
        From `wall_places`; all < 0.

    Returns
    -------
    ndarray, shape (places before the end,)
        NaN in an hour that DST skipped; of one that it repeated the second counts.
    """
    if (np.diff(places) == 1).all():
        return values
    first = int(places.min())
    found = np.full(-first, np.nan)
    found[places - first] = values
    return found


def weighted_mean(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the mean over rows by weight, leaving out what is NaN.

    Parameters
    ----------
    rows : ndarray, shape (rows, buckets)
    weights : ndarray, shape (rows,)

    Returns
    -------
    ndarray, shape (buckets,)
        NaN where every row is.
    """
    seen = np.isfinite(rows)
    weight = weights[:, None] * seen
    total = weight.sum(axis=0)
    weighted = (weight * np.where(seen, rows, 0.0)).sum(axis=0)
    blank = np.full(len(total), np.nan)
    return np.divide(weighted, total, out=blank, where=total > 0)


def smoothed_day(day: FloatArray, half_width: int) -> FloatArray:
    """Return the centred moving mean of a day that follows upon itself, leaving out NaN.

    Parameters
    ----------
    day : ndarray, shape (buckets,)
    half_width : int
        Buckets on either side, >= 0, at most the day's length.

    Returns
    -------
    ndarray, shape (buckets,)
    """
    around = np.concatenate([day[len(day) - half_width :], day, day[:half_width]])
    return trailing_mean(around, 2 * half_width + 1)[2 * half_width :]


def trailing_mean(values: FloatArray, width: int) -> FloatArray:
    """Return the mean of the last `width` values at each place, leaving out NaN.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
    width : int
        Buckets, >= 1.

    Returns
    -------
    ndarray, shape (buckets,)
        NaN where all of them are. Each entry depends on the values up to it alone, bit for bit.
    """
    seen = np.isfinite(values)
    sums = np.cumsum(np.concatenate([np.zeros(width), np.where(seen, values, 0.0)]))
    counts = np.cumsum(np.concatenate([np.zeros(width), seen]))
    total, count = sums[width:] - sums[:-width], counts[width:] - counts[:-width]
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def day_table(
    rows: FloatArray, *, first_row: int, memory_days: int, half_life_days: float, half_width: int
) -> DayTable:
    """Return what the days before each day say of it.

    Parameters
    ----------
    rows : ndarray, shape (days, buckets)
        History by days, from `day_rows`.
    first_row : int
        First day wanted; earlier ones serve as history only.
    memory_days : int
        Days looked back upon.
    half_life_days : float
        Age at which a day counts half.
    half_width : int
        Smoothing on either side, in buckets.

    Returns
    -------
    DayTable
        Rows from `first_row` to two days after the history.
    """
    wanted = range(first_row, len(rows) + 2)
    smooth = np.full((len(wanted), rows.shape[1]), np.nan)
    wander, weekly = np.zeros_like(smooth), np.zeros_like(smooth)
    for place, day in enumerate(wanted):
        before = rows[max(0, day - memory_days) : day]
        if not len(before):
            continue
        age = np.arange(len(before), 0, -1) - 1.0
        mean = weighted_mean(before, np.exp2(-age / half_life_days))
        smooth[place] = smoothed_day(mean, half_width)
        wander[place] = np.nan_to_num(mean - smooth[place])
        same = [day - 7 * back for back in (1, 2, 3) if 0 <= day - 7 * back < len(rows)]
        if same:
            fading = np.exp2(-np.arange(len(same)) / 1.5)
            week = weighted_mean(rows[same], fading)
            weekly[place] = np.nan_to_num(smoothed_day(week, half_width) - smooth[place])
    return DayTable(smooth=smooth, wander=wander, weekly=weekly)
