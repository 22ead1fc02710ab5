"""This file knows the next hour: quantiles of the coming buckets, renewed with every bucket.

The planner lives at leads of minutes, where what happened just now says more than any profile.
Once a day a fit learns how the coming buckets follow from (a) the same time on earlier days and
(b) how far demand has been off that profile over the last bucket, the last few and the last hours;
its own errors, scaled by how restless demand is just now, give the quantiles. All of it is done in
square roots of demand, in which the spread of counts is about even.

What is issued for one instant is the same, bit for bit, whether it is issued alone or together
with a whole day of others: sums run in a fixed order, and nothing is drawn from a later bucket.
"""

from __future__ import annotations

from statistics import NormalDist
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foretide.errors import InvalidValueError
from foretide.forecast.profile import (
    DayTable,
    day_rows,
    day_table,
    on_wall,
    trailing_mean,
    wall_places,
)
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

DAY_S = 86_400
NOWCAST_LEVELS: tuple[float, ...] = (
    0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995,
)  # fmt: skip
MIN_HISTORY_S = 12 * 3600
MIN_HISTORY_COUNT = 48

_FIT_DAYS = 14
_MEMORY_DAYS = 21
_HALF_LIFE_DAYS = 4.0
_SMOOTH_S = 420  # on either side
_OFF_PROFILE_S = (7_200, 1_800, 600, 180, 60)
_RESTLESS_S = (1_800, 14_400)
_OUTLIER = 6.0  # beyond this many times the restlessness a bucket is a dip or a jump
# Shrinks the weights: strongly while there are few buckets, hardly once there are thousands.
_RIDGE, _RIDGE_COUNT = 1e-3, 5.0
_WIDEN_COUNT = 24.0  # buckets that tell as much as one independent error
_SEEN_DAYS = 4  # of fewer days none can be told from the others
# A calm series must not turn its one jump into a quantile of thousands of standard errors.
_MIN_SIGMA_FRACTION = 0.002
# No quantile beyond this many times the highest demand ever seen, or that of the last bucket:
# squared, the far tail of a restless series would else ask for hundreds of idle instances.
_MAX_OVER_HIGHEST, _MAX_OVER_LAST = 1.5, 3.0


class Nowcast(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A day's fit: how the coming buckets follow from the profile and the last minutes.

    Parameters
    ----------
    first : int
        Index of the first bucket the fit has not seen.
    step_s : int
        Length of a bucket in seconds.
    anchor : int
        Index at which the running sums begin.
    profile, wander, weekly, typical : ndarray, shape (buckets from anchor to two days after first,)
        Expected root demand, its minute-bound part, its weekday's part, usual restlessness.
    coefficients : ndarray, shape (features, leads)
        Lead 0 is the bucket after the last closed one.
    shape : ndarray, shape (leads, levels)
        Quantiles of the scaled error.
    min_sigma, max_value : float
        Bounds against degenerate histories.
    """

    first: int
    step_s: int
    anchor: int
    profile: FloatArray
    wander: FloatArray
    weekly: FloatArray
    typical: FloatArray
    coefficients: FloatArray
    shape: FloatArray
    min_sigma: float
    max_value: float


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known once a bucket has closed, one row per bucket."""

    off_profile: FloatArray  # (buckets, features)
    restless: FloatArray  # (buckets,)


def has_history(values: FloatArray, step_s: int) -> bool:
    """Return whether enough was observed to fit: 12 hours and 48 buckets of the last 14 days.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        History, NaN where not observed.
    step_s : int
        Length of a bucket in seconds.
    """
    seen = int(np.isfinite(values[-_FIT_DAYS * DAY_S // step_s :]).sum())
    return seen * step_s >= MIN_HISTORY_S and seen >= MIN_HISTORY_COUNT


def fit(
    values: FloatArray,
    *,
    step_s: int,
    lead_count: int,
    start_s: int = 0,
    zone: ZoneInfo | None = None,
) -> Nowcast:
    """Learn from a history how the buckets after any closed bucket follow.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        All closed buckets, >= 0, NaN where not observed; enough by `has_history`.
    step_s : int
        Length of a bucket in seconds.
    lead_count : int
        How many buckets ahead quantiles are wanted, >= 1.
    start_s : int
        When the first bucket began, in seconds from the epoch; only needed with a zone.
    zone : ZoneInfo, optional
        Whose wall clock days follow, so that a day after a clock change is told of by the same
        hours of the days before it. Without one all days have 24 hours.

    Returns
    -------
    Nowcast
        Good for `issue` until two days after the end of `values`.

    Raises
    ------
    InvalidValueError
        When too little demand was observed.
    """
    if not has_history(values, step_s):
        raise InvalidValueError("a nowcast needs 12 h and 48 buckets of observed demand")
    per_day = DAY_S // step_s
    root = np.sqrt(values)
    places = wall_places(len(values), 2 * per_day, step_s=step_s, start_s=start_s, zone=zone)
    rows = day_rows(on_wall(root, places[: len(root)]), per_day)
    first_row = max(0, len(rows) - _FIT_DAYS)
    table = _table(rows, first_row, step_s)
    anchor = (first_row - len(rows)) * per_day
    # a history that does not fill its first day begins within it
    begin = int(np.argmax(places >= anchor))
    places = places[begin:]
    # where DST begins the last hour of two days lies beyond the table: it is a day earlier's
    at = np.where(places >= 2 * per_day, places - per_day, places) - anchor
    at = np.maximum(at, 0)  # and an hour repeated at the very beginning is the first one's
    flat = {
        name: part.ravel()[at]
        for name, part in (
            ("profile", table.smooth), ("wander", table.wander), ("weekly", table.weekly),
        )
    }  # fmt: skip
    off = root[begin:] - flat["profile"][: len(root) - begin]
    typical = _typical(off, places, per_day, step_s)
    level = float(np.nanmean(root))
    draft = Nowcast(
        first=len(values), step_s=step_s, anchor=begin, **flat, typical=typical,
        coefficients=np.empty((0, 0)), shape=np.empty((0, 0)),
        min_sigma=max(_MIN_SIGMA_FRACTION * level, 1e-9),
        max_value=_MAX_OVER_HIGHEST * max(float(np.nanmax(values)), 1e-9),
    )  # fmt: skip
    state = _state(draft, off)
    leads = [_fit_lead(draft, state, off, lead) for lead in range(lead_count)]
    return msgspec.structs.replace(
        draft,
        coefficients=np.stack([c for c, _ in leads], axis=1),
        shape=np.stack([s for _, s in leads]),
    )


def issue(nowcast: Nowcast, values: FloatArray, closed_counts: IntArray) -> FloatArray:
    """Issue quantiles of the buckets after each of several instants.

    Parameters
    ----------
    nowcast : Nowcast
        From `fit`.
    values : ndarray, shape (buckets,)
        History from its very first bucket; may be longer than what an instant may know.
    closed_counts : ndarray of int, shape (instants,)
        How many buckets are closed at each instant, from `nowcast.first` to a day after it.

    Returns
    -------
    ndarray, shape (instants, leads, levels)
        Quantiles at `NOWCAST_LEVELS`, never crossing; lead 0 is bucket `closed_count`.
    """
    root = np.sqrt(values[nowcast.anchor : int(closed_counts.max())])
    off = root - nowcast.profile[: len(root)]
    state = _state(nowcast, off)
    here = closed_counts - nowcast.anchor - 1
    leads = np.arange(len(nowcast.shape))
    then = here[:, None] + 1 + leads
    features = _features(nowcast, state, here[:, None], then)
    mean = nowcast.profile[then]
    for feature, weight in zip(features, nowcast.coefficients, strict=True):
        mean = mean + feature * weight
    sigma = _sigma(nowcast, state, here[:, None], then)
    quantiles = mean[:, :, None] + sigma[:, :, None] * nowcast.shape
    last = np.nan_to_num(values[closed_counts - 1])
    highest = np.maximum(nowcast.max_value, _MAX_OVER_LAST * last)
    return np.minimum(np.square(np.maximum(quantiles, 0.0)), highest[:, None, None])


def _table(rows: FloatArray, first_row: int, step_s: int) -> DayTable:
    """Return the profile, or a level where too few days make one."""
    table = day_table(
        rows,
        first_row=first_row,
        memory_days=_MEMORY_DAYS,
        half_life_days=_HALF_LIFE_DAYS,
        half_width=_SMOOTH_S // step_s,
    )
    recent = rows[first_row:]
    level = float(np.nanmean(recent))
    per_day = rows.shape[1]
    # after a long outage there may be days again, but none that tell of each other
    told = int(np.isfinite(recent - table.smooth[:-2]).sum())
    if np.isfinite(rows).sum() < 2 * per_day or told < per_day // 2:
        flat = np.zeros_like(table.smooth)
        return DayTable(smooth=flat + level, wander=flat, weekly=flat)
    ahead = table.smooth[-2:]
    ahead[np.isnan(ahead)] = level  # a time of day never seen yet
    return table


def _typical(off: FloatArray, places: IntArray, per_day: int, step_s: int) -> FloatArray:
    """Return how restless demand usually is at each time of day, over the whole table."""
    moves = np.abs(np.diff(off, prepend=np.nan))
    rows = day_rows(on_wall(moves, places[: len(moves)]), per_day)
    table = day_table(
        rows, first_row=len(rows), memory_days=_MEMORY_DAYS,
        half_life_days=_HALF_LIFE_DAYS, half_width=2 * _SMOOTH_S // step_s,
    )  # fmt: skip
    day = table.smooth[0]
    mean = float(np.nanmean(moves)) if np.isfinite(moves).any() else 0.0
    day = np.where(np.isfinite(day), day, mean)
    # the same day, laid out backwards and forwards from the end of the history
    return day[places % per_day]


def _state(nowcast: Nowcast, off: FloatArray) -> _State:
    """Return what each closed bucket tells, from the buckets up to it alone."""
    step_s = nowcast.step_s
    widths = sorted({max(1, window // step_s) for window in _OFF_PROFILE_S}, reverse=True)
    means = [trailing_mean(off, width) for width in widths]
    level = np.nan_to_num(means[0])
    parts = [level]
    for mean in means[1:]:
        nearer = np.where(np.isfinite(mean), mean, level)
        parts.append(nearer - level)
        level = nearer
    moves = np.abs(np.diff(off, prepend=np.nan))
    short, long = (trailing_mean(moves, max(1, w // step_s)) for w in _RESTLESS_S)
    long = np.where(np.isfinite(long), long, nowcast.typical[: len(off)])
    short = np.where(np.isfinite(short), short, long)
    restless = np.sqrt(short * long)
    surprise = np.nan_to_num(off - _median_before(off))
    parts.append(np.minimum(0.0, surprise + _OUTLIER * long))
    parts.append(np.maximum(0.0, surprise - _OUTLIER * long))
    return _State(off_profile=np.stack(parts, axis=1), restless=restless)


def _median_before(off: FloatArray, count: int = 5) -> FloatArray:
    """Return the median of the `count` buckets before each; NaN where one is missing."""
    padded = np.concatenate([np.full(count, np.nan), off])
    return np.median(sliding_window_view(padded, count)[: len(off)], axis=1)


def _features(nowcast: Nowcast, state: _State, here: IntArray, then: IntArray) -> list[FloatArray]:
    """Return one array per feature, shaped like `then`."""
    ones = np.ones(then.shape)
    parts = [ones]
    parts += [ones * state.off_profile[here, f] for f in range(state.off_profile.shape[1])]
    for minute_bound in (nowcast.wander, nowcast.weekly):
        parts += [minute_bound[then], ones * minute_bound[here]]
    return parts


def _sigma(nowcast: Nowcast, state: _State, here: IntArray, then: IntArray) -> FloatArray:
    """Return the scale of the error: half from how restless it is, half from the hour."""
    return np.maximum(np.sqrt(state.restless[here] * nowcast.typical[then]), nowcast.min_sigma)


def _fit_lead(
    nowcast: Nowcast, state: _State, off: FloatArray, lead: int
) -> tuple[FloatArray, FloatArray]:
    """Return one lead's weights and error quantiles, by weighted ridge regression."""
    here = np.arange(len(off) - 1 - lead)
    then = here + 1 + lead
    matrix = np.stack(_features(nowcast, state, here, then), axis=1)
    sigma = _sigma(nowcast, state, here, then)
    known = np.isfinite(off[then]) & np.isfinite(matrix).all(axis=1) & np.isfinite(sigma)
    scaled = matrix[known] / sigma[known, None]
    target = off[then][known] / sigma[known]
    gram = scaled.T @ scaled
    diagonal = np.arange(1, len(gram))
    gram[diagonal, diagonal] *= 1 + _RIDGE + _RIDGE_COUNT / len(target)
    solved = np.linalg.solve(gram + 1e-9 * np.eye(len(gram)), scaled.T @ target)
    weights = solved.astype(np.float64)
    day = then[known] // (DAY_S // nowcast.step_s)
    errors = _as_seen_twice(target - scaled @ weights, day)
    shape = np.quantile(errors, np.array(NOWCAST_LEVELS)).astype(np.float64)
    # away from the median, not from 0: quantiles that are all on one side of 0 must not cross
    median = shape[NOWCAST_LEVELS.index(0.5)]
    return weights, median + (shape - median) * _widening(len(target))


def _as_seen_twice(errors: FloatArray, day: IntArray) -> FloatArray:
    """Return errors no larger than those of another day: one spike is no part of the spread."""
    of_day = day - day[0]
    largest = np.full(int(of_day[-1]) + 1, -np.inf)
    smallest = -largest
    np.maximum.at(largest, of_day, errors)
    np.minimum.at(smallest, of_day, errors)
    largest, smallest = largest[np.isfinite(largest)], smallest[np.isfinite(smallest)]
    if len(largest) < _SEEN_DAYS:
        return errors
    return np.clip(errors, np.partition(smallest, 1)[1], np.partition(largest, -2)[-2])


def _widening(count: int) -> FloatArray:
    """Return by how much few errors understate each quantile, as Student's t does."""
    z = np.array([NormalDist().inv_cdf(level) for level in NOWCAST_LEVELS])
    return 1 + (np.square(z) + 1) / (4 * max(count / _WIDEN_COUNT, 1.0))
