"""This file knows every setting: its unit is in its name, its bounds and meaning in its type.

Bounds in a type are checked when a file is loaded; what one setting demands of another is checked
whenever a struct is made. The text of such a refusal begins with the name of the setting.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from foretide.errors import InvalidValueError

AboveZero = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Text = Annotated[str, Meta(min_length=1, max_length=256)]

PLATFORMS_READY = ("simulated",)
P95_OVER_MEAN = 3.0  # of an exponential service time: -log(0.05)


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
        if self.end <= self.start:
            raise InvalidValueError(
                f"end must be later than start, was {self.end.isoformat()}; exchange the two"
            )


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
    events: Annotated[
        tuple[EventConfig, ...],
        Meta(description="Times, known beforehand, in which demand will be unusual."),
    ] = ()

    def __post_init__(self) -> None:
        _check_once("features", self.features)
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidValueError(
                f'timezone must be the name of a time zone such as "Europe/Berlin" or "UTC", '
                f'was "{self.timezone}"{_zones_like(self.timezone)}'
            ) from None


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[service.NAME]`: what is scaled: the instances that serve some features of one app."""

    app: Annotated[
        Text, Meta(description="The `[app.NAME]` whose users it serves.", examples=["shop"])
    ]
    features: Annotated[
        tuple[Text, ...],
        Meta(
            description="The features it serves; empty: all of its app's.",
            examples=[["search", "cart"]],
        ),
    ] = ()
    platform: Annotated[
        Literal["simulated", "local", "kubernetes", "aws"],
        Meta(
            description="Where its instances run. This version can only use `simulated`.",
            examples=["simulated"],
        ),
    ] = "simulated"
    mode: Annotated[
        Literal["shadow", "live"],
        Meta(
            description="`shadow` plans and journals and changes nothing; `live` acts.",
            examples=["shadow"],
        ),
    ] = "shadow"
    min_instances: Annotated[
        Count, Meta(description="Never fewer serving instances than this.", examples=[2])
    ] = 1
    max_instances: Annotated[
        Count,
        Meta(description="Never more instances than this, warm ones included.", examples=[50]),
    ]
    instance_rps: Annotated[
        AboveZero | None,
        Meta(
            description="Requests one instance serves within the latency objective. "
            "Give this or latency_objective_s.",
            examples=[40.0],
        ),
    ] = None
    latency_objective_s: Annotated[
        AboveZero | None,
        Meta(
            description="Time within which 95 % of requests are to be answered; capacity then "
            "follows from service_time_s. Give this or instance_rps.",
            examples=[0.25],
        ),
    ] = None
    service_time_s: Annotated[
        AboveZero | None,
        Meta(
            description="Mean time an instance works on one request; goes with "
            "latency_objective_s, which must exceed it threefold.",
            examples=[0.05],
        ),
    ] = None
    concurrency: Annotated[
        Count | None,
        Meta(
            description="Requests an instance works on at once (1 when absent); goes with "
            "latency_objective_s.",
            examples=[4],
        ),
    ] = None
    price_usd_per_hour: Annotated[
        AboveZero, Meta(description="Price of a serving instance.", examples=[0.1])
    ]
    penalty_usd_per_request: Annotated[
        AboveZero | None,
        Meta(
            description="What a request over capacity costs you. Give this or objective_fraction.",
            examples=[0.0005],
        ),
    ] = None
    objective_fraction: Annotated[
        Fraction | None,
        Meta(
            description="Share of requests that may come over capacity. "
            "Give this or penalty_usd_per_request.",
            examples=[0.001],
        ),
    ] = None
    warm_price_fraction: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Price of an instance held warm over that of a serving one; "
            "1: no warm pool.",
            examples=[0.2],
        ),
    ] = 1.0
    wake_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Time from promoting a warm instance to its serving.",
            examples=[20.0],
        ),
    ] = 20.0
    boot_s: Annotated[
        float,
        Meta(
            gt=0,
            le=7200,
            description="Time from launching an instance to its serving.",
            examples=[300.0],
        ),
    ] = 300.0
    scale_down: Annotated[
        Literal["strict", "soft"],
        Meta(
            description="`strict` removes instances only while the forecast is narrow; `soft` also "
            "lets them go slowly when it is wide.",
            examples=["strict"],
        ),
    ] = "strict"

    def __post_init__(self) -> None:
        _check_once("features", self.features)
        self._check_platform()
        self._check_instances()
        self._check_capacity()
        self._check_worth()

    def _check_platform(self) -> None:
        if self.platform not in PLATFORMS_READY:
            raise InvalidValueError(
                f'platform must be "simulated" in this version, was "{self.platform}", which it '
                'cannot drive yet; write platform = "simulated"'
            )

    def _check_instances(self) -> None:
        if self.min_instances > self.max_instances:
            raise InvalidValueError(
                f"min_instances must not exceed max_instances, was {self.min_instances} > "
                f"{self.max_instances}; lower it or raise max_instances"
            )

    def _check_capacity(self) -> None:
        by_latency = self.latency_objective_s
        if (self.instance_rps is None) == (by_latency is None):
            raise InvalidValueError(_either("instance_rps", "latency_objective_s", by_latency))
        if by_latency is None:
            for field in ("service_time_s", "concurrency"):
                if getattr(self, field) is not None:
                    raise InvalidValueError(
                        f"{field} means something only with latency_objective_s, was "
                        f"{getattr(self, field)}; delete it"
                    )
        elif self.service_time_s is None:
            raise InvalidValueError(
                f"latency_objective_s needs service_time_s beside it, was {by_latency} alone; "
                "add service_time_s"
            )
        elif P95_OVER_MEAN * self.service_time_s >= by_latency:
            raise InvalidValueError(
                f"latency_objective_s must exceed {P95_OVER_MEAN:g} x service_time_s, was "
                f"{by_latency} against {self.service_time_s}; no number of instances could keep "
                "it for 95 % of requests"
            )

    def _check_worth(self) -> None:
        objective = self.objective_fraction
        if (self.penalty_usd_per_request is None) == (objective is None):
            raise InvalidValueError(
                _either("penalty_usd_per_request", "objective_fraction", objective)
            )


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[store]`: where what was observed and decided is kept."""

    path: Annotated[
        Annotated[str, Meta(min_length=1)],
        Meta(
            description="The file of the embedded store.",
            examples=[".foretide/foretide.duckdb"],
        ),
    ] = ".foretide/foretide.duckdb"


class ForecastConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[forecast]`: how far to look ahead."""

    horizon_h: Annotated[
        int, Meta(ge=24, le=168, description="How far ahead demand is forecast.", examples=[168])
    ] = 168


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `foretide.toml`."""

    apps: dict[str, AppConfig] = msgspec.field(name="app", default_factory=dict[str, AppConfig])
    services: dict[str, ServiceConfig] = msgspec.field(
        name="service", default_factory=dict[str, ServiceConfig]
    )
    store: StoreConfig = StoreConfig()
    forecast: ForecastConfig = ForecastConfig()

    def __post_init__(self) -> None:
        for service, field, text in faults_between(self.apps, self.services):
            raise InvalidValueError(f"service.{service}.{field} {text}")


def faults_between(
    apps: Mapping[str, AppConfig], services: Mapping[str, ServiceConfig]
) -> Iterator[tuple[str, str, str]]:
    """Yield the service, the setting and the text of everything services name that is not there.

    Parameters
    ----------
    apps, services : mapping of str
        The tables by name.

    Yields
    ------
    tuple of str
        Name of the service, name of its setting, what is wrong and the fix.
    """
    for name, service in services.items():
        app = apps.get(service.app)
        if app is None:
            known = ", ".join(apps) or "none"
            yield (
                name,
                "app",
                (
                    f'must name an app of this file ({known}), was "{service.app}"; '
                    f"add [app.{service.app}] or name another"
                ),
            )
            continue
        for feature in service.features:
            if app.features and feature not in app.features:
                yield (
                    name,
                    "features",
                    (
                        f'must be features of app "{service.app}" ({", ".join(app.features)}), '
                        f'had "{feature}"; add it to the app or leave it out here'
                    ),
                )


def _check_once(field: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InvalidValueError(f'{field} must name each once, had "{name}" twice; delete one')


def _either(one: str, other: str, value: object) -> str:
    if value is None:
        return f"{one} and {other} are both missing; give one of the two"
    return f"{other} and {one} exclude each other, was {value}; delete one of the two"


def _zones_like(name: str) -> str:
    wanted = name.lower().rsplit("/", maxsplit=1)[-1].replace(" ", "_")
    like = sorted(z for z in zoneinfo.available_timezones() if wanted in z.lower())[:3]
    return f"; did you mean {' or '.join(like)}?" if wanted and like else "; write one such name"
