"""This file knows every setting: its unit is in its name, its bounds and meaning in its type.

Bounds in a type are checked when a file is loaded; what one setting demands of another is checked
whenever a struct is made. The text of such a refusal begins with the name of the setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from foretide.config.apps import AppConfig, SharedEventConfig, SharedOutageConfig
from foretide.config.budget import BudgetConfig, faults_of_budget
from foretide.config.checks import AboveZero, Count, Fraction, Text, check_once, either
from foretide.config.local import LocalConfig, NodeConfig, ServiceLocalConfig, faults_of_local
from foretide.errors import InvalidValueError

PLATFORMS_READY = ("simulated", "local")
Variation = Annotated[float, Meta(ge=0, le=10)]
_WITH_LATENCY = (
    "service_time_s",
    "concurrency",
    "target_fraction",
    "arrival_variation_fraction",
    "service_variation_fraction",
)
P95_OVER_MEAN = 3.0  # of an exponential service time: -log(0.05)


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
            description="Where its instances run: `local` as processes of this machine, "
            "`simulated` nowhere. This version can use these two.",
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
    target_fraction: Annotated[
        Annotated[float, Meta(gt=0, le=0.95)] | None,
        Meta(
            description="Never plan for a higher use of what serves than this (0.95 when absent); "
            "goes with latency_objective_s.",
            examples=[0.8],
        ),
    ] = None
    arrival_variation_fraction: Annotated[
        Variation | None,
        Meta(
            description="Standard deviation of the time between requests over its mean (1 when "
            "absent: users who know nothing of each other); goes with latency_objective_s.",
            examples=[1.5],
        ),
    ] = None
    service_variation_fraction: Annotated[
        Variation | None,
        Meta(
            description="Standard deviation of the time an instance works on a request over its "
            "mean (1 when absent); goes with latency_objective_s.",
            examples=[0.7],
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
    priority: Annotated[
        int,
        Meta(
            ge=-1000,
            le=1000,
            description="Where instances are worth the same to several services, the one of higher "
            "priority gets them first; goes with [budget].",
            examples=[10],
        ),
    ] = 0
    scale_down: Annotated[
        Literal["strict", "soft"],
        Meta(
            description="`strict` removes instances only while the forecast is narrow; `soft` also "
            "lets them go slowly when it is wide.",
            examples=["strict"],
        ),
    ] = "strict"

    max_disrupted_instances: Annotated[
        Count | None,
        Meta(
            description="At most so many serving instances may be finishing their requests on the "
            "way out or to warm at once.",
            examples=[5],
        ),
    ] = None
    cost_weighing: Annotated[
        Literal["on", "off"],
        Meta(
            description="`on` lets another plan take the place of the forecast's where earlier "
            "forecasts proved costly; `off` only writes down what each would cost.",
            examples=["on"],
        ),
    ] = "on"
    local: Annotated[
        ServiceLocalConfig | None,
        Meta(description="What an instance of it is on the embedded platform."),
    ] = None

    def __post_init__(self) -> None:
        check_once("features", self.features)
        self._check_platform()
        self._check_instances()
        self._check_capacity()
        self._check_worth()

    def _check_platform(self) -> None:
        if self.platform not in PLATFORMS_READY:
            raise InvalidValueError(
                'platform must be "simulated" or "local" in this version, was '
                f'"{self.platform}", which it cannot drive yet; write platform = "local"'
            )
        if self.platform == "local" and self.local is None:
            raise InvalidValueError(
                'platform needs to be told what an instance is, was "local" alone; add '
                "[service.NAME.local] with package and version"
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
            raise InvalidValueError(either("instance_rps", "latency_objective_s", by_latency))
        if by_latency is None:
            for field in _WITH_LATENCY:
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
                either("penalty_usd_per_request", "objective_fraction", objective)
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
    """`[forecast]`: how far to look ahead, and by how many processes."""

    horizon_h: Annotated[
        int, Meta(ge=24, le=168, description="How far ahead demand is forecast.", examples=[168])
    ] = 168
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Processes on this machine that share the work of forecasting and "
            "training.",
            examples=[4],
        ),
    ] = 1
    scheduler: Annotated[
        Text | None,
        Meta(
            description="Address of a dask scheduler whose workers share it instead.",
            examples=["tcp://10.0.0.5:8786"],
        ),
    ] = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `foretide.toml`."""

    apps: dict[str, AppConfig] = msgspec.field(name="app", default_factory=dict[str, AppConfig])
    services: dict[str, ServiceConfig] = msgspec.field(
        name="service", default_factory=dict[str, ServiceConfig]
    )
    events: tuple[SharedEventConfig, ...] = ()
    outages: tuple[SharedOutageConfig, ...] = ()
    budget: BudgetConfig = BudgetConfig()
    local: LocalConfig = LocalConfig()
    nodes: dict[str, NodeConfig] = msgspec.field(name="node", default_factory=dict[str, NodeConfig])
    store: StoreConfig = StoreConfig()
    forecast: ForecastConfig = ForecastConfig()

    def __post_init__(self) -> None:
        for path, text in faults_between(self.apps, self.services, self.events, self.outages):
            raise InvalidValueError(f"{'.'.join(map(str, path))} {text}")
        least = [(one.min_instances, one.price_usd_per_hour) for one in self.services.values()]
        for field, text in faults_of_budget(self.budget, least):
            raise InvalidValueError(f"budget.{field} {text}")


def faults_between(
    apps: Mapping[str, AppConfig],
    services: Mapping[str, ServiceConfig],
    events: Sequence[SharedEventConfig],
    outages: Sequence[SharedOutageConfig],
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield where one table names something in another that is not there, and the fix.

    Parameters
    ----------
    apps, services : mapping of str
        The tables by name; each is known to be right in itself.
    events, outages : sequence
        What is shared by several apps.

    Yields
    ------
    tuple
        Path of the setting in the file; what is wrong and the fix.
    """
    for name, field, text in _faults_of_services(apps, services):
        yield ("service", name, field), text
    for name, app in apps.items():
        yield from ((("app", name, *path), text) for path, text in _faults_of_app(name, app))
    known = ", ".join(apps) or "none"
    for table, shared in (("events", events), ("outages", outages)):
        for i, one in enumerate(shared):
            for name in one.apps:
                if name not in apps:
                    text = f'must name apps of this file ({known}), had "{name}"; '
                    yield (table, i, "apps"), f"{text}add [app.{name}] or leave it out here"
    yield from faults_of_local({name: one.local for name, one in services.items()})


def _faults_of_app(name: str, app: AppConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if app.previous == name:
        yield ("previous",), f'must name another app, was "{name}"; delete it'
    for i, one in enumerate(app.estimates):
        if app.features and one.feature not in app.features:
            known = ", ".join(app.features)
            text = f'must be a feature of the app ({known}), was "{one.feature}"; '
            yield ("estimates", i, "feature"), f"{text}add it to features or correct it"


def _faults_of_services(
    apps: Mapping[str, AppConfig], services: Mapping[str, ServiceConfig]
) -> Iterator[tuple[str, str, str]]:
    # Name of the service, name of its setting, what is wrong and the fix.
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
