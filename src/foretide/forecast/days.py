"""This file knows arithmetic on days of bins of which some were not observed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

# Worked on in float32, half the memory to move; the stubs of numpy cannot tell through `where`.
Floats = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
# Below this share of what its time of day has shown on average a bin may be part of an outage.
_LOW_SHARE = 0.3
# About so many bins tell how high nearly all of them are.
_CAP_VALUES = 500


class Days(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Days of several series, with a mask instead of NaN.

    Parameters
    ----------
    values : ndarray of float32, shape (series, days, bins per day)
        0 where nothing was observed.
    seen : ndarray of float32, shape of `values`, or (1, days, bins) where all of them are alike
        1 where observed, else 0.
    """

    values: Floats
    seen: Floats


def masked(values: npt.NDArray[np.floating]) -> Days:
    """Return `values` with NaN turned into a mask; one for all series where nothing is missing."""
    seen = np.isfinite(values)
    if seen.all():
        whole = np.ones((1, *values.shape[1:]), dtype=np.float32)
        return Days(values=values.astype(np.float32), seen=whole)
    return Days(values=np.where(seen, values, 0.0).astype(np.float32), seen=seen.astype(np.float32))


def picked(days: Days, rows: Sequence[int]) -> Days:
    """Return some of the series."""
    seen = days.seen if len(days.seen) == 1 else days.seen[rows]
    return Days(values=days.values[rows], seen=seen)


@lru_cache(maxsize=64)
def kept_share(rows: int, keep: float) -> Floats:
    """Return what a row still weighs before every row and after the last.

    Parameters
    ----------
    rows : int
        Rows of the past.
    keep : float
        What is left of a weight from one row to the next, in (0, 1).

    Returns
    -------
    ndarray of float32, shape (rows + 1, rows)
        Read-only: ``keep ** (r - 1 - i)`` for i < r, else 0.
    """
    age = np.arange(rows + 1)[:, None] - 1 - np.arange(rows)
    share = keep ** np.maximum(age, 0.0)
    # Below this a float32 loses digits, and processors slow down.
    found = np.where((age >= 0) & (share > 1e-30), share, 0.0).astype(np.float32)
    found.flags.writeable = False
    return found


def mean_level(days: Days) -> Floats:
    """Return the mean of what was observed of each series, 0 where nothing was, shape (series,)."""
    return days.values.sum(axis=(1, 2)) / np.maximum(days.seen.sum(axis=(1, 2)), 1)


def calmed(days: Days) -> Days:
    """Return `days` with bursts cut off and outages filled up, for what learns profiles and levels.

    What lies above twice the level that 98 % of the bins keep below is a burst; what lies below
    half of the least that the same time of day has shown on all but a twentieth of the days is an
    outage. When either lasts those bounds follow, and nothing is changed any more.
    """
    series = len(days.values)
    whole = np.where(days.seen > 0, days.values, np.inf).reshape(series, -1)
    ordered = np.sort(whole[:, :: (whole.shape[1] // _CAP_VALUES) | 1], axis=1)
    place = 0.98 * np.isfinite(ordered).sum(axis=1)
    at = np.clip(place.astype(np.int64), 1, ordered.shape[1]) - 1
    cap = 2 * np.take_along_axis(ordered, at[:, None], axis=1)[:, :, None]
    values = np.where(cap > 0, np.minimum(days.values, cap), days.values).astype(np.float32)
    found = np.maximum(days.seen.sum(axis=1, keepdims=True), 1)
    usual = days.values.sum(axis=1, keepdims=True) / found
    lows = ((days.values < _LOW_SHARE * usual) & (days.seen > 0)).any(axis=(1, 2))
    for row in np.flatnonzero(lows):
        values[row] = _filled(values[row], days.seen[row if len(days.seen) > 1 else 0])
    return Days(values=values, seen=days.seen)


def _filled(values: Floats, seen: Floats) -> Floats:
    ordered = np.sort(np.where(seen > 0, values, np.inf), axis=0)
    place = np.ceil(0.05 * seen.sum(axis=0)).astype(np.int64)
    least = np.take_along_axis(ordered, np.minimum(place, len(values) - 1)[None], axis=0)
    floor = np.where(np.isfinite(least), least / 2, 0)
    return np.where(seen > 0, np.maximum(values, floor), values)


def windows(rows: Floats, first: int, days: int) -> Floats:
    """Return, for every origin from row `first` on, the `days` rows that begin there, as a view.

    Parameters
    ----------
    rows : ndarray, shape (series, rows, bins)
        Something per day.
    first : int
        The first origin.
    days : int
        Rows in each window, > 0.

    Returns
    -------
    ndarray, shape (series, rows - first - days + 1, days, bins)
    """
    part = rows[:, first:]
    count, (series, row, one) = part.shape[1] - days + 1, part.strides
    return np.lib.stride_tricks.as_strided(
        part,
        shape=(len(part), count, days, part.shape[2]),
        strides=(series, row, row, one),
        writeable=False,
    )


@lru_cache(maxsize=64)
def decay(days: int, per_day: int, half_life_days: float) -> Floats:
    """Return ``0.5 ** (lead / half-life)`` of every bin ahead, shape (days, bins), read-only."""
    lead = (np.arange(days * per_day) + 1.0) / per_day
    found = (0.5 ** (lead / half_life_days)).reshape(days, per_day).astype(np.float32)
    found.flags.writeable = False
    return found


def daily_profile(days: Days, half_life_days: float) -> Floats:
    """Return what each time of day has been of late, before every row and after the last.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins).
    half_life_days : float
        A day this old counts half.

    Returns
    -------
    ndarray, shape (series, rows + 1, bins)
        Row r knows only rows < r. A time of day never seen takes the level of the others.
    """
    total, weight = _faded(days, half_life_days)
    overall = total.sum(axis=2) / np.maximum(weight.sum(axis=2), 1e-6)
    known = weight > 1e-6
    return np.where(known, total / np.maximum(weight, 1e-6), overall[:, :, None])


def day_type_profiles(
    days: Days, fallback: Floats, weekend: BoolArray, half_life_days: float
) -> tuple[Floats, Floats]:
    """Return what each time of day has been of late on working days, and on weekends.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins).
    fallback : ndarray, shape (series, rows + 1, bins)
        The daily profile, taken where no such day was observed.
    weekend : ndarray of bool, shape (at least rows, bins)
        Whether a bin falls on a weekend.
    half_life_days : float
        A day this old counts half.

    Returns
    -------
    tuple of two ndarray, each of shape (series, rows + 1, bins)
        Row r knows only rows < r.
    """
    rows = days.values.shape[1]
    found: list[Floats] = []
    for kind in (~weekend[:rows], weekend[:rows]):
        part = Days(values=days.values * kind, seen=days.seen * kind)
        profile, weight = _faded(part, half_life_days)
        found.append(np.where(weight > 1e-6, profile / np.maximum(weight, 1e-6), fallback))
    return found[0], found[1]


def smoothed(profile: Floats) -> Floats:
    """Return a profile averaged over neighbouring bins, a sixteenth of a day in all.

    Few days make a noisy profile; neighbours in time make up for the days that are missing.
    Bins of an hour or more are left as they are.
    """
    half = profile.shape[2] // 32
    if not half:
        return profile
    ring = np.concatenate([profile[:, :, -half:], profile, profile[:, :, :half]], axis=2)
    total = np.cumsum(ring, axis=2, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:, :, :1]), total], axis=2)
    width = 2 * half + 1
    return ((total[:, :, width:] - total[:, :, :-width]) / width).astype(np.float32)


def _faded(days: Days, half_life_days: float) -> tuple[Floats, Floats]:
    # Weighted sums of values and of weights before every row, shape (series, rows + 1, bins).
    share = kept_share(days.values.shape[1], 0.5 ** (1.0 / half_life_days))
    return np.matmul(share, days.values), np.matmul(share, days.seen)


def weekly_profile(days: Days, fallback: Floats, half_life_weeks: float, days_ahead: int) -> Floats:
    """Return what each time of week has been of late, for every row from the eighth on.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins), rows >= 7.
    fallback : ndarray, shape (series, rows + 1, bins)
        The daily profile, taken where no such weekday was observed.
    half_life_weeks : float
        A week this old counts half.
    days_ahead : int
        Rows beyond the past, 1 ... 7.

    Returns
    -------
    ndarray, shape (series, rows + days_ahead - 7, bins)
        Entry i is row i + 7 and knows only rows <= i.
    """
    series, rows, per_day = days.values.shape
    count = rows + days_ahead - 7
    total = np.zeros((series, count, per_day), dtype=np.float32)
    weight = np.zeros((len(days.seen), count, per_day), dtype=np.float32)
    for week in range(min(8, -(-count // 7))):
        share = np.float32(0.5 ** (week / half_life_weeks))
        total[:, 7 * week :] += share * days.values[:, : count - 7 * week]
        weight[:, 7 * week :] += share * days.seen[:, : count - 7 * week]
    return np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), fallback[:, 1 : count + 1])


def weekly_middle(days: Days, fallback: Floats, days_ahead: int) -> Floats:
    """Return the middle of the last four same weekdays, shaped as `weekly_profile`.

    Of three or four values the extremes are dropped, which for four is their median.
    """
    series, rows, per_day = days.values.shape
    count = rows + days_ahead - 7
    total = np.zeros((series, count, per_day), dtype=np.float32)
    found = np.zeros((len(days.seen), count, per_day), dtype=np.float32)
    highest = np.zeros_like(total)
    lowest = np.full_like(total, np.float32(np.inf))
    for week in range(min(4, -(-count // 7))):
        values = days.values[:, : count - 7 * week]
        seen = days.seen[:, : count - 7 * week]
        later = np.s_[:, 7 * week :]
        total[later] += values
        found[later] += seen
        highest[later] = np.maximum(highest[later], values)
        lowest[later] = np.minimum(lowest[later], np.where(seen > 0, values, np.inf))
    trimmed = (found >= 3).astype(np.float32)
    extremes = np.where(trimmed > 0, highest + lowest, np.float32(0))
    middle = (total - extremes) / np.maximum(found - 2 * trimmed, 1)
    return np.where(found > 0, np.maximum(middle, 0), fallback[:, 1 : count + 1])


def daily_median(days: Days, fallback: Floats, first: int) -> Floats:
    """Return the median of each time of day over the seven days before every origin.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins).
    fallback : ndarray, shape (series, rows + 1, bins)
        Taken where none of the seven was observed.
    first : int
        The first origin, >= 1; fewer than seven days before it are padded as missing.

    Returns
    -------
    ndarray, shape (series, rows + 1 - first, bins)
    """
    series, _, per_day = days.values.shape
    pad = max(0, 7 - first)
    gaps = np.full((series, pad, per_day), np.inf, dtype=np.float32)
    past = np.concatenate([gaps, np.where(days.seen > 0, days.values, np.inf)], axis=1)
    view = np.lib.stride_tricks.sliding_window_view(past[:, first - 7 + pad :], 7, axis=1)
    ordered = np.sort(view.astype(np.float32), axis=-1)
    found = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(found - 1, 0) // 2, axis=-1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(found // 2, 6), axis=-1)[..., 0]
    empty = found[..., 0] == 0
    middle = np.where(empty, 0, low) / 2 + np.where(empty, 0, high) / 2
    return np.where(empty, fallback[:, first:], middle)


def recent_level(residuals: Days, memory_bins: float) -> Floats:
    """Return the exponentially weighted mean of residuals before every row and after the last.

    Parameters
    ----------
    residuals : Days
        Actual minus profile; shape (series, rows, bins).
    memory_bins : float
        Mean age of what is remembered, in bins, >= 1.

    Returns
    -------
    ndarray, shape (series, rows + 1)
        Shrunk towards 0 where little of that memory was observed.
    """
    rows, per_day = residuals.values.shape[1:]
    keep = 1.0 - 1.0 / max(memory_bins, 1.0)
    within = (keep ** np.arange(per_day - 1.0, -1.0, -1.0)).astype(np.float32)
    share = kept_share(rows, keep**per_day).T
    total, weight = (
        np.matmul(np.einsum("srb,b->sr", part, within)[:, None], share)[:, 0]
        for part in (residuals.values, residuals.seen)
    )
    return total / np.maximum(weight, np.float32(0.25 * max(memory_bins, 1.0)))
