"""This file knows the settings of an application: whose clock and holidays its users keep.

Also what is known beforehand of its demand: events, outages, and estimates of what is new.
"""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from foretide.config.checks import AboveZero, Text, check_once, check_span, either
from foretide.config.places import check_place
from foretide.errors import InvalidValueError


class EventConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[app.NAME.events]]`: a time in which demand will be unlike its usual self."""

    name: Annotated[
        Text,
        Meta(
            description="What it is called; events of one name are learned from together.",
            examples=["summer-sale"],
        ),
    ]
    start: Annotated[
        datetime,
        Meta(tz=True, description="When it begins.", examples=["2026-07-01T08:00:00+02:00"]),
    ]
    end: Annotated[
        datetime,
        Meta(tz=True, description="When it ends.", examples=["2026-07-03T20:00:00+02:00"]),
    ]
    uplift_factor: Annotated[
        AboveZero,
        Meta(
            description="Expected demand over usual demand: 2 is twice as much, 0.5 is half.",
            examples=[2.5],
        ),
    ] = 1.0

    def __post_init__(self) -> None:
        check_span(self.start, self.end)


class OutageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[app.NAME.outages]]`: a time of which nothing is learned: what was seen was not demand."""

    start: Annotated[
        datetime,
        Meta(tz=True, description="When it began.", examples=["2026-05-04T02:10:00+02:00"]),
    ]
    end: Annotated[
        datetime,
        Meta(tz=True, description="When it ended.", examples=["2026-05-04T05:40:00+02:00"]),
    ]

    def __post_init__(self) -> None:
        check_span(self.start, self.end)


class SharedEventConfig(EventConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[events]]`: an event of several apps."""

    apps: Annotated[
        tuple[Text, ...],
        Meta(description="The apps it touches; empty: all.", examples=[["shop", "search"]]),
    ] = ()


class SharedOutageConfig(OutageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[outages]]`: an outage of several apps."""

    apps: Annotated[
        tuple[Text, ...],
        Meta(description="The apps it touched; empty: all.", examples=[["shop", "search"]]),
    ] = ()


class EstimateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[app.NAME.estimates]]`: what is expected of a feature that nobody has called yet."""

    feature: Annotated[Text, Meta(description="The feature it is about.", examples=["wishlist"])]
    daily_calls: Annotated[
        AboveZero | None,
        Meta(
            description="Calls expected on a usual day. Give this or peak_rps.",
            examples=[20000.0],
        ),
    ] = None
    peak_rps: Annotated[
        AboveZero | None,
        Meta(
            description="Requests expected in the busiest time of the week. Give this or "
            "daily_calls.",
            examples=[2.5],
        ),
    ] = None

    def __post_init__(self) -> None:
        if (self.daily_calls is None) == (self.peak_rps is None):
            raise InvalidValueError(either("daily_calls", "peak_rps", self.peak_rps))


class AppConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[app.NAME]`: an application whose users are watched."""

    timezone: Annotated[
        Text,
        Meta(
            description="Zone by whose clock its users live; days and weeks are counted in it.",
            examples=["Europe/Berlin"],
        ),
    ] = "UTC"
    features: Annotated[
        tuple[Text, ...],
        Meta(
            description="The parts of it that users call; empty: all that are seen.",
            examples=[["search", "cart", "checkout"]],
        ),
    ] = ()
    country: Annotated[
        Text | None,
        Meta(
            description="Country whose public holidays its users keep, as a code of two letters.",
            examples=["DE"],
        ),
    ] = None
    subdivision: Annotated[
        Text | None,
        Meta(
            description="State or province whose holidays are kept too; goes with country.",
            examples=["BY"],
        ),
    ] = None
    previous: Annotated[
        Text | None,
        Meta(
            description="The app that this one is a new version of: while a feature of it is "
            "young, the one of the same name there tells what to expect.",
            examples=["shop-2025"],
        ),
    ] = None
    events: Annotated[
        tuple[EventConfig, ...],
        Meta(description="Times, known beforehand, in which demand will be unusual."),
    ] = ()
    outages: Annotated[
        tuple[OutageConfig, ...],
        Meta(description="Times in which what was seen was not demand; nothing is learned there."),
    ] = ()
    estimates: Annotated[
        tuple[EstimateConfig, ...],
        Meta(description="What is expected of features that nobody has called yet."),
    ] = ()

    def __post_init__(self) -> None:
        check_once("features", self.features)
        check_once("estimates", [one.feature for one in self.estimates])
        self._check_zone()
        if self.country is not None:
            check_place(self.country, self.subdivision)
        elif self.subdivision is not None:
            raise InvalidValueError(
                f'subdivision needs country beside it, was "{self.subdivision}" alone; add country'
            )

    def _check_zone(self) -> None:
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidValueError(
                f'timezone must be the name of a time zone such as "Europe/Berlin" or "UTC", '
                f'was "{self.timezone}"{_zones_like(self.timezone)}'
            ) from None


def _zones_like(name: str) -> str:
    wanted = name.lower().rsplit("/", maxsplit=1)[-1].replace(" ", "_")
    like = sorted(z for z in zoneinfo.available_timezones() if wanted in z.lower())[:3]
    return f"; did you mean {' or '.join(like)}?" if wanted and like else "; write one such name"
