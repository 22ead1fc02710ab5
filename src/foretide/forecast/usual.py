"""This file knows what a day would have been without its holiday or event.

The middle of the same weekday in the weeks around it, moved by how the usual days next to it
strayed from theirs: so weather and growth are not taken for the holiday's doing.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.bins import bin_s
from foretide.forecast.days import BoolArray
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

_FINEST_S = 3600
_WEEKS = 4
_NEAR_DAYS = 3
_NOISE_DAYS = 56
_FLOOR_FRACTION = 0.02  # of the mean level: what is added before a logarithm is taken
_LEAST_STRAY = 0.02
_RATIO_LOG_MAX = 4.0
_MEDIAN_NOISE = 1.57  # variance of a median of many over that of their mean


class Usual(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Days of bins on the users' wall clock, from midnight to midnight, past and ahead.

    Parameters
    ----------
    first_day : int
        Number of the first row's day, from the epoch on.
    length_s : int
        Length of a bin in seconds.
    middle : ndarray, shape (days, bins)
        What each bin would usually be, in mean demand per bucket; NaN where nothing tells.
    stray : ndarray, shape (days, bins)
        Log of what was over what would usually have been; NaN where not observed.
    rest : ndarray, shape (days, bins)
        Log of a day of rest of those weeks over the usual; 0 where nothing tells.
    doubt : ndarray, shape (days, bins)
        Variance of a stray over that of one usual bin: more where few days tell the middle.
    bin_stray, day_stray : float
        How far bins of usual days stray from their day, and days from their neighbours.
    """

    first_day: int
    length_s: int
    middle: FloatArray
    stray: FloatArray
    rest: FloatArray
    doubt: FloatArray
    bin_stray: float
    day_stray: float

    @property
    def contrast(self) -> float:
        """How much, in logs, days of this series differ: working days from rest, or by chance."""
        apart = np.square(self.rest[np.abs(self.rest).max(axis=1) > 0])
        return float(np.sqrt((apart.mean() if apart.size else 0.0) + np.square(self.day_stray)))


def usual_days(
    values: FloatArray,
    clock_s: IntArray,
    step_s: int,
    *,
    is_special: BoolArray,
    rest_weekday: int,
) -> Usual:
    """Return what the days would have been, had they been usual ones.

    Parameters
    ----------
    values : ndarray, shape (past buckets,)
        NaN where not observed.
    clock_s : ndarray of int, shape (past and coming buckets,)
        Wall-clock seconds at which buckets begin.
    step_s : int
        Length of a bucket in seconds.
    is_special : ndarray of bool, shape (past buckets,)
        Which of them tell nothing of usual days.
    rest_weekday : int
        0 Monday ... 6 Sunday.

    Returns
    -------
    Usual
        Its rows cover `clock_s`.
    """
    length_s = bin_s(step_s, _FINEST_S)
    per_day = DAY_S // length_s
    first_day = int(clock_s[0]) // DAY_S
    rows = int(clock_s[-1]) // DAY_S - first_day + 1
    place = clock_s[: len(values)] // length_s - first_day * per_day
    seen = np.isfinite(values)
    mean = _binned(values, place, seen, rows, per_day)
    plain = _binned(values, place, seen & ~is_special, rows, per_day)
    middle, count = _middle(plain)
    floor = _FLOOR_FRACTION * np.nanmean(mean) if seen.any() else 0.0
    floor = max(float(floor), 1e-300)
    middle_log = np.log(middle + floor)
    stray = np.clip(np.log(mean + floor) - middle_log, -_RATIO_LOG_MAX, _RATIO_LOG_MAX)
    plain_stray = np.where(np.isfinite(plain), stray, np.nan)
    by_day = _day_means(plain_stray)
    level = _near_level(by_day)
    bin_stray, day_stray = _noise(plain_stray, by_day, level)
    return Usual(
        first_day=first_day,
        length_s=length_s,
        middle=middle * np.exp(level)[:, None],
        stray=stray - level[:, None],
        rest=_rest(middle_log, count, first_day, rest_weekday, bin_stray),
        doubt=1 + _MEDIAN_NOISE / np.maximum(count, 1),
        bin_stray=bin_stray,
        day_stray=day_stray,
    )


def _binned(
    values: FloatArray, place: IntArray, kept: BoolArray, rows: int, per_day: int
) -> FloatArray:
    size = rows * per_day
    total = np.bincount(place[kept], weights=values[kept], minlength=size)
    count = np.bincount(place[kept], minlength=size)
    blank = np.full(size, np.nan)
    return np.divide(total, count, out=blank, where=count > 0).reshape(rows, per_day)


def _middle(plain: FloatArray) -> tuple[FloatArray, FloatArray]:
    # Median of the same weekday up to four weeks before and after; else of all days around, and
    # how many of them there were.
    weeks = [7 * week for back in range(1, _WEEKS + 1) for week in (-back, back)]
    same, count = _median([_shifted(plain, days) for days in weeks])
    if count.all():
        return same, count
    days = [day for back in range(1, _WEEKS + 3) for day in (-back, back)]
    around, other = _median([_shifted(plain, day) for day in days])
    return np.where(count > 0, same, around), np.where(count > 0, count, np.minimum(other, 1))


def _shifted(rows: FloatArray, days: int) -> FloatArray:
    # Row r holds what was `days` later; NaN beyond the ends.
    moved = np.full_like(rows, np.nan)
    if abs(days) < len(rows):
        if days > 0:
            moved[:-days] = rows[days:]
        else:
            moved[-days:] = rows[:days]
    return moved


def _median(rows: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    # And of how many: NaN sorts last; nothing seen gives NaN.
    ordered = np.sort(np.stack(rows), axis=0)
    found = np.isfinite(ordered).sum(axis=0)[None]
    low = np.take_along_axis(ordered, np.maximum(found - 1, 0) // 2, axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(found // 2, len(rows) - 1), axis=0)[0]
    middle = np.where(found[0] > 0, low / 2 + high / 2, np.nan)
    return middle, found[0].astype(np.float64)


def _day_means(stray: FloatArray) -> FloatArray:
    # NaN where less than a quarter of the day was observed.
    seen = np.isfinite(stray)
    count = seen.sum(axis=1)
    total = np.where(seen, stray, 0.0).sum(axis=1)
    blank = np.full(len(stray), np.nan)
    return np.divide(total, count, out=blank, where=count >= max(stray.shape[1] / 4, 1))


def _near_level(by_day: FloatArray) -> FloatArray:
    # How the usual days within three days of each strayed, leaned on 0.
    days = [day for day in range(-_NEAR_DAYS, _NEAR_DAYS + 1) if day]
    middle, count = _median([_shifted(by_day[:, None], day) for day in days])
    return (np.nan_to_num(middle) * count / (count + 1))[:, 0]


def _noise(stray: FloatArray, by_day: FloatArray, level: FloatArray) -> tuple[float, float]:
    told = np.flatnonzero(np.isfinite(by_day))[-_NOISE_DAYS:]
    if len(told) < 3:
        return 1.0, 0.3
    within = np.abs(stray[told] - by_day[told][:, None])
    across = np.abs(by_day[told] - level[told])
    return (
        max(1.48 * float(np.nanmedian(within)), _LEAST_STRAY),
        max(1.48 * float(np.median(across)), _LEAST_STRAY),
    )


def _rest(
    middle_log: FloatArray, count: FloatArray, first_day: int, rest_weekday: int, bin_stray: float
) -> FloatArray:
    # The day of rest before and the one after each day; shrunk where it is hardly more than noise.
    weekday = (first_day + np.arange(len(middle_log)) + 3) % 7  # the epoch was a Thursday
    since = (weekday - rest_weekday) % 7
    nearest = (-since, (7 - since) % 7)
    logs = np.stack([_shifted_each(middle_log, days) for days in nearest])
    counts = np.stack([_shifted_each(count, days) for days in nearest])
    seen = np.isfinite(logs)
    sides = seen.sum(axis=0)
    mean = np.divide(
        np.where(seen, logs, 0.0).sum(axis=0),
        sides,
        out=np.full_like(middle_log, np.nan),
        where=sides > 0,
    )
    apart = np.nan_to_num(mean - middle_log)
    told = np.where(seen, counts, 0.0).max(axis=0)
    fewest = np.maximum(np.minimum(told, count).mean(axis=1, keepdims=True), 0.5)
    noise = 2 * _MEDIAN_NOISE * np.square(bin_stray) / fewest
    power = np.mean(np.square(apart), axis=1, keepdims=True)
    return apart * np.clip(1 - noise / np.maximum(power, 1e-12), 0, 1)


def _shifted_each(rows: FloatArray, days: IntArray) -> FloatArray:
    at = np.arange(len(rows)) + days
    inside = (at >= 0) & (at < len(rows))
    return np.where(inside[:, None], rows[np.clip(at, 0, len(rows) - 1)], np.nan)
