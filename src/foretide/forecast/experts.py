"""This file knows simple ways to guess the next days from the last ones.

Each expert is one array expression over all series and all origins of a chunk. None is good
everywhere; `choose` weighs them by how they did on the series at hand. Amounts are relative to
the mean of the last four weeks. Profiles are made in several scales (root, raw, log), since no
scale wins everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foretide.forecast.days import (
    BoolArray,
    Days,
    Floats,
    daily_median,
    daily_profile,
    day_type_profiles,
    decay,
    recent_level,
    smoothed,
    weekly_middle,
    weekly_profile,
    windows,
)
from foretide.forecast.harmonic import harmonic_profile

_LOG_STEEPNESS = np.float32(4.0)
_SMOOTH_HALF_LIFE_DAYS = 14.0
_Scale = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]


def _as_is(values: Floats) -> Floats:
    return values


def _logged(values: Floats) -> Floats:
    return np.log1p(_LOG_STEEPNESS * values)


# The ways back work in place: the arrays of all origins are by far the largest there are.
def _squared(values: Floats) -> Floats:
    np.maximum(values, 0, out=values)
    return np.square(values, out=values)


def _positive(values: Floats) -> Floats:
    return np.maximum(values, 0, out=values)


def _unlogged(values: Floats) -> Floats:
    np.clip(values, 0, 30, out=values)
    np.expm1(values, out=values)
    return np.divide(values, _LOG_STEEPNESS, out=values)


_SCALES: tuple[_Scale, ...] = ((np.sqrt, _squared), (_as_is, _positive), (_logged, _unlogged))


def guesses(
    days: Days,
    weekend: BoolArray,
    *,
    first: int,
    days_ahead: int,
    has_weeks: bool,
    has_days: bool,
) -> dict[str, Floats]:
    """Return every expert's guess from every origin.

    Parameters
    ----------
    days : Days
        The past, relative to its level; shape (series, rows, bins).
    weekend : ndarray of bool, shape (rows + days_ahead, bins)
        Whether a bin falls on a weekend.
    first : int
        The first origin: a row, 1 ... rows; >= 7 with `has_weeks`. The last origin is the present.
    days_ahead : int
        Days to guess, 1 ... 7.
    has_weeks : bool
        Whether experts that look at weekdays take part.
    has_days : bool
        Whether experts that tell no day from another take part.

    Returns
    -------
    dict of str to ndarray, each of shape (series, rows + 1 - first, days_ahead, bins)
        Finite, >= 0, no larger than twice what was ever seen; views where possible.
    """
    ceiling = 2 * days.values.max(axis=(1, 2))[:, None, None, None]
    found: dict[str, Floats] = {}
    shape = (len(days.values), days.values.shape[1] + 1 - first, days_ahead, days.values.shape[2])
    raw_profile = daily_profile(days, 4.0)
    if has_days:
        for name, guess in _simple(days, raw_profile, first).items():
            found[name] = np.broadcast_to(guess[:, :, None], shape)
    if has_weeks:
        found |= _of_weekdays(days, raw_profile, first, days_ahead)
    for name, (forth, back) in zip(("root", "raw", "log"), _SCALES, strict=True):
        scaled = Days(values=forth(days.values), seen=days.seen)
        profile = raw_profile if name == "raw" else daily_profile(scaled, 4.0)
        grown: dict[str, Floats] = {}
        if has_weeks:
            grown["weekly profile"] = _with_weekly_level(scaled, profile, first, days_ahead)
        if has_weeks and name == "root":
            grown["harmonic"] = _harmonic(scaled, profile, first, days_ahead)
        # Days and kinds of day in the raw scale beside those of two others were worth nothing.
        if has_days and (name != "raw" or not has_weeks):
            grown["daily profile"] = _with_daily_level(scaled, profile, first, days_ahead)
        if name != "raw" or not has_weeks:
            grown["day type"] = _with_type_level(
                scaled, profile, weekend, first, days_ahead, is_smooth=name == "log"
            )
        if name == "root" and not has_weeks:
            grown["smooth days"] = _smooth_days(scaled, first, shape)
        for kind, guess in grown.items():
            found[f"{kind}, {name}"] = np.minimum(back(guess), ceiling, out=guess)
    return found


def names_of_experts(*, has_weeks: bool, has_days: bool) -> tuple[str, ...]:
    """Return the names of the experts, in the order in which `guesses` gives them."""
    bins = np.zeros((1, 8, 1), dtype=np.float32)
    days = Days(values=bins, seen=np.ones_like(bins))
    weekend = np.zeros((9, 1), dtype=np.bool_)
    found = guesses(days, weekend, first=8, days_ahead=1, has_weeks=has_weeks, has_days=has_days)
    return tuple(found)


def _simple(days: Days, profile: Floats, first: int) -> dict[str, Floats]:
    # The same for every day ahead: shape (series, origins, bins).
    per_day = days.values.shape[2]
    # After a silence nothing recent is known, and the mean of the profile stands in for it.
    known = recent_level(Days(values=days.seen, seen=days.seen), per_day / 8)
    level = recent_level(days, per_day / 8) + (1 - known) * profile.mean(axis=2)
    yesterday = np.where(days.seen > 0, days.values, profile[:, :-1])[:, first - 1 :]
    return {
        "last day": yesterday,
        "daily median": daily_median(days, profile, first),
        "level": np.broadcast_to(level[:, first:, None], yesterday.shape),
    }


def _of_weekdays(days: Days, profile: Floats, first: int, days_ahead: int) -> dict[str, Floats]:
    rows, per_day = days.values.shape[1:]
    count = rows + days_ahead - 7
    last_week = np.where(days.seen > 0, days.values, profile[:, :-1])[:, :count]
    middle = weekly_middle(days, profile, days_ahead)
    level = _level_of(days, middle, per_day / 2)[:, first:, None, None]
    ahead = windows(middle, first - 7, days_ahead)
    return {
        "last week": windows(last_week, first - 7, days_ahead),
        "weekly median": ahead,
        "weekly median, level": np.maximum(ahead + level * decay(days_ahead, per_day, 3.0), 0),
    }


def _level_of(days: Days, weekly: Floats, memory_bins: float) -> Floats:
    rows = days.values.shape[1]
    past = np.zeros_like(days.values)
    seen = days.seen.copy()
    seen[:, :7] = 0
    past[:, 7:] = (days.values[:, 7:] - weekly[:, : rows - 7]) * days.seen[:, 7:]
    return recent_level(Days(values=past, seen=seen), memory_bins)


def _with_weekly_level(scaled: Days, profile: Floats, first: int, days_ahead: int) -> Floats:
    per_day = scaled.values.shape[2]
    weekly = weekly_profile(scaled, profile, 1.5, days_ahead)
    level = _level_of(scaled, weekly, per_day / 2)[:, first:, None, None]
    guess = level * decay(days_ahead, per_day, 3.0)
    guess += windows(weekly, first - 7, days_ahead)
    return guess


def _harmonic(scaled: Days, profile: Floats, first: int, days_ahead: int) -> Floats:
    # Smooth, where the other profiles are as rough as the past; two levels, quick and slow.
    per_day = scaled.values.shape[2]
    filled = np.where(scaled.seen > 0, scaled.values, profile[:, :-1])
    before, guess = harmonic_profile(filled, first, days_ahead)
    strayed = filled[:, first - 1 :] - before
    slow, quick = (_last_level(strayed, memory) for memory in (per_day / 2, per_day / 8))
    guess += slow * decay(days_ahead, per_day, 4.0)
    guess += (quick - slow) * decay(days_ahead, per_day, 0.25)
    return guess


def _last_level(strayed: Floats, memory_bins: float) -> Floats:
    # Weighted mean of one day's strays, shape (series, origins, 1, 1).
    keep = 1 - 1 / max(memory_bins, 1.0)
    weight = keep ** np.arange(strayed.shape[2] - 1.0, -1.0, -1.0)
    weight = (weight / weight.sum()).astype(np.float32)
    return np.einsum("skb,b->sk", strayed, weight)[:, :, None, None]


def _with_daily_level(scaled: Days, profile: Floats, first: int, days_ahead: int) -> Floats:
    per_day = scaled.values.shape[2]
    past = (scaled.values - profile[:, :-1]) * scaled.seen
    level = recent_level(Days(values=past, seen=scaled.seen), per_day / 8)[:, first:, None, None]
    guess = level * decay(days_ahead, per_day, 1.0)
    guess += profile[:, first:, None]
    return guess


def _smooth_days(scaled: Days, first: int, shape: tuple[int, ...]) -> Floats:
    # Neighbouring hours make up for the days that are missing; no level, so that noise moves it
    # least. Sums are taken one shift at a time: what a series gets is its own affair.
    profile = daily_profile(scaled, _SMOOTH_HALF_LIFE_DAYS)[:, first:]
    half, per_day = profile.shape[2] // 24, profile.shape[2]
    for _ in range(2 if half else 0):
        ring = np.concatenate([profile[:, :, -half:], profile, profile[:, :, :half]], axis=2)
        profile = ring[:, :, :per_day].copy()
        for shift in range(1, 2 * half + 1):
            profile += ring[:, :, shift : shift + per_day]
        profile /= np.float32(2 * half + 1)
    return np.broadcast_to(profile[:, :, None], shape).copy()


def _with_type_level(
    scaled: Days,
    profile: Floats,
    weekend: BoolArray,
    first: int,
    days_ahead: int,
    *,
    is_smooth: bool,
) -> Floats:
    # Smooth in one scale only: some series are noisy, and some have true edges.
    rows, per_day = scaled.values.shape[1:]
    working, resting = day_type_profiles(scaled, profile, weekend, 7.0)
    if is_smooth:
        working, resting = smoothed(working), smoothed(resting)
    past = np.where(weekend[:rows], resting[:, :-1], working[:, :-1])
    past = (scaled.values - past) * scaled.seen
    level = recent_level(Days(values=past, seen=scaled.seen), per_day / 2)[:, first:, None, None]
    ahead = np.lib.stride_tricks.sliding_window_view(weekend[first:], days_ahead, axis=0)
    ahead = np.moveaxis(ahead, -1, 1)
    guess = level * decay(days_ahead, per_day, 3.0)
    guess += np.where(ahead, resting[:, first:, None], working[:, first:, None])
    return guess
