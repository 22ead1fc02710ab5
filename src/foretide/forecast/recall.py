"""This file knows how forecasts that were really issued correct the next ones.

A backtest says how far the engine strayed where it could be tried again; drift, late data and
whatever else befell what was really issued it cannot know. So the place of every truth within its
forecast's quantiles is remembered, in normal scores: were forecasts perfect, those would have mean
0 and deviation 1. Where theirs is larger or smaller, the next forecast's quantiles are read off
further out or in: half by what the last six weeks say, half by its own. It works on any forecaster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S, Forecaster
from foretide.forecast.levels import LEVELS, at_scores, normal_quantiles
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast

MEMORY_DAYS = 42
_DAYS_AHEAD = 7
# Below so many days nothing is corrected; the share grows to its most until there are 42.
_DAYS_LEAST, _SHARE_MOST = 14, 0.5
_SCORE_MOST = 3.5
_TIED_MOST = 0.2
_STRETCH_LEAST, _STRETCH_MOST = 0.5, 2.5


class Issued(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A forecast that was issued, and what of it has come to be.

    Parameters
    ----------
    forecast : Forecast
        As it was issued, with at least two levels.
    actual : ndarray, shape (steps,)
        NaN where it is not known yet, or never was observed.
    """

    forecast: Forecast
    actual: FloatArray


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Where the truths of the last weeks lay within what had been forecast of one series.

    Parameters
    ----------
    day_count : int
        Days, at most 42, of which a forecast has matured.
    stretch : tuple of float
        Root mean square of their normal scores, by horizon day; 1 is perfect.
    """

    day_count: int
    stretch: tuple[float, ...]

    @property
    def share(self) -> float:
        """How much the memory weighs against the forecast's own quantiles, 0 ... 0.5."""
        grown = (self.day_count - _DAYS_LEAST) / (MEMORY_DAYS - _DAYS_LEAST)
        return _SHARE_MOST * min(max(grown, 0.0), 1.0)


def remembered(issued: Sequence[Issued], now: datetime) -> Memory:
    """Return where truths lay within one series' forecasts, of the 42 days before `now`.

    Parameters
    ----------
    issued : sequence of Issued
        Forecasts of one series, in any order.
    now : datetime
        Nothing that ended later is used; aware UTC.

    Returns
    -------
    Memory
        Days ahead without a matured forecast take what the nearest earlier one says.
    """
    scores: list[list[FloatArray]] = [[] for _ in range(_DAYS_AHEAD)]
    days: set[int] = set()
    since = now - timedelta(days=MEMORY_DAYS)
    for one in issued:
        found = _normal_scores(one, since, now)
        first = int(one.forecast.start.timestamp())
        at = np.flatnonzero(np.isfinite(found))
        ahead = at * one.forecast.step_s // DAY_S
        days.update((first // DAY_S + ahead).tolist())
        for day in range(_DAYS_AHEAD):
            if (ahead == day).any():
                scores[day].append(found[at[ahead == day]])
    stretch = [1.0]
    for of_day in scores:
        # a handful of days tell no deviation
        told = np.concatenate(of_day) if len(of_day) >= _DAYS_LEAST else None
        stretch.append(stretch[-1] if told is None else float(np.sqrt(np.square(told).mean())))
    return Memory(day_count=min(len(days), MEMORY_DAYS), stretch=tuple(stretch[1:]))


def _normal_scores(one: Issued, since: datetime, now: datetime) -> FloatArray:
    # NaN where nothing is known, or it lies outside of the memory.
    forecast = one.forecast
    known = normal_quantiles(forecast.levels).astype(np.float64)
    step = np.arange(len(forecast.values))
    ends_s = (step + 1) * forecast.step_s
    begin_s = (since - forecast.start).total_seconds()
    end_s = (now - forecast.start).total_seconds()
    below = (forecast.values < one.actual[:, None]).sum(axis=1)
    up_to = (forecast.values <= one.actual[:, None]).sum(axis=1)
    high = np.clip(below, 1, len(known) - 1)
    low_value, high_value = forecast.values[step, high - 1], forecast.values[step, high]
    width = np.maximum(high_value - low_value, 1e-12 + 1e-9 * high_value)
    part = (one.actual - low_value) / width
    found = known[high - 1] + part * (known[high] - known[high - 1])
    # Of equal quantiles (closed hours, counts of few) no one can say at which the truth lies; and
    # where that happens often, the other buckets are no fair sample of all.
    is_tied = (up_to > below + 1) & np.isfinite(one.actual)
    if is_tied.sum() > _TIED_MOST * max(int(np.isfinite(one.actual).sum()), 1):
        return np.full(len(found), np.nan)
    found = np.where(is_tied, np.nan, found)
    found = np.clip(found, -_SCORE_MOST, _SCORE_MOST)
    return np.where((ends_s > begin_s) & (ends_s <= end_s), found, np.nan)


class Recalled:
    """A forecaster whose quantiles are corrected by what became of those it issued before."""

    def __init__(self, forecaster: Forecaster, memories: Mapping[str, Memory]) -> None:
        self.name = forecaster.name
        self._forecaster = forecaster
        self._memories = memories

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand; see `Forecaster.forecast`."""
        shares = [
            memory.share if (memory := self._memories.get(demand.series_id)) else 0.0
            for demand in demands
        ]
        asked = LEVELS if any(shares) else levels
        found = self._forecaster.forecast(
            demands, issued_at=issued_at, horizon_s=horizon_s, levels=asked, timezone=timezone
        )
        if asked is levels:
            return found
        return [
            _corrected(one, self._memories.get(one.series_id), levels, issued_at) for one in found
        ]


def _corrected(
    one: Forecast, memory: Memory | None, levels: tuple[float, ...], issued_at: datetime
) -> Forecast:
    share = memory.share if memory else 0.0
    wanted = normal_quantiles(levels).astype(np.float64)
    day = np.arange(len(one.values)) * one.step_s // DAY_S
    values = np.empty((len(one.values), len(levels)))
    for ahead in range(int(day[-1]) + 1 if len(day) else 0):
        at = np.flatnonzero(day == ahead)
        scores = wanted
        if memory:
            stretch = np.clip(memory.stretch[ahead], _STRETCH_LEAST, _STRETCH_MOST)
            scores = wanted * (1 + share * (stretch - 1))
        values[at] = at_scores(one.values[at], scores)
    return Forecast(
        series_id=one.series_id,
        model=one.model,
        issued_at=issued_at,
        start=one.start,
        step_s=one.step_s,
        levels=levels,
        values=np.maximum.accumulate(np.maximum(values, 0), axis=1),
        note=one.note,
    )
