"""This file knows what is known beforehand of days and hours: holidays, events, outages."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.instant import require_utc


class Holiday(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which people do not live as the weekday says.

    Parameters
    ----------
    day : date
        On the wall clock of the calendar's zone.
    name : str
        Holidays of one name are learned from together.
    likeness_fraction : float
        How far the day is expected to go from the weekday's own shape (0) to that of a day of
        rest (1) before anything was learned; 0 ... 1.
    """

    day: date
    name: str
    likeness_fraction: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.likeness_fraction <= 1:
            raise InvalidValueError(
                f"likeness_fraction must lie in [0, 1], was {self.likeness_fraction}"
            )


class DeclaredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A declared time in which demand is unlike its usual self.

    Parameters
    ----------
    name : str
        Events of one name are learned from together.
    start, end : datetime
        When it begins and ends, aware UTC; end > start.
    uplift_factor : float
        Declared demand over usual demand, > 0.
    """

    name: str
    start: datetime
    end: datetime
    uplift_factor: float = 1.0

    def __post_init__(self) -> None:
        _check_span(self.start, self.end)
        if not self.uplift_factor > 0:
            raise InvalidValueError(f"uplift_factor must be > 0, was {self.uplift_factor}")


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A declared time of which nothing is to be learned: what was seen then was not demand.

    Parameters
    ----------
    start, end : datetime
        When it begins and ends, aware UTC; end > start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        _check_span(self.start, self.end)


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beforehand of the days of one app's users.

    Parameters
    ----------
    timezone : str
        Name of the zone whose wall clock they follow.
    holidays : tuple of Holiday
        In order of their days.
    events : tuple of DeclaredEvent
    outages : tuple of Outage
    rest_weekday : int
        The week's day of rest, which holidays are like: 0 Monday ... 6 Sunday.
    has_outages_detected : bool
        Whether zeros that the series' own past all but rules out are taken for outages too.
    """

    timezone: str = "UTC"
    holidays: tuple[Holiday, ...] = ()
    events: tuple[DeclaredEvent, ...] = ()
    outages: tuple[Outage, ...] = ()
    rest_weekday: int = 6
    has_outages_detected: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rest_weekday <= 6:
            raise InvalidValueError(f"rest_weekday must lie in [0, 6], was {self.rest_weekday}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known beforehand."""
        return not (self.holidays or self.events or self.outages or self.has_outages_detected)


def _check_span(start: datetime, end: datetime) -> None:
    require_utc("start", start)
    require_utc("end", end)
    if end <= start:
        raise InvalidValueError(f"end must be later than start, was {end.isoformat()}")
