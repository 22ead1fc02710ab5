"""This file knows whole courses that demand may take, for what depends on more than one bucket.

A forecast's quantiles say how far each bucket may stray, not whether its neighbours stray with it.
Past days do: whole stretches of days as they strayed from what would have been forecast are laid
over the days ahead, by rank, so that every path follows the forecast's own quantiles and a
stretch's own ups and downs. Path i takes the same past stretch for every series: what strays
together stays together. Reference: Clark et al. 2004, the Schaake shuffle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S
from foretide.forecast.days import Floats
from foretide.forecast.fleet import seen_by
from foretide.forecast.issue import Past
from foretide.forecast.levels import LEVELS
from foretide.forecast.views import View, outcomes
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast

# Stretches of low discrepancy: every part of them is spread evenly, whatever the seed.
_TURN, _SEED_TURN = 0.6180339887498949, 0.7548776662466927
_COUNT_MAX = 10_000


class Paths(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Courses that one series may take, all equally likely.

    Parameters
    ----------
    series_id : str
        Whose demand it is.
    issued_at, start : datetime
        Nothing observed later went into it; start of the first bucket. Aware UTC.
    step_s : int
        Length of a bucket in seconds.
    values : ndarray, shape (paths, steps)
        Demand in each bucket, >= 0.
    note : str
        Why they are wide, empty when nothing needs saying.
    """

    series_id: str
    issued_at: datetime
    start: datetime
    step_s: int
    values: FloatArray
    note: str


def paths(
    demands: Sequence[Demand],
    *,
    issued_at: datetime,
    horizon_s: int,
    timezone: ZoneInfo,
    count: int,
    seed: int,
) -> list[Paths]:
    """Return `count` courses that each series may take over the horizon.

    Parameters
    ----------
    demands, issued_at, horizon_s, timezone
        As for `Forecaster.forecast`.
    count : int
        Paths, 1 ... 10000.
    seed : int
        The same gives the same paths; >= 0.

    Returns
    -------
    list of Paths
        One per demand, in the order given.

    Raises
    ------
    InvalidValueError
        When the horizon, the count or the seed is impossible.
    """
    if not 1 <= count <= _COUNT_MAX:
        raise InvalidValueError(f"count must lie in [1, {_COUNT_MAX}], was {count}")
    if seed < 0:
        raise InvalidValueError(f"seed must be >= 0, was {seed}")
    strays: dict[str, tuple[Floats, Floats]] = {}

    def see(past: Past, views: list[View]) -> None:
        actual, seen = outcomes(past.sampled, views[-1].first)
        strayed = np.sqrt(actual) - np.sqrt(views[-1].past_centre)
        whole = np.broadcast_to(seen, strayed.shape)
        for row, series_id in enumerate(past.series_ids):
            strays[series_id] = strayed[row], whole[row]

    forecasts = seen_by(
        see, demands, issued_at=issued_at, horizon_s=horizon_s, timezone=timezone, levels=LEVELS
    )
    turns = np.arange(count, dtype=np.float64)
    # A stretch for every path, and where within its rank the path lies.
    chosen = np.mod(0.5 + seed * _SEED_TURN + turns * _TURN, 1.0)
    within = np.mod(0.5 + seed * _TURN + turns * _SEED_TURN, 1.0)
    return [
        Paths(
            series_id=found.series_id,
            issued_at=issued_at,
            start=found.start,
            step_s=found.step_s,
            values=_courses(found, strays.get(found.series_id), chosen, within),
            note=found.note,
        )
        for found in forecasts
    ]


def _courses(
    found: Forecast,
    strays: tuple[Floats, Floats] | None,
    chosen: FloatArray,
    within: FloatArray,
) -> FloatArray:
    steps = len(found.values)
    if strays is None:
        # Nothing is known of how buckets stray together: they do so as one.
        places = np.broadcast_to(chosen[:, None], (len(chosen), steps))
    else:
        by_bin = _places(*strays, chosen, within)
        per_bin_s = DAY_S * 7 // by_bin.shape[1]
        at = np.arange(steps) * found.step_s // per_bin_s
        places = by_bin[:, np.minimum(at, by_bin.shape[1] - 1)]
    return _at_places(found.values, places)


def _places(strays: Floats, seen: Floats, chosen: FloatArray, within: FloatArray) -> FloatArray:
    # The quantile at which each path lies in every bin of the days ahead, shape (paths, bins).
    origins, days, bins = strays.shape
    # Stretches of which every day is known, or at least half of those there are.
    stretches = max(origins - days + 1, -(-origins // 2))
    stretch = (chosen * stretches).astype(np.int64)
    found = np.empty((len(chosen), days, bins))
    for day in range(days):
        known = np.flatnonzero(seen[:stretches, day].mean(axis=1) > 0.5)
        if not len(known):
            # Strayed as the day before: how days follow one another was not seen yet.
            found[:, day] = found[:, day - 1] if day else chosen[:, None]
            continue
        part = np.where(seen[known, day] > 0, strays[known, day], 0)
        rank = part.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        at = np.minimum((known[:, None] < stretch).sum(axis=0), len(known) - 1)
        found[:, day] = (rank[at] + within[:, None]) / len(known)
    return found.reshape(len(chosen), days * bins)


def _at_places(quantiles: FloatArray, places: FloatArray) -> FloatArray:
    # Read off the forecast's quantiles, in a straight line between two neighbouring levels.
    shares = np.asarray(LEVELS)
    place = np.clip(places, shares[0], shares[-1])
    above = np.clip(np.searchsorted(shares, place), 1, len(shares) - 1)
    part = (place - shares[above - 1]) / (shares[above] - shares[above - 1])
    step = np.arange(len(quantiles))
    low, high = quantiles[step, above - 1], quantiles[step, above]
    return low + part * (high - low)
