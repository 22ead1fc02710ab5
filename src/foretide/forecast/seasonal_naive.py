"""This file knows the plainest forecast: what was a week ago, or a day ago, will be again.

It is the yardstick of skill. Its intervals come from how often that was wrong, and by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from foretide.forecast.coldstart import short_quantiles
from foretide.forecast.conformal import Spread, moved, spread_of, wander_of
from foretide.forecast.days import Days, Floats, mean_level
from foretide.forecast.issue import Answer, Past, issue
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_DAYS_FOR_DAYS = 2
_DAYS_FOR_WEEKS = 8


class SeasonalNaive:
    """Same time last week, else last day, else the last value; keeps nothing."""

    name = "seasonal-naive"

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
        return issue(
            demands,
            model=self.name,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=timezone,
            finest_s=1,
            quantiles_of=naive_answer,
        )


def naive_answer(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
    """Answer that the same time last week, else of the last day, repeats.

    Parameters
    ----------
    past : Past
        What is known of the series; of any length.
    days_ahead : int
        Days to forecast, 1 ... 7.
    levels : tuple of float
        Quantile levels, rising.
    """
    days = past.days
    if past.whole_days < _DAYS_FOR_DAYS:
        note = "less than two days of history: by level and time of day, wide by prior"
        return Answer(quantiles=short_quantiles(days, days_ahead, levels), note=note)
    lag = 7 if past.whole_days >= _DAYS_FOR_WEEKS else 1
    seen = days.seen[:, lag:] * days.seen[:, :-lag]
    strays = (np.sqrt(days.values[:, lag:]) - np.sqrt(days.values[:, :-lag])) * seen
    spread = spread_of(
        strays[:, :, None], seen[:, :, None], np.sqrt(mean_level(days)), wander_of(days)
    )
    # A day's error grows with the days it is carried on; a week's serves all seven.
    carried = np.arange(days_ahead, dtype=np.float32) if lag == 1 else np.zeros(days_ahead)
    scale = spread.scale * np.sqrt(1 + carried).astype(np.float32)[:, None]
    grown = Spread(scale=scale, quantiles=spread.quantiles)
    note = "" if lag == 7 else "less than eight days of history: the last day repeats"
    return Answer(quantiles=moved(_repeated(days, days_ahead, lag), grown, levels), note=note)


def _repeated(days: Days, days_ahead: int, lag: int) -> Floats:
    # Shape (series, days ahead, bins).
    latest = _last_value(days)[:, None]
    yesterday = np.where(days.seen[:, -1] > 0, days.values[:, -1], latest)
    ahead = np.repeat(yesterday[:, None], days_ahead, axis=1)
    if lag == 7:
        week = np.s_[:, -7 : -7 + days_ahead or None]
        ahead = np.where(days.seen[week] > 0, days.values[week], ahead)
    return ahead


def _last_value(days: Days) -> Floats:
    series = len(days.values)
    seen = np.broadcast_to(days.seen, days.values.shape).reshape(series, -1)
    last = seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
    return days.values.reshape(series, -1)[np.arange(series), last]
