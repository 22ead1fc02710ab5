"""This file knows peaks and paths of series whose calendar is known: the corridor to both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import first_step, step_count
from foretide.forecast.factors import factors
from foretide.forecast.maxima import Maxima, maxima
from foretide.forecast.paths import Paths, paths
from foretide.forecast.special import usual_demand
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray


def peaks_of(
    demands: Sequence[Demand],
    calendar: Calendar,
    *,
    issued_at: datetime,
    horizon_s: int,
    window_s: int,
    levels: tuple[float, ...],
) -> list[Maxima]:
    """Forecast the peaks of windows; a window in a holiday or event peaks by its factor.

    Parameters
    ----------
    demands, issued_at, horizon_s, window_s, levels
        As for `forecast.maxima.maxima`.
    calendar : Calendar
        What is known beforehand, and by whose clock the users live.

    Raises
    ------
    InvalidValueError
        When the window, the horizon or a level is impossible.
    """
    usual = [usual_demand(one, calendar, issued_at=issued_at) for one in demands]
    found = maxima(
        usual, issued_at=issued_at, horizon_s=horizon_s, window_s=window_s, levels=levels,
        timezone=ZoneInfo(calendar.timezone),
    )  # fmt: skip
    moved: list[Maxima] = []
    for demand, one in zip(demands, found, strict=True):
        factor = _ahead(demand, calendar, issued_at, horizon_s)
        starts = np.arange(0, len(factor), window_s // demand.step_s)
        values = one.values * np.maximum.reduceat(factor, starts)[:, None]
        moved.append(msgspec.structs.replace(one, values=values))
    return moved


def paths_of(
    demands: Sequence[Demand],
    calendar: Calendar,
    *,
    issued_at: datetime,
    horizon_s: int,
    count: int,
    seed: int,
) -> list[Paths]:
    """Return courses that series may take, holidays and events by their factors.

    Parameters
    ----------
    demands, issued_at, horizon_s, count, seed
        As for `forecast.paths.paths`.
    calendar : Calendar
        What is known beforehand, and by whose clock the users live.

    Raises
    ------
    InvalidValueError
        When the horizon, the count or the seed is impossible.
    """
    usual = [usual_demand(one, calendar, issued_at=issued_at) for one in demands]
    found = paths(
        usual, issued_at=issued_at, horizon_s=horizon_s, timezone=ZoneInfo(calendar.timezone),
        count=count, seed=seed,
    )  # fmt: skip
    return [
        msgspec.structs.replace(
            one, values=one.values * _ahead(demand, calendar, issued_at, horizon_s)
        )
        for demand, one in zip(demands, found, strict=True)
    ]


def _ahead(demand: Demand, calendar: Calendar, issued_at: datetime, horizon_s: int) -> FloatArray:
    return factors(
        demand.until(issued_at),
        calendar,
        ahead_from=first_step(demand, issued_at),
        ahead_count=step_count(demand.step_s, horizon_s),
    ).ahead
