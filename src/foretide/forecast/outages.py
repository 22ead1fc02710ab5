"""This file knows times of which nothing is to be learned: outages, declared or plain to see.

A run of zeros is taken for an outage only where the series' own past all but rules it out: the
same hours of at least seven earlier days were never zero, and at the least of what they held, as
restless as they were, the chance of nothing is below one in a billion. What recurs, nights and
closed hours, is thereby never an outage; nor is what lasts longer than a day.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.wallclock import IntArray, epoch_s
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray

_LEAST_S, _LEAST_COUNT, _MOST_S = 600, 3, DAY_S
_DAYS_LEAST, _DAYS_MOST = 7, 28
_NEVER_LOG = 21.0  # exp(-21) is below 1e-9
_STEADY_SHAPE = 7.0
_ZERO_SHARE_MAX = 0.1  # who is silent more often is silent by habit


def without_outages(
    values: FloatArray, starts_s: IntArray, step_s: int, calendar: Calendar
) -> FloatArray:
    """Return values with NaN in every bucket that a declared outage touches.

    Parameters
    ----------
    values : ndarray, shape (buckets,)
        Demand.
    starts_s : ndarray of int, shape (buckets,)
        Seconds from the epoch at which the buckets begin, rising.
    step_s : int
        Length of a bucket in seconds.
    calendar : Calendar
        Which outages there were.

    Returns
    -------
    ndarray, shape (buckets,)
        `values` itself where no outage touches it.
    """
    masked = values
    for outage in calendar.outages:
        first, last = np.searchsorted(
            starts_s, [epoch_s(outage.start) - step_s + 1, epoch_s(outage.end)]
        )
        if first < last:
            masked = masked.copy() if masked is values else masked
            masked[int(first) : int(last)] = np.nan
    return masked


def outage_runs(demand: Demand) -> list[tuple[int, int]]:
    """Return the first bucket of each outage that is plain to see, and one past its last.

    Parameters
    ----------
    demand : Demand
        What was observed; each run is judged by what came before it alone.
    """
    is_zero = demand.values == 0
    seen = int(np.isfinite(demand.values).sum())
    if not 0 < is_zero.sum() <= _ZERO_SHARE_MAX * seen:
        return []
    edges = np.flatnonzero(np.diff(is_zero.astype(np.int8), prepend=0, append=0))
    return [
        (int(first), int(last))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
        if _is_outage(demand, int(first), int(last))
    ]


def _is_outage(demand: Demand, first: int, last: int) -> bool:
    count = last - first
    if count < _LEAST_COUNT or not _LEAST_S <= count * demand.step_s <= _MOST_S:
        return False
    per_day = DAY_S // demand.step_s
    days = range(1, min(_DAYS_MOST, first // per_day if per_day else 0) + 1)
    if len(days) < _DAYS_LEAST:
        return False
    table = np.stack([demand.values[first - per_day * d : last - per_day * d] for d in days])
    seen = np.isfinite(table)
    told = seen.sum(axis=1) * 2 >= count
    if told.sum() < _DAYS_LEAST or (table[told] == 0).any():
        return False
    amounts = np.where(seen, table, 0.0).sum(axis=1)[told] * count / seen.sum(axis=1)[told]
    lowest, mean, variance = float(np.quantile(amounts, 0.1)), amounts.mean(), amounts.var()
    # for counts, about Poisson however restless; for large amounts about a Gamma distribution
    # whose shape leaves less than that chance to a hundredth of its mean
    is_far_above = lowest > _NEVER_LOG * max(1.0, float(variance / mean))
    is_steady = bool(np.square(mean) > _STEADY_SHAPE * variance)
    return is_far_above or (is_steady and lowest > _NEVER_LOG * _least_amount(demand.values))


def _least_amount(values: FloatArray) -> float:
    return float(values[values > 0].min())
