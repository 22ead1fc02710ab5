"""This file knows what a forecast of the engine rests on: who carries it, and what moved it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.fleet import seen_by
from foretide.forecast.issue import Past
from foretide.forecast.views import DAYS_AHEAD, View, experts_of
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What one forecast of the engine rests on.

    Parameters
    ----------
    weights : dict of str to tuple of float
        How much each expert carries of each horizon day, the heaviest first; they sum to 1 over
        the experts. Empty where there was too little history for experts.
    correction_fraction : tuple of float
        By what share of itself the last errors, and a new level, moved each day's forecast.
    shift_ratio : float
        New level / old; 1 where it has not shifted.
    origin_count : int
        Past days the engine was tried on.
    whole_days : int
        Whole days of history it looked at.
    interval_fraction : tuple of float
        Half the width of the 80 % interval over the median, for each horizon day.
    note : str
        What the forecast itself says, empty when nothing needed saying.
    """

    weights: dict[str, tuple[float, ...]]
    correction_fraction: tuple[float, ...]
    shift_ratio: float
    origin_count: int
    whole_days: int
    interval_fraction: tuple[float, ...]
    note: str


def explain(
    demand: Demand, *, issued_at: datetime, horizon_s: int, timezone: ZoneInfo
) -> Explanation:
    """Return what the engine's forecast of `demand` rests on.

    Parameters
    ----------
    demand : Demand
        What was observed.
    issued_at : datetime
        Nothing observed later is used; aware UTC.
    horizon_s : int
        How far the forecast reaches, 1 ... 604800.
    timezone : ZoneInfo
        Whose wall clock the users follow.

    Returns
    -------
    Explanation

    Raises
    ------
    InvalidValueError
        When the horizon is impossible.
    """
    shown: list[tuple[Past, list[View]]] = []
    (found,) = seen_by(
        lambda past, views: shown.append((past, views)),
        [demand],
        issued_at=issued_at,
        horizon_s=horizon_s,
        timezone=timezone,
        levels=(0.1, 0.5, 0.9),
    )
    intervals = _interval_fraction(found)
    days = len(intervals)
    if not shown:
        return Explanation(
            weights={},
            correction_fraction=(0.0,) * days,
            shift_ratio=1.0,
            origin_count=0,
            whole_days=int((issued_at - demand.start).total_seconds() // 86_400),
            interval_fraction=intervals,
            note=found.note,
        )
    past, views = shown[0]
    return Explanation(
        weights=_weights(views, days),
        correction_fraction=_correction(views)[:days],
        shift_ratio=float(views[-1].shift[0]),
        origin_count=max(view.fitted.origin_count for view in views),
        whole_days=past.whole_days,
        interval_fraction=intervals,
        note=found.note,
    )


def _weights(views: Sequence[View], days: int) -> dict[str, tuple[float, ...]]:
    total: dict[str, FloatArray] = {}
    for view in views:
        for name, weight in zip(experts_of(view), view.fitted.weights[0], strict=True):
            total[name] = total.get(name, np.zeros(DAYS_AHEAD)) + weight * view.share[0]
    heaviest = sorted(total, key=lambda name: -float(total[name][:days].mean()))
    return {name: tuple(float(one) for one in total[name][:days]) for name in heaviest}


def _correction(views: Sequence[View]) -> tuple[float, ...]:
    before = sum(view.plain[0].mean(axis=1) * view.share[0] for view in views)
    after = sum(view.centre[0].mean(axis=1) * view.share[0] for view in views)
    return tuple(float(one) for one in (after / np.maximum(before, 1e-9) - 1))


def _interval_fraction(found: Forecast) -> tuple[float, ...]:
    per_day = max(86_400 // found.step_s, 1)
    days = [found.values[at : at + per_day] for at in range(0, len(found.values), per_day)]
    return tuple(
        float((day[:, 2] - day[:, 0]).mean() / 2 / max(day[:, 1].mean(), 1e-9)) for day in days
    )
