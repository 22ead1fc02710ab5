"""This file knows how a kept forecast is scored, day by day, as what it spoke of happens."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from foretide.forecast.base import DAY_S
from foretide.forecast.score import pinball
from foretide.model.accuracy import KEPT_LEVELS, LATENESS_S, SCORED_LEVELS, Kept, Score, Tally
from foretide.model.demand import Demand, FloatArray

_SCORED = [KEPT_LEVELS.index(level) for level in SCORED_LEVELS]
_MIDDLE = KEPT_LEVELS.index(0.5)
_UPPER = KEPT_LEVELS.index(0.95)
_INTERVALS = tuple(
    (KEPT_LEVELS.index(low), KEPT_LEVELS.index(high))
    for low, high in ((0.25, 0.75), (0.1, 0.9), (0.025, 0.975))
)


def scores_of(kept: Kept, demand: Demand, *, known_until: datetime) -> list[Score]:
    """Score the days of a forecast of which something is known by now.

    Parameters
    ----------
    kept : Kept
        The forecast.
    demand : Demand
        Of the same series on the same grid.
    known_until : datetime
        Buckets that end later are not looked at: they have not happened, or are not complete.

    Returns
    -------
    list of Score
        One for each day of the horizon with an observed bucket, in their order.
    """
    actual = actual_of(kept, demand, known_until=known_until)
    seen = np.isfinite(actual)
    if not seen.any():
        return []
    per_bucket = _per_bucket(kept, actual)
    step_s = kept.forecast.step_s
    day_of = np.arange(len(actual), dtype=np.int64) * step_s // DAY_S
    begins = np.flatnonzero(np.diff(day_of, prepend=-1))
    sums = np.add.reduceat(np.where(seen[:, None], per_bucket, 0.0), begins, axis=0)
    observed = np.add.reduceat(seen.astype(np.int64), begins)
    ends_s = np.append(begins[1:], len(actual)) * step_s
    over_s = (known_until - kept.forecast.start).total_seconds() - LATENESS_S
    return [
        Score(
            day=day + 1,
            tally=_tally(int(observed[day]), sums[day], kept.naive_scale),
            is_final=bool(ends_s[day] <= over_s),
        )
        for day in np.flatnonzero(observed).tolist()
    ]


def actual_of(kept: Kept, demand: Demand, *, known_until: datetime) -> FloatArray:
    """Return what came to be in every bucket of a forecast, NaN where it is not known.

    In single precision, as forecasts are kept: a forecast that was right to the last event is
    then right to the last bit.

    Parameters
    ----------
    kept, demand, known_until
        As for `scores_of`.

    Returns
    -------
    ndarray, shape (steps,)
    """
    forecast, step = kept.forecast, timedelta(seconds=kept.forecast.step_s)
    known = min(max((known_until - forecast.start) // step, 0), len(forecast.values))
    offset = (forecast.start - demand.start) // step
    begin, end = max(-offset, 0), min(len(demand.values) - offset, known)
    actual = np.full(len(forecast.values), np.nan)
    if begin < end:
        actual[begin:end] = demand.values[offset + begin : offset + end].astype(np.float32)
    return actual


def _per_bucket(kept: Kept, actual: FloatArray) -> FloatArray:
    # One column for each sum of a tally, in the order in which `_tally` takes them.
    values = kept.forecast.values
    columns = [
        actual,
        np.abs(actual - values[:, _MIDDLE]),
        pinball(kept.naive, SCORED_LEVELS, actual).sum(axis=1),
        values @ _EXPECTED_LOSS,
        *((actual >= values[:, low]) & (actual <= values[:, high]) for low, high in _INTERVALS),
        actual <= values[:, _UPPER],
    ]
    losses = pinball(values[:, _SCORED], SCORED_LEVELS, actual)
    return np.column_stack([*columns, losses]).astype(np.float64)


def _tally(count: int, sums: FloatArray, naive_scale: float) -> Tally:
    demand, error, naive, expected, *rest = (float(value) for value in sums)
    inside_50, inside_80, inside_95, below_95, *losses = rest
    return Tally(
        bucket_count=count,
        demand=demand,
        pinball=tuple(losses),
        absolute_error=error,
        scaled_error=error / naive_scale if naive_scale > 0 else 0.0,
        scaled_count=count if naive_scale > 0 else 0,
        naive_loss=naive,
        expected_loss=expected,
        inside_50_count=int(inside_50),
        inside_80_count=int(inside_80),
        inside_95_count=int(inside_95),
        below_95_count=int(below_95),
    )


def _expected_loss() -> npt.NDArray[np.float64]:
    # What pinball loss over all scored levels a forecast itself expects is linear in its
    # quantiles Q: at level t it is t * integral of (Q_u - Q_t) over u > t, plus (1 - t) * the same
    # below. Between levels Q is taken as straight, beyond the outermost as exponential.
    levels = np.array(KEPT_LEVELS)
    count = len(levels)
    unit = np.eye(count)
    part = np.zeros((count - 1, count))
    for at in range(count - 1):
        part[at] = (levels[at + 1] - levels[at]) * (unit[at] + unit[at + 1]) / 2
    upper_share, lower_share = 1 - levels[-1], levels[0]
    rise = (unit[-1] - unit[-2]) / np.log((1 - levels[-2]) / upper_share)
    fall = (unit[1] - unit[0]) / np.log(levels[1] / lower_share)
    above = upper_share * (unit[-1] + rise)
    below = lower_share * (unit[0] - fall)
    total = np.zeros(count)
    for at in _SCORED:
        share = levels[at]
        over = part[at:].sum(axis=0) + above - (1 - share) * unit[at]
        under = share * unit[at] - part[:at].sum(axis=0) - below
        total += share * over + (1 - share) * under
    return total


_EXPECTED_LOSS = _expected_loss()
