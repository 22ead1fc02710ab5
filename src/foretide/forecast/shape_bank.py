"""This file knows the shape that an app's other features give to one of which little was seen.

Elders are scaled to a mean of one; the more an elder's shape agrees with what was observed of the
young series, the more it counts; and the young series' own level stretches the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S
from foretide.forecast.wallclock import epoch_s
from foretide.model.demand import Demand, FloatArray

BANK_DAYS = 28
_ELDER_DAYS = 7
_ELDERS_MOST = 12
_HOUR_S = 3600
_AGREEMENT = 6.0  # how sharply agreement of shapes counts
_DISAGREEMENT = 0.25  # what is assumed where there is but one elder
_PREDECESSOR = 4.0  # by how much more a series counts that the young one is said to succeed


class Elder(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A series whose past tells of one that has none.

    Parameters
    ----------
    demand : Demand
        What was observed of it.
    successor : str
        The series that takes its place; empty where it is only another feature of the app.
    """

    demand: Demand
    successor: str = ""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What was declared of a series before anything was observed of it.

    Parameters
    ----------
    series_id : str
        Whose demand.
    daily_amount : float, optional
        Expected on a usual day, > 0. Exactly one of the two is given.
    peak_per_s : float, optional
        Expected in the busiest time of the week, > 0.
    """

    series_id: str
    daily_amount: float | None = None
    peak_per_s: float | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.daily_amount, self.peak_per_s) if one is not None]
        if len(given) != 1 or not given[0] > 0:
            raise InvalidValueError(
                f"{self.series_id}: give one of daily_amount and peak_per_s, > 0, had {given}"
            )


class Shape(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the elders say of the last days, for one young series.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        Mean about one; NaN where no elder was observed. Ends where the forecast begins.
    elders : tuple of str
        The series it is made of, the weightiest first; empty where it is only flat.
    typical_mean : float
        What a bucket of an elder holds on (geometric) average; NaN where there is none.
    predecessor_mean : float
        The same of the series it succeeds; NaN where there is none.
    disagreement : float
        How far the elders' roots stray from each other's, as a share of the root of the level.
    """

    values: FloatArray
    elders: tuple[str, ...]
    typical_mean: float
    predecessor_mean: float
    disagreement: float


def since_birth(demand: Demand, issued_at: datetime) -> Demand:
    """Return a demand from its first call on: where an app lives, a feature yet to come reads zero.

    Parameters
    ----------
    demand : Demand
        What was observed.
    issued_at : datetime
        Nothing observed later is used; aware UTC.

    Returns
    -------
    Demand
        `demand` itself where less than a day of nothing leads it, or nothing has come yet.
    """
    day = max(1, DAY_S // demand.step_s)
    if len(demand.values) <= day or (demand.values[:day] > 0).any():
        return demand
    known = demand.until(issued_at)
    called = np.flatnonzero(known.values > 0)
    if not len(called) or called[0] < day:
        return demand
    values = known.values.copy()
    values[: called[0]] = np.nan
    return msgspec.structs.replace(known, values=values)


def weightiest(elders: Sequence[Elder], issued_at: datetime) -> list[Elder]:
    """Return the elders worth asking: those with a successor, and the most called of the others.

    Parameters
    ----------
    elders : sequence of Elder
        In any number.
    issued_at : datetime
        Nothing observed later is used; aware UTC.
    """
    if len(elders) <= _ELDERS_MOST:
        return list(elders)
    amounts = [_recent_amount(one.demand, issued_at) for one in elders]
    most = sorted(range(len(elders)), key=lambda at: (-amounts[at], elders[at].demand.series_id))
    kept = set(most[:_ELDERS_MOST])
    return [one for at, one in enumerate(elders) if at in kept or one.successor]


def flat_shape(step_s: int) -> Shape:
    """Return the shape of which nothing is known: as much at all times."""
    return Shape(
        values=np.ones(BANK_DAYS * DAY_S // step_s),
        elders=(),
        typical_mean=np.nan,
        predecessor_mean=np.nan,
        disagreement=_DISAGREEMENT,
    )


def shape_for(
    young: Demand, elders: Sequence[Elder], *, issued_at: datetime, until: datetime
) -> Shape | None:
    """Return the shape that elders give to a young series; None where none is old enough.

    Parameters
    ----------
    young : Demand
        What was observed of it by `issued_at`, perhaps nothing.
    elders : sequence of Elder
        Only buckets that ended by `issued_at` are used; those with other buckets than `young`,
        those with less than a week, and `young` itself, are left out.
    issued_at : datetime
        Nothing observed later is used; aware UTC.
    until : datetime
        Where the shape is to end, on the grid of `young`; >= issued_at.
    """
    count = BANK_DAYS * DAY_S // young.step_s
    fit, rows = list[Elder](), list[FloatArray]()
    for one in elders:
        if _shares_grid(one.demand, young):
            known = since_birth(one.demand, issued_at).until(issued_at)
            row = last_buckets(known, until, count)
            if _is_old(row, young.step_s) and np.nanmax(row) > 0:
                fit.append(one)
                rows.append(row)
    if not fit:
        return None
    table = np.stack(rows)
    means = _row_means(table)
    scaled = table / means[:, None]
    succeeds = np.array([one.successor == young.series_id for one in fit])
    own = last_buckets(young, until, count)
    weights = _weights(scaled, own, max(1, _HOUR_S // young.step_s))
    weights = weights * np.where(succeeds, _PREDECESSOR, 1.0)
    order = np.argsort(-weights, kind="stable")
    return Shape(
        values=_mixed(scaled, weights),
        elders=tuple(fit[int(at)].demand.series_id for at in order),
        typical_mean=float(np.exp(np.log(means).mean())),
        predecessor_mean=float(means[succeeds].mean()) if succeeds.any() else np.nan,
        disagreement=_disagreement(scaled),
    )


def last_buckets(demand: Demand, until: datetime, count: int) -> FloatArray:
    """Return the buckets of a demand before an instant on its grid, NaN where not observed.

    Parameters
    ----------
    demand : Demand
        What was observed.
    until : datetime
        End of the last bucket returned.
    count : int
        How many buckets.
    """
    end = (epoch_s(until) - epoch_s(demand.start)) // demand.step_s
    values = np.full(count, np.nan)
    first, last = max(0, end - count), min(end, len(demand.values))
    if first < last:
        values[count - end + first : count - end + last] = demand.values[first:last]
    return values


def hourly(values: FloatArray, per_hour: int) -> FloatArray:
    """Return means of groups of buckets that end where `values` ends, NaN where none was seen.

    Parameters
    ----------
    values : ndarray, shape (..., buckets)
        NaN where not observed.
    per_hour : int
        Buckets in a group, >= 1.
    """
    kept = values[..., values.shape[-1] % per_hour :]
    groups = kept.reshape(*kept.shape[:-1], -1, per_hour)
    seen = np.isfinite(groups)
    total = np.where(seen, groups, 0.0).sum(axis=-1)
    count = seen.sum(axis=-1)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _recent_amount(demand: Demand, issued_at: datetime) -> float:
    # Per second, over the days that a shape is made of.
    known = demand.until(issued_at).values[-BANK_DAYS * DAY_S // demand.step_s :]
    seen = known[np.isfinite(known)]
    return float(seen.mean()) / demand.step_s if len(seen) else 0.0


def _shares_grid(elder: Demand, young: Demand) -> bool:
    return (
        elder.series_id != young.series_id
        and elder.step_s == young.step_s
        and not (elder.start - young.start) % timedelta(seconds=young.step_s)
    )


def _is_old(row: FloatArray, step_s: int) -> bool:
    # Observed a week ago or earlier, and half a week in all.
    seen = np.isfinite(row)
    week = _ELDER_DAYS * DAY_S // step_s
    return bool(seen[: len(row) - week + 1].any()) and int(seen.sum()) >= week / 2


def _row_means(table: FloatArray) -> FloatArray:
    seen = np.isfinite(table)
    return np.where(seen, table, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def _weights(scaled: FloatArray, own: FloatArray, per_hour: int) -> FloatArray:
    # By how well each shape, stretched to the young series' level, tells its hours; even at first.
    shapes, hours = np.sqrt(hourly(scaled, per_hour)), np.sqrt(hourly(own, per_hour))
    both = np.isfinite(shapes) & np.isfinite(hours)
    enough = both.sum(axis=1)
    if enough.max() < 3:
        return np.ones(len(scaled))
    shapes, hours = np.where(both, shapes, 0.0), np.where(both, hours, 0.0)
    stretch = (shapes * hours).sum(axis=1) / np.maximum(np.square(shapes).sum(axis=1), 1e-12)
    missed: FloatArray = np.square(hours - stretch[:, None] * shapes).sum(axis=1) / np.maximum(
        enough, 1
    )
    missed = np.where(enough > 0, missed, missed[enough > 0].max())
    trust = enough.max() / (enough.max() + 24.0)
    return np.exp(-_AGREEMENT * trust * (missed / max(missed.min(), 1e-12) - 1).clip(0, 50))


def _mixed(scaled: FloatArray, weights: FloatArray) -> FloatArray:
    seen = np.isfinite(scaled)
    total = (weights[:, None] * seen).sum(axis=0)
    summed = (weights[:, None] * np.where(seen, scaled, 0.0)).sum(axis=0)
    return np.divide(summed, total, out=np.full_like(total, np.nan), where=total > 0)


def _disagreement(scaled: FloatArray) -> float:
    # Of each elder with the mean of the others; the middle one counts.
    if len(scaled) < 2:
        return _DISAGREEMENT
    strays: list[float] = []
    for at in range(len(scaled)):
        others = _mixed(np.delete(scaled, at, axis=0), np.ones(len(scaled) - 1))
        apart = np.sqrt(scaled[at]) - np.sqrt(others)
        seen = np.isfinite(apart)
        if seen.any():
            strays.append(float(np.square(apart[seen]).mean()))
    return float(np.sqrt(np.median(strays))) if strays else _DISAGREEMENT
