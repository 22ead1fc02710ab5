"""This file knows how any forecaster is told of holidays, events and outages.

It shows the forecaster a past of usual days: outages masked, what a holiday or event added or took
away divided out. What the forecaster says of the days ahead is multiplied by the factor expected
there, and made as much wider as that factor is unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeGuard
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import Forecaster, Trainable, check_asked, first_step, step_count
from foretide.forecast.factors import Effect, Factors, factors, multiplied
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast


def is_trainable(forecaster: Forecaster) -> TypeGuard[Trainable]:
    """Return whether a forecaster's learning can be kept."""
    return hasattr(forecaster, "train") and hasattr(forecaster, "forecast_trained")


class Calendared:
    """Any forecaster, told of what is known beforehand of its series' days.

    Parameters
    ----------
    forecaster : Forecaster
        Keeps its name.
    calendar : Calendar
        Of the users of all series asked for; an empty one changes nothing.
    """

    def __init__(self, forecaster: Forecaster, calendar: Calendar) -> None:
        self.name = forecaster.name
        self._forecaster = forecaster
        self._calendar = calendar

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
        if self._calendar.is_empty:
            return self._forecaster.forecast(
                demands, issued_at=issued_at, horizon_s=horizon_s, levels=levels, timezone=timezone
            )
        check_asked(horizon_s, levels)
        found = [self._factors(demand, issued_at, horizon_s) for demand in demands]
        plain = self._forecaster.forecast(
            _usual(demands, found, issued_at),
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=_with_middle(levels),
            timezone=timezone,
        )
        return [_special(one, told, levels) for one, told in zip(plain, found, strict=True)]

    def effects(self, demand: Demand, *, issued_at: datetime, horizon_s: int) -> tuple[Effect, ...]:
        """Return what is said of the holidays and events within a horizon.

        Parameters
        ----------
        demand : Demand
            What was observed; buckets still open at `issued_at` are ignored.
        issued_at : datetime
            Nothing observed later is used; aware UTC.
        horizon_s : int
            How far to look, 1 ... 604800.
        """
        return self._factors(demand, issued_at, horizon_s).effects

    def _factors(self, demand: Demand, issued_at: datetime, horizon_s: int) -> Factors:
        return factors(
            demand.until(issued_at),
            self._calendar,
            ahead_from=first_step(demand, issued_at),
            ahead_count=step_count(demand.step_s, horizon_s),
        )


class CalendaredTrainable(Calendared):
    """The same of a forecaster whose learning can be kept.

    Parameters
    ----------
    forecaster : Trainable
        Keeps its name.
    calendar : Calendar
        Of the users of all series asked for.
    """

    def __init__(self, forecaster: Trainable, calendar: Calendar) -> None:
        super().__init__(forecaster, calendar)
        self._trainable = forecaster

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn from usual days; see `Trainable.train`."""
        if self._calendar.is_empty:
            return self._trainable.train(demands, issued_at=issued_at, timezone=timezone)
        found = [self._factors(demand, issued_at, 1) for demand in demands]
        usual = _usual(demands, found, issued_at)
        return self._trainable.train(usual, issued_at=issued_at, timezone=timezone)

    def forecast_trained(
        self,
        trained: bytes,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast with what was learned earlier; see `Trainable.forecast_trained`."""
        if self._calendar.is_empty:
            return self._trainable.forecast_trained(
                trained, demands, issued_at=issued_at, horizon_s=horizon_s, levels=levels,
                timezone=timezone,
            )  # fmt: skip
        check_asked(horizon_s, levels)
        found = [self._factors(demand, issued_at, horizon_s) for demand in demands]
        plain = self._trainable.forecast_trained(
            trained,
            _usual(demands, found, issued_at),
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=_with_middle(levels),
            timezone=timezone,
        )
        return [_special(one, told, levels) for one, told in zip(plain, found, strict=True)]


def calendared(forecaster: Forecaster, calendar: Calendar) -> Forecaster:
    """Return a forecaster that knows a calendar; itself where that is empty.

    Parameters
    ----------
    forecaster : Forecaster
        One whose learning can be kept stays such.
    calendar : Calendar
        Of the users of all series asked for.
    """
    if calendar.is_empty:
        return forecaster
    if is_trainable(forecaster):
        return CalendaredTrainable(forecaster, calendar)
    return Calendared(forecaster, calendar)


def usual_demand(demand: Demand, calendar: Calendar, *, issued_at: datetime) -> Demand:
    """Return what an unaware model is shown: usual days, outages masked.

    Parameters
    ----------
    demand : Demand
        What was observed.
    calendar : Calendar
        What was known beforehand.
    issued_at : datetime
        Buckets still open then are left out; aware UTC.
    """
    known = demand.until(issued_at)
    found = factors(known, calendar, ahead_from=known.end, ahead_count=0)
    return msgspec.structs.replace(known, values=found.usual)


def _usual(
    demands: Sequence[Demand], found: Sequence[Factors], issued_at: datetime
) -> list[Demand]:
    return [
        msgspec.structs.replace(demand.until(issued_at), values=told.usual)
        for demand, told in zip(demands, found, strict=True)
    ]


def _with_middle(levels: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted({*levels, 0.5}))


def _special(plain: Forecast, told: Factors, levels: tuple[float, ...]) -> Forecast:
    known = plain.levels
    values = multiplied(plain.values, known, told.ahead, told.ahead_stray)
    asked = [known.index(level) for level in levels]
    notes = [plain.note] if plain.note else []
    notes += [_said(effect) for effect in told.effects]
    notes += [
        f"zeros from {one.start:%Y-%m-%d %H:%M}Z to {one.end:%H:%M}Z taken for an outage"
        for one in told.detected
    ]
    return msgspec.structs.replace(
        plain,
        levels=levels,
        values=np.ascontiguousarray(values[:, asked]),
        note="; ".join(notes),
    )


def _said(effect: Effect) -> str:
    one = effect.occasion
    seen = f"seen {effect.seen_count} times before" if effect.seen_count else "never seen before"
    return f"{one.name} from {one.start:%Y-%m-%d %H:%M}Z: x{effect.factor:.2f}, {seen}"
