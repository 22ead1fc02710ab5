"""At which instants the benchmark asks for a forecast, from what, and what came to be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
from forecasting.sources import Source, daily_strength, shortened

from foretide.model.demand import Demand, FloatArray

STEPS = 168
HISTORY_DAYS_MAX = 56
_DAY = timedelta(days=1)


class Case(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One forecast asked for.

    Parameters
    ----------
    source, split, zone : str
    country, subdivision : str
        Whose holidays are kept; empty where unknown.
    past : Demand
        All that was observed by `issued_at`, at most 56 days, hourly.
    issued_at : datetime
    number : int
        Of this origin among those of its series.
    strength : float
        Share of the series' variance that the time of day explains.
    actual : ndarray, shape (168,)
        What came to be; NaN where it was not observed or the series ends.
    """

    source: str
    split: str
    zone: str
    country: str
    subdivision: str
    past: Demand
    issued_at: datetime
    number: int
    strength: float
    actual: FloatArray

    @property
    def series_id(self) -> str:
        """Whose demand it is."""
        return self.past.series_id

    @property
    def days(self) -> float:
        """Days of history."""
        return len(self.past.values) / 24

    def key(self) -> str:
        """Return what tells this question from every other, also in a later run."""
        told = hashlib.sha256(np.ascontiguousarray(self.past.values).tobytes())
        told.update(f"{self.past.start}|{self.issued_at}|{self.zone}".encode())
        return told.hexdigest()[:20]


def cases_of(source: Source, demands: Sequence[Demand], effort: float = 1.0) -> list[Case]:
    """Return the questions asked of a source, more origins the fewer its series.

    Parameters
    ----------
    source : Source
    demands : sequence of Demand
        Hourly.
    effort : float
        Times as many origins.
    """
    count = 12 if len(demands) <= 2 else 8 if len(demands) <= 5 else 4
    return [
        case for demand in demands for case in _cases(source, demand, max(1, round(count * effort)))
    ]


def _cases(source: Source, demand: Demand, count: int) -> Iterator[Case]:
    strength = daily_strength(demand)
    for number, issued_at in enumerate(origins(demand, count)):
        past = shortened(demand.until(issued_at), HISTORY_DAYS_MAX * 24)
        first = round((issued_at - demand.start).total_seconds()) // demand.step_s
        actual = np.full(STEPS, np.nan)
        known = demand.values[first : first + STEPS]
        actual[: len(known)] = known
        is_told = np.nansum(actual) > 0 and np.isfinite(past.values).sum() >= 24
        if is_told and np.isfinite(actual[:24]).sum() >= 6:
            yield Case(
                source=source.name,
                split=source.split,
                zone=source.zone,
                country=source.country,
                subdivision=source.subdivision,
                past=past,
                issued_at=issued_at,
                number=number,
                strength=strength,
                actual=actual,
            )


def origins(demand: Demand, count: int) -> list[datetime]:
    """Return up to `count` instants, evenly spread, at varying hours and weekdays.

    The first lies after 8 weeks of history where the series is long enough, else after 4, else in
    its second half; the last leaves 7 days to be judged where there are as many.
    """
    days = (demand.end - demand.start) / _DAY
    begin = 56.0 if days >= 120 else 28.0 if days >= 42 else days * 0.55
    end = days - 7 if days - 7 > begin + 3 else days - 2
    stride = (end - begin) / max(count, 1)
    instants = [begin + stride * (number + 0.5) for number in range(count)]
    hours = [int(at) * 24 + (3 + 7 * number) % 24 for number, at in enumerate(instants)]
    start = demand.start.replace(hour=0)
    stamps = [start + timedelta(hours=hour) for hour in hours]
    return sorted({one for one in stamps if one <= demand.end - _DAY})


def with_history(cases: Sequence[Case], days: int) -> list[Case]:
    """Return the same questions asked with only the last `days` of history."""
    return [
        msgspec.structs.replace(case, past=shortened(case.past, days * 24))
        for case in cases
        if case.days >= days and np.isfinite(case.past.values[-days * 24 :]).sum() >= 24
    ]


def shifted(cases: Sequence[Case], factor: float, hours: int) -> list[Case]:
    """Return the questions after demand changed its level some hours before each of them."""
    moved: list[Case] = []
    for case in cases:
        values = case.past.values.copy()
        values[-hours:] *= factor
        past = Demand(
            series_id=case.past.series_id, start=case.past.start, step_s=3600, values=values
        )
        moved.append(msgspec.structs.replace(case, past=past, actual=case.actual * factor))
    return moved
