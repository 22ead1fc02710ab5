"""This file knows when it is no usual day: the spans of holidays and events, bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import log
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.wallclock import IntArray, epoch_s
from foretide.model.calendar import Calendar
from foretide.model.demand import FloatArray


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """One holiday or event, from its first second to its last.

    Parameters
    ----------
    name : str
        Occasions of one name are learned from together.
    is_holiday : bool
        False for a declared event.
    start_s, end_s : int
        Seconds from the epoch; end_s > start_s.
    likeness_fraction : float
        How far a holiday is expected to go from the weekday's own shape to that of a day of rest.
    declared_log : float
        Logarithm of an event's declared uplift; 0 for a holiday.
    """

    name: str
    is_holiday: bool
    start_s: int
    end_s: int
    likeness_fraction: float = 0.0
    declared_log: float = 0.0

    @property
    def start(self) -> datetime:
        """When it begins."""
        return datetime.fromtimestamp(self.start_s, UTC)

    @property
    def end(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.end_s, UTC)


def occasions_between(calendar: Calendar, first_s: int, last_s: int) -> list[Occasion]:
    """Return the holidays and events that touch a span, in the order of their beginnings.

    Parameters
    ----------
    calendar : Calendar
        Holidays are days on the wall clock of its zone.
    first_s, last_s : int
        Seconds from the epoch.
    """
    found = [*_holidays(calendar), *_events(calendar)]
    touching = [one for one in found if one.start_s < last_s and one.end_s > first_s]
    return sorted(touching, key=lambda one: (one.start_s, one.end_s, one.name))


def coverage(occasion: Occasion, starts_s: IntArray, step_s: int) -> FloatArray:
    """Return the share of each bucket that lies within an occasion, shape (buckets,).

    Parameters
    ----------
    occasion : Occasion
        When.
    starts_s : ndarray of int, shape (buckets,)
        Seconds from the epoch at which the buckets begin.
    step_s : int
        Length of a bucket in seconds.
    """
    until = np.minimum(starts_s + step_s, occasion.end_s)
    return np.clip((until - np.maximum(starts_s, occasion.start_s)) / step_s, 0.0, 1.0)


def _holidays(calendar: Calendar) -> Iterator[Occasion]:
    zone = ZoneInfo(calendar.timezone)
    for holiday in calendar.holidays:
        midnight = datetime(holiday.day.year, holiday.day.month, holiday.day.day, tzinfo=zone)
        next_one = midnight + timedelta(days=1)  # the same wall clock a day later, also across DST
        yield Occasion(
            name=holiday.name,
            is_holiday=True,
            start_s=epoch_s(midnight.astimezone(UTC)),
            end_s=epoch_s(next_one.astimezone(UTC)),
            likeness_fraction=holiday.likeness_fraction,
        )


def _events(calendar: Calendar) -> Iterator[Occasion]:
    for event in calendar.events:
        yield Occasion(
            name=event.name,
            is_holiday=False,
            start_s=epoch_s(event.start),
            end_s=epoch_s(event.end),
            declared_log=log(event.uplift_factor),
        )


def names_of(occasions: Sequence[Occasion]) -> tuple[str, ...]:
    """Return the names in the order of their first occasion, each once."""
    return tuple(dict.fromkeys(one.name for one in occasions))
