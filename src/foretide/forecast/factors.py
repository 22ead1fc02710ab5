"""This file knows by what holidays and events move each bucket of a series, past and ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import NormalDist
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.days import BoolArray
from foretide.forecast.occasions import Occasion, coverage, names_of, occasions_between
from foretide.forecast.outages import outage_runs, without_outages
from foretide.forecast.uplift import learned_uplift
from foretide.forecast.usual import usual_days
from foretide.forecast.wallclock import IntArray, epoch_s, local_s
from foretide.model.calendar import Calendar, Outage
from foretide.model.demand import AMOUNT_MAX, Demand, FloatArray

_MEMORY_DAYS = 400
# Below this a day was all but closed: divided out, its noise would be taken for demand.
_LEAST_FACTOR = 0.15


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """By what one holiday or event is taken to move demand.

    Parameters
    ----------
    occasion : Occasion
        Which, and when.
    factor : float
        Demand over usual demand on average over its buckets, > 0.
    low_factor, high_factor : float
        Its 80 % interval.
    seen_count : int
        Past occasions of that name that this series was observed in.
    """

    occasion: Occasion
    factor: float
    low_factor: float
    high_factor: float
    seen_count: int


class Factors(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a calendar says of the buckets of one series, past and ahead.

    Parameters
    ----------
    past : ndarray, shape (past buckets,)
        Factor by which each bucket was moved, > 0.
    usual : ndarray, shape (past buckets,)
        Demand with that divided out and outages masked: what an unaware model may learn from.
    ahead : ndarray, shape (buckets ahead,)
        Factor expected.
    ahead_stray : ndarray, shape (buckets ahead,)
        Standard deviation of its logarithm; 0 outside holidays and events.
    effects : tuple of Effect
        Of what lies ahead.
    detected : tuple of Outage
        Found, not declared, and over for less than a week.
    """

    past: FloatArray
    usual: FloatArray
    ahead: FloatArray
    ahead_stray: FloatArray
    effects: tuple[Effect, ...]
    detected: tuple[Outage, ...]


def factors(
    demand: Demand, calendar: Calendar, *, ahead_from: datetime, ahead_count: int
) -> Factors:
    """Return by what the calendar moved each bucket of a series, and will move those ahead.

    Parameters
    ----------
    demand : Demand
        What was observed; everything in it is used.
    calendar : Calendar
        What is known beforehand.
    ahead_from : datetime
        Start of the first bucket ahead, on the grid of `demand` and not before its end.
    ahead_count : int
        Buckets ahead, >= 0.

    Returns
    -------
    Factors
        All ones, and the demand itself, where no holiday, event or outage touches either.
    """
    count, step_s = len(demand.values), demand.step_s
    past_s = epoch_s(demand.start) + step_s * np.arange(count, dtype=np.int64)
    ahead_s = epoch_s(ahead_from) + step_s * np.arange(ahead_count, dtype=np.int64)
    usual = without_outages(demand.values, past_s, step_s, calendar)
    runs = outage_runs(demand) if calendar.has_outages_detected else []
    if runs:
        usual = usual.copy()
        for first, last in runs:
            usual[first:last] = np.nan
    factor, stray = np.ones(count + ahead_count), np.zeros(count + ahead_count)
    effects: tuple[Effect, ...] = ()
    # what is further back than the memory is left as it is
    skipped = max(0, count - _MEMORY_DAYS * DAY_S // step_s)
    starts_s = np.concatenate([past_s[skipped:], ahead_s])
    occasions = _occasions(calendar, starts_s, step_s)
    if occasions:
        known = usual[skipped:]
        found = _moved(known, starts_s, step_s, occasions, calendar)
        factor[skipped:], stray[skipped:] = found.factor, found.stray
        usual = np.minimum(np.concatenate([usual[:skipped], _divided(known, found)]), AMOUNT_MAX)
        effects = _effects(found, occasions, len(known))
    return Factors(
        past=factor[:count],
        usual=usual,
        ahead=factor[count:],
        ahead_stray=stray[count:],
        effects=effects,
        detected=_recent_outages(demand, runs),
    )


def _recent_outages(demand: Demand, runs: Sequence[tuple[int, int]]) -> tuple[Outage, ...]:
    step, week = timedelta(seconds=demand.step_s), 7 * DAY_S // demand.step_s
    return tuple(
        Outage(start=demand.start + first * step, end=demand.start + last * step)
        for first, last in runs
        if len(demand.values) - last < week
    )


def _occasions(calendar: Calendar, starts_s: IntArray, step_s: int) -> list[Occasion]:
    if not len(starts_s):
        return []
    found = occasions_between(calendar, int(starts_s[0]), int(starts_s[-1]) + step_s)
    # one that lies between the past and what is ahead touches neither
    return [one for one in found if len(_touched(one, starts_s, step_s)[0])]


class _Moved(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    factor: FloatArray  # (buckets,) past and ahead
    stray: FloatArray
    middle: FloatArray  # (past buckets,) what would usually have been
    shares: list[tuple[IntArray, FloatArray]]  # for each occasion its buckets, and how much of each
    logs: list[tuple[FloatArray, FloatArray]]  # mean and stray there
    is_seen: BoolArray  # (past buckets,)


def _moved(
    known: FloatArray,
    starts_s: IntArray,
    step_s: int,
    occasions: Sequence[Occasion],
    calendar: Calendar,
) -> _Moved:
    clock_s = local_s(starts_s, ZoneInfo(calendar.timezone))
    shares = [_touched(one, starts_s, step_s) for one in occasions]
    is_special = np.zeros(len(starts_s), dtype=bool)
    for at, _ in shares:
        is_special[at] = True
    usual = usual_days(
        known,
        clock_s,
        step_s,
        is_special=is_special[: len(known)],
        rest_weekday=calendar.rest_weekday,
    )
    bin_of = clock_s // usual.length_s - usual.first_day * (DAY_S // usual.length_s)
    by_bin = [_by_bin(bin_of[at], share) for at, share in shares]
    uplift = learned_uplift(usual, occasions, by_bin)
    factor, variance = np.ones(len(starts_s)), np.zeros(len(starts_s))
    logs: list[tuple[FloatArray, FloatArray]] = []
    for number, (at, share) in enumerate(shares):
        mine = uplift.occasion == number
        pick = np.searchsorted(uplift.place[mine], bin_of[at])
        mean, stray = uplift.mean[mine][pick], uplift.stray[mine][pick]
        factor[at] *= 1 + share * np.expm1(mean)
        variance[at] += np.square(share * stray)
        logs.append((mean, stray))
    return _Moved(
        factor=factor,
        stray=np.sqrt(variance),
        middle=usual.middle.ravel()[bin_of[: len(known)]],
        shares=shares,
        logs=logs,
        is_seen=np.isfinite(known),
    )


def _touched(occasion: Occasion, starts_s: IntArray, step_s: int) -> tuple[IntArray, FloatArray]:
    begin, end = np.searchsorted(starts_s, [occasion.start_s - step_s + 1, occasion.end_s])
    at = np.arange(int(begin), int(end), dtype=np.int64)
    return at, coverage(occasion, starts_s[at], step_s)


def _by_bin(bins: IntArray, share: FloatArray) -> tuple[IntArray, FloatArray]:
    # The hour that DST repeats meets itself in one bin.
    unique, place = np.unique(bins, return_inverse=True)
    return unique, np.bincount(place, weights=share) / np.bincount(place)


def _divided(known: FloatArray, moved: _Moved) -> FloatArray:
    past = moved.factor[: len(known)]
    is_closed = (past < _LEAST_FACTOR) & moved.is_seen
    return np.where(is_closed, moved.middle, known / past)


def _effects(moved: _Moved, occasions: Sequence[Occasion], count: int) -> tuple[Effect, ...]:
    seen: dict[str, int] = dict.fromkeys(names_of(occasions), 0)
    effects: list[Effect] = []
    for one, (at, share), (mean, stray) in zip(occasions, moved.shares, moved.logs, strict=True):
        seen[one.name] += bool(moved.is_seen[at[at < count]].any())
        if len(at) and at[-1] >= count:
            middle = float(np.average(mean, weights=share))
            wide = 1.2816 * float(np.average(stray, weights=share))
            low, factor, high = np.exp([middle - wide, middle, middle + wide])
            effects.append(
                Effect(
                    occasion=one,
                    factor=float(factor),
                    low_factor=float(low),
                    high_factor=float(high),
                    seen_count=seen[one.name],
                )
            )
    return tuple(effects)


def multiplied(
    values: FloatArray, levels: tuple[float, ...], factor: FloatArray, stray: FloatArray
) -> FloatArray:
    """Return quantiles moved by a factor, and wider by how unsure that is.

    Parameters
    ----------
    values : ndarray, shape (..., levels)
        Quantiles, never crossing, >= 0.
    levels : tuple of float
        Rising; one of them is 0.5.
    factor, stray : ndarray, shape (...)
        Expected factor, and the standard deviation of its logarithm.

    Returns
    -------
    ndarray, shape of `values`
        Never crossing. In square roots, distances from the middle quantile and what the factor's
        uncertainty makes of it add up as independent spreads do.
    """
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    moved = np.sqrt(values * factor[..., None])
    middle = moved[..., levels.index(0.5)][..., None]
    own = moved - middle
    added = middle * np.expm1(normal * stray[..., None] / 2)
    root = middle + np.sign(normal) * np.sqrt(np.square(own) + np.square(added))
    return np.where(
        stray[..., None] > 0, np.square(np.maximum(root, 0)), values * factor[..., None]
    )
