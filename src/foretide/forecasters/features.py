"""This file knows what a learning model may look at when it forecasts an hour from some day.

All of it was known at that day's beginning. Amounts are square roots relative to the series' own
recent mean, so that series of any size can be learned from together; bursts are cut first.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.days import BoolArray, Floats, calmed
from foretide.forecast.wallclock import IntArray
from foretide.forecasters.shown import Shown

_ROOT_MAX = np.float32(3.5)  # of an amount a dozen times the mean: beyond it one series would rule
_WEEKS = 4
AHEAD_DAYS = 7


def calm_roots(shown: Shown) -> Floats:
    """Return the past in bounded square roots, shape (days, bins); NaN where not observed."""
    days = calmed(shown.past.days)
    roots = np.minimum(np.sqrt(days.values[0]), _ROOT_MAX)
    return np.where(days.seen[0] > 0, roots, np.float32(np.nan))


def usual(roots: Floats, rows: Sequence[int], days_ahead: int) -> Floats:
    """Return the usual root of each bin ahead: the mean of up to four same weekdays.

    Parameters
    ----------
    roots : ndarray, shape (days, bins)
        The past, NaN where not observed.
    rows : sequence of int
        Days from which to look ahead, each 0 ... days.
    days_ahead : int
        1 ... 7.

    Returns
    -------
    ndarray of float32, shape (rows, days_ahead, bins)
        Where no such weekday was observed the last week's mean of that bin, then of all, then 0.
    """
    weekly = mean_of(_same_weekdays(roots, rows, days_ahead), axis=2)
    daily = mean_of(_recent(roots, rows, 7), axis=1)[:, None]
    overall = np.nan_to_num(mean_of(daily, axis=2))[:, :, None]
    daily = np.where(np.isfinite(daily), daily, overall)
    return np.where(np.isfinite(weekly), weekly, daily).astype(np.float32)


def features(
    shown: Shown,
    roots: Floats,
    rows: Sequence[int],
    days_ahead: int,
    behaviour: Sequence[Floats],
) -> Floats:
    """Return what is known of each bin ahead from each of some days.

    Parameters
    ----------
    shown : Shown
        The series.
    roots : ndarray, shape (days, bins)
        Its past by `calm_roots`.
    rows : sequence of int
        Days from which to look ahead.
    days_ahead : int
        1 ... 7.
    behaviour : sequence of ndarray, each of the shape of `roots`
        What else was observed on those days, relative to its own mean; NaN where it was not.

    Returns
    -------
    ndarray of float32, shape (rows, days_ahead, bins, features)
        NaN where not known.
    """
    shape = (len(rows), days_ahead, shown.per_day)
    expected = usual(roots, rows, days_ahead)
    same = _same_weekdays(roots, rows, days_ahead)
    week = _recent(roots, rows, 7)
    columns = [
        expected,
        same[:, :, 0],
        same[:, :, 1],
        spread_of_roots(same, axis=2),
        *(day[:, None] for day in (week[:, -1], week[:, -2], mean_of(week, axis=1))),
        _same_kind(shown, roots, rows, days_ahead),
        *_levels(roots, rows),
        *_clock(shown, rows, days_ahead),
    ]
    for values in behaviour:
        columns += _behaviour(values, rows)
    return np.stack([np.broadcast_to(one, shape) for one in columns], axis=-1).astype(np.float32)


def mean_of(values: Floats, axis: int) -> Floats:
    """Return the mean of what was observed, NaN where nothing was."""
    seen = np.isfinite(values)
    count = seen.sum(axis=axis)
    total = np.where(seen, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def spread_of_roots(values: Floats, axis: int) -> Floats:
    """Return the standard deviation of what was observed, NaN where nothing was."""
    with warnings.catch_warnings():
        # of numpy, where nothing was observed
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanstd(values, axis=axis)


def _row(roots: Floats, row: IntArray) -> Floats:
    # Rows by number, NaN before the first; shape (*row.shape, bins).
    found = roots[np.clip(row, 0, len(roots) - 1)]
    return np.where((row >= 0)[..., None], found, np.float32(np.nan))


def _same_weekdays(roots: Floats, rows: Sequence[int], days_ahead: int) -> Floats:
    # The days one to four weeks before each day ahead, shape (rows, days ahead, weeks, bins).
    ahead = np.asarray(rows, dtype=np.int64)[:, None, None] + np.arange(days_ahead)[:, None]
    return _row(roots, ahead - 7 * np.arange(1, _WEEKS + 1))


def _recent(roots: Floats, rows: Sequence[int], days: int) -> Floats:
    # The last days before each row, oldest first, shape (rows, days, bins).
    return _row(roots, np.asarray(rows, dtype=np.int64)[:, None] + np.arange(-days, 0))


def _same_kind(shown: Shown, roots: Floats, rows: Sequence[int], days_ahead: int) -> Floats:
    # The mean of the last two weeks' days of the same kind, weekend or not.
    recent = _recent(roots, rows, 14)
    rests = _is_weekend(_clocks(shown, [row - 14 for row in rows], 14))
    kinds = [
        mean_of(np.where(rests == kind, recent, np.nan), axis=1)[:, None] for kind in (False, True)
    ]
    return np.where(_is_weekend(_clocks(shown, rows, days_ahead)), kinds[1], kinds[0])


def _clocks(shown: Shown, rows: Sequence[int], days: int) -> IntArray:
    return np.stack([shown.clock_s(row, days) for row in rows])


def _is_weekend(at_s: IntArray) -> BoolArray:
    # The epoch was a Thursday.
    return (at_s // DAY_S + 3) % 7 >= 5


def _levels(roots: Floats, rows: Sequence[int]) -> list[Floats]:
    # How the last hour, three hours, day and week differ from what was usual; how noisy and how
    # high the series is. Each of shape (rows, 1, 1).
    per_day = roots.shape[1]
    everyday = range(len(roots))
    missed = roots - usual(roots, everyday, 1)[:, 0]
    last = _recent(missed, rows, 7).reshape(len(rows), -1)
    levels = [
        mean_of(last[:, -max(per_day * hours // 24, 1) :], axis=1) for hours in (1, 3, 24, 168)
    ]
    level = [mean_of(_recent(roots, rows, days), axis=1) for days in (7, 28)]
    levels += [mean_of(one, axis=1) for one in level]
    levels.append(spread_of_roots(_recent(missed, rows, 14).reshape(len(rows), -1), axis=1))
    yesterday = mean_of(last[:, -per_day:].reshape(len(rows), 1, per_day), axis=1)
    return [*(one[:, None, None] for one in levels), yesterday[:, None]]


def _clock(shown: Shown, rows: Sequence[int], days_ahead: int) -> list[Floats]:
    # Hour of day, day of week, and how far ahead in hours and in days.
    at_s = _clocks(shown, rows, days_ahead)
    lead_h = np.arange(days_ahead * shown.per_day).reshape(days_ahead, shown.per_day)
    told = [
        at_s % DAY_S / 3600,
        (at_s // DAY_S + 3) % 7,
        lead_h * (24 / shown.per_day),
        lead_h // shown.per_day,
    ]
    return [np.asarray(one, dtype=np.float32) for one in told]


def _behaviour(values: Floats, rows: Sequence[int]) -> list[Floats]:
    # Yesterday at this time, how that differs from the week's mean, and the last hours' level.
    week = _recent(values, rows, 7)
    yesterday = week[:, -1]
    last = week.reshape(len(rows), -1)[:, -max(values.shape[1] // 8, 1) :]
    return [
        yesterday[:, None],
        (yesterday - mean_of(week, axis=1))[:, None],
        mean_of(yesterday, axis=1)[:, None, None],
        mean_of(last, axis=1)[:, None, None],
    ]
