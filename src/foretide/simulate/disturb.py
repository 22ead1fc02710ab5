"""This file knows how faults change a trace: what demand really was, and what was seen of it."""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.model.demand import Demand, FloatArray
from foretide.simulate.faults import Faults, FlashCrowd, LevelShift, MetricGaps
from foretide.simulate.shocks import drift, flash_crowd, level_shift, metric_gaps

_DAY_S, _WEEK_S = 86_400, 7 * 86_400


class Disturbed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A trace under faults.

    Parameters
    ----------
    actual : Demand
        What users asked for: what is scored.
    seen : Demand
        What a policy is shown of it: what it decides on.
    """

    actual: Demand
    seen: Demand


def disturbed(demand: Demand, faults: Faults) -> Disturbed:
    """Return a trace with the faults of demand and of its measurement in it.

    Parameters
    ----------
    demand : Demand
        The clean trace.
    faults : Faults
        Those of the platform and of single readings are left to the platform and the feed.

    Returns
    -------
    Disturbed
        The same trace twice when no such fault happens; equal for equal arguments.
    """
    values, step_s = demand.values, demand.step_s
    name = demand.series_id
    if faults.drift is not None:
        values = drift(values, step_s=step_s, fraction_per_day=faults.drift.fraction_per_day)
    if faults.level_shift is not None:
        rng = faults.generator("level_shift", name)
        values = _shifted(values, step_s, faults.level_shift, rng)
    if faults.flash_crowd is not None:
        rng = faults.generator("flash_crowd", name)
        values = _crowded(values, step_s, faults.flash_crowd, rng)
    seen = values
    if faults.clock_skew is not None and faults.clock_skew.skew_s > 0:
        seen = _late(seen, round(faults.clock_skew.skew_s / step_s))
    if faults.metric_gaps is not None:
        rng = faults.generator("metric_gaps", name)
        seen = metric_gaps(seen, gaps=_gaps(len(seen), step_s, faults.metric_gaps, rng))
    return Disturbed(actual=_with(demand, values), seen=_with(demand, seen))


def _with(demand: Demand, values: FloatArray) -> Demand:
    if values is demand.values:
        return demand
    return msgspec.structs.replace(demand, values=values)


def instants(rng: np.random.Generator, bucket_count: int, expected: float) -> list[int]:
    """Return the buckets at which something happens, rising, `expected` of them on average."""
    count = int(rng.poisson(expected))
    return sorted(int(at) for at in rng.integers(0, max(bucket_count, 1), count))


def _shifted(
    values: FloatArray, step_s: int, shift: LevelShift, rng: np.random.Generator
) -> FloatArray:
    expected = shift.per_week * len(values) * step_s / _WEEK_S
    factor = shift.factor
    for at in instants(rng, len(values), expected):
        values = level_shift(values, at=at, factor=factor)
        factor = 1 / factor  # there and back: a trace must not run away
    return values


def _crowded(
    values: FloatArray, step_s: int, crowd: FlashCrowd, rng: np.random.Generator
) -> FloatArray:
    expected = crowd.per_week * len(values) * step_s / _WEEK_S
    lasts = int(crowd.ramp_s + crowd.hold_s + crowd.ebb_s) // step_s + 1
    free_from = 0
    for at in instants(rng, len(values), expected):
        if at < free_from:
            continue  # one crowd at a time: five times five is another fault
        free_from = at + lasts
        values = flash_crowd(
            values, step_s=step_s, at=at, factor=crowd.factor, ramp_s=crowd.ramp_s,
            hold_s=crowd.hold_s, ebb_s=crowd.ebb_s,
        )  # fmt: skip
    return values


def _late(values: FloatArray, bucket_count: int) -> FloatArray:
    """Return what a source whose clock is ahead shows: all of it some buckets later."""
    if not bucket_count:
        return values
    late = np.full(len(values), np.nan)
    late[bucket_count:] = values[:-bucket_count]
    return late


def _gaps(
    bucket_count: int, step_s: int, gap: MetricGaps, rng: np.random.Generator
) -> list[tuple[int, int]]:
    starts = instants(rng, bucket_count, gap.per_day * bucket_count * step_s / _DAY_S)
    return [(at, max(1, round(rng.exponential(gap.mean_s) / step_s))) for at in starts]
