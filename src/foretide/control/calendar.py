"""This file knows which days are no usual ones for an app's users: by country, and as declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from foretide.config.apps import AppConfig, EventConfig, OutageConfig
from foretide.config.places import check_place
from foretide.config.settings import Config
from foretide.errors import InputError, InvalidValueError
from foretide.model.calendar import Calendar, DeclaredEvent, Holiday, Outage
from foretide.model.demand import Demand
from foretide.model.instant import EPOCH

# How far a day is expected to go from its weekday to a Sunday, before a series taught otherwise.
_USUAL = 0.7
_WORKED = 0.1  # official, but shops and most offices are open
_EVE, _YEARS_LAST, _BETWEEN, _BRIDGE = 0.4, 0.3, 0.3, 0.2
_WORKED_NAMES = {
    "US": {
        "Martin Luther King Jr. Day", "Washington's Birthday", "Presidents' Day", "Columbus Day",
        "Veterans Day", "Juneteenth National Independence Day", "Lincoln's Birthday",
        "Susan B. Anthony Day", "Election Day", "Emancipation Day", "Inauguration Day",
    },
}  # fmt: skip
_SUNDAY, _SATURDAY = 6, 5


def calendar_of(config: Config, app: str, *, first: datetime, last: datetime) -> Calendar:
    """Return what is known beforehand of an app's days between two instants.

    Parameters
    ----------
    config : Config
        The whole configuration: events and outages may be shared by several apps.
    app : str
        Its name; one that is not configured has what is shared by all apps, and no holidays.
    first, last : datetime
        Aware; holidays are looked up for the years they lie in.
    """
    own = config.apps.get(app, AppConfig())
    shared_events = [one for one in config.events if not one.apps or app in one.apps]
    shared_outages = [one for one in config.outages if not one.apps or app in one.apps]
    return Calendar(
        timezone=own.timezone,
        holidays=_holidays(own.country, own.subdivision, first.date(), last.date()),
        events=_events([*own.events, *shared_events]),
        outages=_outages([*own.outages, *shared_outages]),
        rest_weekday=_rest_weekday(own.country),
        has_outages_detected=True,
    )


def calendar_for_flags(
    country: str, subdivision: str, *, timezone: str, first: datetime, last: datetime
) -> Calendar:
    """Return the holidays of a country as named on the command line.

    Parameters
    ----------
    country, subdivision : str
        Codes; empty for none.
    timezone : str
        Name of the zone whose wall clock the users follow.
    first, last : datetime
        Aware; holidays are looked up for the years they lie in.

    Raises
    ------
    InputError
        When there is no such country or part of it: the text names the flag and what is near.
    """
    if not country:
        if subdivision:
            raise InputError(f"--subdivision {subdivision}: needs --country beside it")
        return Calendar(timezone=timezone)
    try:
        check_place(country, subdivision or None)
    except InvalidValueError as error:
        field, _, text = str(error).partition(" ")
        given = subdivision if field == "subdivision" else country
        raise InputError(f"--{field} {given}: {text}") from None
    return Calendar(
        timezone=timezone,
        holidays=_holidays(country, subdivision or None, first.date(), last.date()),
        rest_weekday=_rest_weekday(country),
    )


def span_of(demands: Iterable[Demand], horizon_s: int) -> tuple[datetime, datetime]:
    """Return from when to when a calendar must know of the days of some series.

    Parameters
    ----------
    demands : iterable of Demand
        What was observed.
    horizon_s : int
        How far the forecast reaches after the last of them ends.
    """
    spans = [(one.start, one.end) for one in demands]
    if not spans:
        return EPOCH, EPOCH
    end = max(end for _, end in spans)
    return min(start for start, _ in spans), end + timedelta(seconds=horizon_s)


def _events(declared: Sequence[EventConfig]) -> tuple[DeclaredEvent, ...]:
    return tuple(
        DeclaredEvent(
            name=one.name,
            start=one.start.astimezone(UTC),
            end=one.end.astimezone(UTC),
            uplift_factor=one.uplift_factor,
        )
        for one in declared
    )


def _outages(declared: Sequence[OutageConfig]) -> tuple[Outage, ...]:
    return tuple(
        Outage(start=one.start.astimezone(UTC), end=one.end.astimezone(UTC)) for one in declared
    )


def _holidays(
    country: str | None, subdivision: str | None, first: date, last: date
) -> tuple[Holiday, ...]:
    if country is None:
        return ()
    public = dict(_public(country, subdivision, range(first.year, last.year + 1)))
    days = dict([*_around(public), *public.items()])
    return tuple(days[day] for day in sorted(days))


def _public(country: str, subdivision: str | None, years: range) -> Iterator[tuple[date, Holiday]]:
    # Imported here: it costs as much as all the rest of a start.
    from holidays import country_holidays  # noqa: PLC0415

    languages = country_holidays(country).supported_languages
    named = country_holidays(
        country,
        subdiv=subdivision,
        years=years,
        language="en_US" if "en_US" in languages else None,
    )
    worked = _WORKED_NAMES.get(country, set())
    for day in sorted(named):
        # a holiday on a Sunday and the Monday it is kept on are learned from together
        name = named[day].split("; ")[0].removesuffix(" (observed)")
        likeness = _WORKED if name in worked else _USUAL
        yield day, Holiday(day=day, name=name, likeness_fraction=likeness)


def _around(public: dict[date, Holiday]) -> Iterator[tuple[date, Holiday]]:
    # Working days on which people live by the holiday next to them.
    for day, one in public.items():
        if one.likeness_fraction <= _WORKED:
            continue
        for away in (timedelta(1), timedelta(-1)):
            near, beyond = day + away, day + 2 * away
            if near.weekday() < _SATURDAY and (beyond.weekday() >= _SATURDAY or beyond in public):
                yield near, _named(near, f"bridge to {one.name}", _BRIDGE)
        if (day.month, day.day) == (12, 25):
            yield day - timedelta(1), _named(day - timedelta(1), "Christmas Eve", _EVE)
            last = date(day.year, 12, 31)
            yield last, _named(last, "New Year's Eve", _YEARS_LAST)
            for number in range(26, 31):
                between = date(day.year, 12, number)
                yield between, _named(between, "between the years", _BETWEEN)


def _named(day: date, name: str, likeness_fraction: float) -> Holiday:
    return Holiday(day=day, name=name, likeness_fraction=likeness_fraction)


def _rest_weekday(country: str | None) -> int:
    if country is None:
        return _SUNDAY
    from holidays import country_holidays  # noqa: PLC0415

    weekend: set[int] = country_holidays(country).weekend
    if _SUNDAY in weekend or not weekend:
        return _SUNDAY
    # where Friday and Saturday are free, the first is the day of prayer; in Israel it is the second
    return _SATURDAY if country == "IL" else min(weekend)
