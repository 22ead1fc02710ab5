"""This file knows how buckets of any length become bins that divide a day, and back.

Bins hold the mean of their buckets, so the amounts of buckets of different length never mix.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.base import DAY_S
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

_HOUR_S = 3600
# Buckets shorter than a model's finest bins are so many and so noisy that half hours, with the
# usual shape of every five minutes of a day, forecast them as well at a fraction of the cost.
_GATHERED_S = 1_800
_PART_S = 300
_SHARE_DAYS = 14
_SHAPE_DAYS, _SHAPE_HALF_LIFE_DAYS, _SHAPE_PRIOR_DAYS = 28, 7.0, 1.0
_SOON_S = 4 * _HOUR_S
_FINE_S = 900


class Grid(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """When buckets begin, on the wall clock of the users.

    Parameters
    ----------
    past, ahead : ndarray of int, shape (buckets,)
        Wall-clock seconds at which past buckets began, and those to forecast begin.
    step_s, length_s : int
        Length of a bucket and of a bin, in seconds.
    """

    past: IntArray
    ahead: IntArray
    step_s: int
    length_s: int


def bin_s(step_s: int, finest_s: int) -> int:
    """Return how long bins are: as long as buckets, or half an hour and more if those are short.

    Parameters
    ----------
    step_s : int
        Length of a bucket in seconds, 1 ... 86400.
    finest_s : int
        Buckets shorter than this are gathered.

    Returns
    -------
    int
        Divides a day; no shorter than a bucket.
    """
    shortest = step_s if step_s >= finest_s else max(finest_s, _GATHERED_S)
    return next(length for length in range(shortest, DAY_S + 1) if DAY_S % length == 0)


def gathered(
    values: FloatArray, grid: Grid, count: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bin means, one single bucket of each bin, and the usual shares of buckets ahead.

    Parameters
    ----------
    values : ndarray, shape (series, past buckets)
        NaN where nothing was observed.
    grid : Grid
        When those buckets were, and when the ones ahead will be.
    count : int
        Bins before the forecast's start.

    Returns
    -------
    tuple of ndarray
        Means and single buckets over their usual share, both (series, count), NaN where nothing
        was observed; and the usual share of every bucket ahead, (series, buckets ahead).
    """
    per_bin = grid.length_s // grid.step_s
    is_whole = DAY_S % grid.step_s == 0 and grid.length_s % grid.step_s == 0
    if is_whole and (per_bin > 1 or _is_even(grid)):
        return _reshaped(_placed(values, grid, count * per_bin, 0), grid, count)
    bin_of = (grid.past - grid.ahead[0]) // grid.length_s
    kept = np.flatnonzero((bin_of >= -count) & (bin_of < 0))
    # The hour that DST repeats is folded onto itself: its buckets meet in the same bins.
    order = kept[np.argsort(bin_of[kept], kind="stable")]
    target = bin_of[order] + count
    starts = np.flatnonzero(np.diff(target, prepend=-1))
    filled = target[starts]
    ordered = values[:, order]
    seen = np.isfinite(ordered)
    bins = np.full((len(values), count), np.nan)
    if len(starts) == len(order):
        bins[:, filled] = ordered
        return bins, bins, np.ones((len(values), len(grid.ahead)))
    total = np.add.reduceat(np.where(seen, ordered, 0.0), starts, axis=1)
    observed = np.add.reduceat(seen.astype(np.float64), starts, axis=1)
    with np.errstate(invalid="ignore"):
        bins[:, filled] = total / observed
    usual, usual_ahead = _usual_share(ordered, bins[:, target], grid, order)
    sizes = np.diff(starts, append=len(order))
    picked = starts + filled % sizes
    sampled = np.full((len(values), count), np.nan)
    sampled[:, filled] = ordered[:, picked] / usual[:, picked]
    return bins, sampled, usual_ahead


def by_day(values: FloatArray, grid: Grid, days: int, open_count: int) -> FloatArray:
    """Return the last days bucket by bucket, ending with the last closed one.

    Parameters
    ----------
    values : ndarray, shape (series, past buckets)
        NaN where nothing was observed.
    grid : Grid
        When those buckets were, and when the ones ahead will be.
    days : int
        How many days.
    open_count : int
        Buckets at the end that are still open.

    Returns
    -------
    ndarray, shape (series, days, buckets a day)
        No days where buckets are longer than 15 minutes or do not divide a day, or the clock
        changes within the next hours.
    """
    if not days or grid.step_s > _FINE_S or DAY_S % grid.step_s:
        return np.empty((len(values), 0, 1))
    soon = grid.ahead[: _SOON_S // grid.step_s]
    if int(soon[-1] - soon[0]) != (len(soon) - 1) * grid.step_s:
        return np.empty((len(values), 0, 1))
    per_day = DAY_S // grid.step_s
    placed = _placed(values, grid, days * per_day, open_count)
    return placed.reshape(len(values), days, per_day)


def _is_even(grid: Grid) -> bool:
    # Whether the clock never changed before the forecast's start.
    return int(grid.ahead[0] - grid.past[0]) == len(grid.past) * grid.step_s


def _placed(values: FloatArray, grid: Grid, count: int, open_count: int) -> FloatArray:
    # The last `count` closed buckets as the wall clock showed them: an hour that DST skipped is
    # not observed, and of one that it repeated the second counts.
    end = values.shape[1] - open_count
    if _is_even(grid) and count <= end:
        return values[:, end - count : end]
    place = (grid.past - grid.ahead[0]) // grid.step_s + open_count
    kept = np.flatnonzero((place >= -count) & (place < 0))
    found = np.full((len(values), count), np.nan)
    found[:, place[kept] + count] = values[:, kept]
    return found


def _reshaped(
    values: FloatArray, grid: Grid, count: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # The same where every bin holds equally many buckets: by reshaping, and no index is built.
    series, per_bin = len(values), grid.length_s // grid.step_s
    if per_bin == 1:
        bins = np.ascontiguousarray(values)
        return bins, bins, np.ones((series, len(grid.ahead)))
    per_part = _per_part(grid)
    buckets = values.reshape(series, -1, per_part)
    seen = np.isfinite(buckets)
    parts = _totals(np.where(seen, buckets, 0.0)), _totals(seen)
    groups = [part.reshape(series, count, -1) for part in parts]
    with np.errstate(invalid="ignore"):
        means, bins = parts[0] / parts[1], _totals(groups[0]) / _totals(groups[1])
    clock = grid.ahead[0] - np.arange(count, 0, -1, dtype=np.int64) * grid.length_s
    number = np.arange(count, dtype=np.int64) % per_bin
    shapes = _shape_by_phase(buckets, means, grid), _shape_by_part(means, bins, grid)
    sampled = values.reshape(series, count, per_bin)[:, np.arange(count), number]
    sampled = sampled / _usual(shapes, clock + number * grid.step_s, grid)
    return bins, sampled, _usual(shapes, grid.ahead, grid)


def _per_part(grid: Grid) -> int:
    # Buckets in a part of a bin: about five minutes, of which the usual shape of a day is known.
    per_bin = grid.length_s // grid.step_s
    longest = max(1, min(per_bin, _PART_S // grid.step_s))
    return next(count for count in range(longest, 0, -1) if per_bin % count == 0)


def _totals(parts: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> FloatArray:
    # Sums along the last, short, axis.
    total = parts[..., 0].astype(np.float64)
    for at in range(1, parts.shape[-1]):
        total += parts[..., at]
    return total


def _usual(shapes: tuple[FloatArray, FloatArray], clock: IntArray, grid: Grid) -> FloatArray:
    # Usual amount of buckets that begin at `clock` / mean of their bins, (series, buckets).
    by_phase, by_part = shapes
    part_s = DAY_S // by_part.shape[1]
    part = (clock - grid.ahead[0]) % DAY_S // part_s
    return by_phase[:, clock // grid.step_s % by_phase.shape[1]] * by_part[:, part]


def _shape_by_phase(buckets: FloatArray, means: FloatArray, grid: Grid) -> FloatArray:
    # What a bucket usually is over the mean of its part, by minute (or second) of the hour: jobs
    # that run at :00 show here. In square roots, so that one burst cannot bend it.
    series, phases = len(buckets), _HOUR_S // grid.step_s
    if _HOUR_S % grid.step_s:
        return np.ones((series, 1))
    recent = min(means.shape[1], _SHARE_DAYS * DAY_S // (buckets.shape[2] * grid.step_s))
    late = buckets[:, -recent:]
    seen = np.isfinite(late)
    roots = np.sqrt(np.where(seen, late, 0).astype(np.float32))
    usual = np.sqrt(np.where(np.isfinite(means[:, -recent:]), means[:, -recent:], 0))
    usual = usual.astype(np.float32)[..., None] * seen
    upper, lower = (
        part.reshape(series, -1, phases).sum(axis=1, dtype=np.float64) for part in (roots, usual)
    )
    first = int(grid.ahead[0]) // grid.step_s % phases
    return np.roll(_bounded(upper, lower), first, axis=1)


def _shape_by_part(means: FloatArray, bins: FloatArray, grid: Grid) -> FloatArray:
    # What a part of a bin usually is over its mean, by time of day since the forecast's start.
    series, per_bin = len(bins), means.shape[1] // bins.shape[1]
    if per_bin == 1:
        return np.ones((series, 1))
    per_day = DAY_S // grid.length_s
    days = min(_SHAPE_DAYS, bins.shape[1] // per_day)
    late = means[:, -days * per_day * per_bin :].reshape(series, days, per_day, per_bin)
    whole = bins[:, -days * per_day :].reshape(series, days, per_day, 1)
    seen = np.isfinite(late)
    fading = 0.5 ** (np.arange(days - 1.0, -1.0, -1.0) / _SHAPE_HALF_LIFE_DAYS)
    weight = seen * fading[:, None, None]
    upper = (np.sqrt(np.where(seen, late, 0)) * weight).sum(axis=1)
    lower = (np.sqrt(np.where(np.isfinite(whole), whole, 0)) * weight).sum(axis=1)
    leaned = 1e-9 + _SHAPE_PRIOR_DAYS * lower.mean(axis=(1, 2), keepdims=True) / fading.sum()
    share = np.square((upper + leaned) / (lower + leaned))
    share /= share.mean(axis=2, keepdims=True)
    return np.clip(share, 0.05, 20.0).reshape(series, -1)


def _usual_share(
    buckets: FloatArray, bin_means: FloatArray, grid: Grid, order: IntArray
) -> tuple[FloatArray, FloatArray]:
    # What a bucket usually is over the mean of its bin, by minute (or second) of the hour: jobs
    # that run at :00 show here. In square roots, so that one burst cannot bend it.
    series = len(buckets)
    if _HOUR_S % grid.step_s or grid.length_s % grid.step_s:
        return np.ones((series, len(order))), np.ones((series, len(grid.ahead)))
    phases = _HOUR_S // grid.step_s
    phase = grid.past[order] % _HOUR_S // grid.step_s
    seen = np.isfinite(buckets)
    roots = np.sqrt(np.where(seen, buckets, 0.0))
    bin_roots = np.sqrt(np.where(seen, bin_means, 0.0))
    upper, lower = np.empty((series, phases)), np.empty((series, phases))
    for row in range(series):
        upper[row] = np.bincount(phase, weights=roots[row], minlength=phases)
        lower[row] = np.bincount(phase, weights=bin_roots[row], minlength=phases)
    share = _bounded(upper, lower)
    return share[:, phase], share[:, grid.ahead % _HOUR_S // grid.step_s]


def _bounded(upper: FloatArray, lower: FloatArray) -> FloatArray:
    floor = 1e-9 + 0.02 * lower.mean(axis=1, keepdims=True)
    share = ((upper + floor) / (lower + floor)) ** 2
    return np.clip(share / share.mean(axis=1, keepdims=True), 0.05, 20.0)
