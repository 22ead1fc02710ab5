"""This file knows which past hours a model that learns from all series is taught, and which not.

A series teaches only what can be learned from it: bursts are bounded, series that were hardly
observed or never above zero are left out, and none teaches more than its share. So one broken
series cannot spoil what is learned of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.days import Floats
from foretide.forecasters.features import calm_roots
from foretide.forecasters.intervals import backtest_days
from foretide.forecasters.shown import Shown, lacking, shown
from foretide.model.demand import Demand

DAYS_MIN = 8
FIRST_ROW = 3  # days that must be known before one is learned from, or tested


class Pupil(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A series to learn from.

    Parameters
    ----------
    shown : Shown
        Its past.
    roots : ndarray, shape (days, bins)
        The past in bounded square roots, NaN where not observed.
    behaviour : tuple of ndarray, each of the shape of `roots`
        What else was observed on those days.
    """

    shown: Shown
    roots: Floats
    behaviour: tuple[Floats, ...]


def pupils(
    demands: Sequence[Demand],
    behaviour: Sequence[Demand],
    *,
    issued_at: datetime,
    zone: ZoneInfo,
) -> list[Pupil]:
    """Return the series that something can be learned from, in the order given.

    Parameters
    ----------
    demands : sequence of Demand
        Series on any grids.
    behaviour : sequence of Demand
        What else is observed of their users.
    issued_at : datetime
        Nothing observed later is looked at.
    zone : ZoneInfo
        Whose wall clock the days follow.
    """
    beside = laid_out(behaviour, issued_at=issued_at, zone=zone)
    found: list[Pupil] = []
    for demand in demands:
        own = shown(demand, issued_at=issued_at, zone=zone)
        if own is not None and not unteachable(own):
            found.append(pupil(own, beside))
    return found


def laid_out(
    behaviour: Sequence[Demand], *, issued_at: datetime, zone: ZoneInfo
) -> list[Shown | None]:
    """Return the past of what is observed beside the series, None for what fell silent."""
    found: list[Shown | None] = []
    for demand in behaviour:
        is_fresh = demand.end > issued_at - timedelta(days=1)
        found.append(shown(demand, issued_at=issued_at, zone=zone) if is_fresh else None)
    return found


def pupil(own: Shown, beside: Sequence[Shown | None]) -> Pupil:
    """Return one series with what was observed beside it, on the same grid or not at all."""
    roots = calm_roots(own)
    return Pupil(shown=own, roots=roots, behaviour=tuple(_aligned(one, own) for one in beside))


def _aligned(other: Shown | None, own: Shown) -> Floats:
    values = np.full((own.rows, own.per_day), np.nan, dtype=np.float32)
    if other is None or other.first_s != own.first_s or other.per_day != own.per_day:
        return values
    rows = min(other.rows, own.rows)
    values[own.rows - rows :] = calm_roots(other)[other.rows - rows :]
    return values


def unteachable(own: Shown) -> str:
    """Return why nothing can be learned from, or said by a learner of, a series; else empty."""
    if why := lacking(own, DAYS_MIN):
        return why
    positive = (own.past.days.values > 0).sum()
    return "hardly ever above zero" if positive < own.rows else ""


def held_out_days(found: Sequence[Pupil]) -> int:
    """Return how many of the last days the first of two models does not learn from."""
    return backtest_days(max((one.shown.rows for one in found), default=0))
