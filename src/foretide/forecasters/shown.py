"""This file knows what a plug-in is shown of a series, and how its answer becomes a forecast.

Plug-ins take series one at a time: most of their cost lies in the model, and so no series can
depend on which others are asked for with it. Everything finer than an hour is left to the engine's
usual shares, which bounds what a fit costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S, first_step
from foretide.forecast.issue import Answer, Past, issue
from foretide.forecast.seasonal_naive import naive_answer
from foretide.forecast.wallclock import IntArray, epoch_s, local_s
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

FINEST_S = 3600
_LEVEL_DAYS = 28
_DAYS_FOR_WEEKS = 14


class Shown(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The past of one series by days, and when those days were.

    Parameters
    ----------
    past : Past
        Of one series; bins of an hour or more.
    first_s : int
        Wall-clock seconds at which the first day ahead begins.
    level : float
        Mean amount per bucket of the last four weeks: what ties together what was learned then
        and what is asked now. 0 where nothing was above zero.
    """

    past: Past
    first_s: int
    level: float

    @property
    def rows(self) -> int:
        """Days of the past, the day to begin included where less than one is known."""
        return self.past.days.values.shape[1]

    @property
    def per_day(self) -> int:
        """Bins in a day."""
        return self.past.days.values.shape[2]

    def clock_s(self, first_row: int, days: int) -> IntArray:
        """Return when the bins of some days begin, in wall-clock seconds, shape (days, bins)."""
        step_s = DAY_S // self.per_day
        bins = np.arange(days * self.per_day, dtype=np.int64).reshape(days, self.per_day)
        return self.first_s + (first_row - self.rows) * DAY_S + bins * step_s


AnswerOf = Callable[[Demand, Shown, int, tuple[float, ...]], Answer]


def issue_each(
    demands: Sequence[Demand],
    answer_of: AnswerOf,
    *,
    model: str,
    issued_at: datetime,
    horizon_s: int,
    levels: tuple[float, ...],
    zone: ZoneInfo,
) -> list[Forecast]:
    """Forecast every demand on its own.

    Parameters
    ----------
    demands, model, issued_at, horizon_s, levels, zone
        As for `forecast.issue.issue`.
    answer_of : callable
        Takes a demand, what is shown of it, the days ahead and the levels.

    Returns
    -------
    list of Forecast
        One per demand, in the order given.
    """
    found: list[Forecast] = []
    for demand in demands:

        def quantiles_of(
            past: Past, days_ahead: int, known: tuple[float, ...], demand: Demand = demand
        ) -> Answer:
            return answer_of(demand, _shown(past, demand, issued_at, zone), days_ahead, known)

        found += issue(
            [demand],
            model=model,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=zone,
            finest_s=FINEST_S,
            quantiles_of=quantiles_of,
        )
    return found


def shown(demand: Demand, *, issued_at: datetime, zone: ZoneInfo) -> Shown | None:
    """Return what a model may learn from of one series, None when it was never observed."""
    found: list[Shown] = []

    def keep(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
        found.append(_shown(past, demand, issued_at, zone))
        shape = (1, days_ahead, past.days.values.shape[2], len(levels))
        return Answer(quantiles=np.zeros(shape, dtype=np.float32), note="")

    issue(
        [demand],
        model="",
        issued_at=issued_at,
        horizon_s=demand.step_s,
        levels=(0.5,),
        zone=zone,
        finest_s=FINEST_S,
        quantiles_of=keep,
    )
    return found[0] if found else None


def _shown(past: Past, demand: Demand, issued_at: datetime, zone: ZoneInfo) -> Shown:
    first = np.array([epoch_s(first_step(demand, issued_at))], dtype=np.int64)
    return Shown(
        past=past, first_s=int(local_s(first, zone)[0]), level=_level(demand.until(issued_at))
    )


def _level(demand: Demand) -> float:
    recent = demand.values[-(_LEVEL_DAYS * DAY_S // demand.step_s) :]
    seen = recent[np.isfinite(recent)]
    return float(seen.mean()) if len(seen) else 0.0


def lacking(shown: Shown, days: int) -> str:
    """Return why a model that needs some days cannot learn from a series, empty when it can.

    Parameters
    ----------
    shown : Shown
        What there is of the series.
    days : int
        Days of history the model needs, at least half of them observed.
    """
    past = shown.past
    if past.whole_days < days:
        return f"only {past.whole_days} days of history"
    if past.days.seen.sum() < days * shown.per_day / 2:
        return "hardly anything observed"
    return ""


def thin(past: Past) -> str:
    """Return what is to be said of an answer that rests on few days, empty when they are many."""
    if past.whole_days >= _DAYS_FOR_WEEKS:
        return ""
    return f"only {past.whole_days} days of history: weekdays are barely known, widened"


def fallback(past: Past, days_ahead: int, levels: tuple[float, ...], why: str) -> Answer:
    """Answer as seasonal-naive does, and say why."""
    plain = naive_answer(past, days_ahead, levels)
    if not why:
        return plain
    note = f"{why}: as seasonal-naive" + (f"; {plain.note}" if plain.note else "")
    return Answer(quantiles=plain.quantiles, note=note)
