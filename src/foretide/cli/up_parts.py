"""This file knows how a configuration becomes services in the charge of a live loop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foretide.cli.work import progress
from foretide.errors import ConfigError, InputError, SourceError, StoreBusyError

if TYPE_CHECKING:
    from foretide.config.local import ServiceLocalConfig
    from foretide.config.settings import Config, ServiceConfig
    from foretide.control.clock import WallClock
    from foretide.control.links import Links
    from foretide.control.loop import LiveService
    from foretide.control.reading import DemandFeed
    from foretide.control.tick import Beat
    from foretide.control.traffic_feed import TrafficFeed
    from foretide.model.calendar import Calendar
    from foretide.model.demand import Demand
    from foretide.model.fleet import LeadTimes, Node
    from foretide.plan.policy import ServicePolicy
    from foretide.platforms.base import Platform
    from foretide.platforms.local.platform import LocalPlatform
    from foretide.platforms.local.traffic.base import Traffic

# How far ahead holidays are looked up: a loop that runs longer is begun anew some day.
_CALENDAR_AHEAD = timedelta(days=400)


class Parts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a loop is made of.

    Parameters
    ----------
    services : tuple of LiveService
        In the order of the configuration.
    platform : LocalPlatform, optional
        The embedded platform; None where no service runs on it.
    feeds : tuple of TrafficFeed
        Those that are to file what they counted in the end.
    """

    services: tuple[LiveService, ...]
    platform: LocalPlatform | None
    feeds: tuple[TrafficFeed, ...]


def root_of(settings: Config, config: Path) -> Path:
    """Return the folder of the embedded platform."""
    return config.parent / settings.local.root


def chosen(settings: Config, name: str, config: Path) -> ServiceConfig:
    """Return the table of a service.

    Raises
    ------
    ConfigError
        When there is none of that name.
    """
    if name not in settings.services:
        known = ", ".join(settings.services) or "none"
        raise ConfigError(f"{config}: no [service.{name}]; there is {known}")
    return settings.services[name]


def locals_of(settings: Config) -> dict[str, ServiceLocalConfig]:
    """Return the services that run on the embedded platform."""
    return {
        name: one.local
        for name, one in settings.services.items()
        if one.platform == "local" and one.local is not None
    }


@contextmanager
def made_parts(settings: Config, config: Path, clock: WallClock) -> Generator[Parts]:
    """Lend all that a loop of the configured services needs.

    Parameters
    ----------
    settings : Config
        The configuration.
    config : Path
        Its file; what it names lies beside it.
    clock : WallClock
        By which they live.

    Raises
    ------
    ConfigError, InputError, PlatformError, StoreError, JournalError
        When something named cannot be used.
    """
    with ExitStack() as stack:
        maker = _Maker(settings, config, clock, stack)
        policies = {name: maker.policy(name) for name in settings.services}
        embedded = maker.embedded()
        services = tuple(maker.live(name, one, embedded) for name, one in policies.items())
        yield Parts(
            services=services,
            platform=None if embedded is None else embedded.platform,
            feeds=tuple(maker.counting),
        )


class _Embedded(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # The embedded platform, with what knows its traffic and its nodes.
    platform: LocalPlatform
    traffic: Traffic
    links: Links


class _Maker:
    def __init__(self, settings: Config, config: Path, clock: WallClock, stack: ExitStack) -> None:
        self._settings, self._clock, self._stack = settings, clock, stack
        self._folder = config.parent
        self._root = root_of(settings, config)
        self._store = config.parent / settings.store.path
        self._locals = locals_of(settings)
        self.counting: list[TrafficFeed] = []

    def policy(self, name: str) -> ServicePolicy:
        """Return what a service is planned by; refused here, nothing has been touched yet."""
        from foretide.control.service import policy_from
        from foretide.control.stored_demand import StoreFeed

        service, local = self._settings.services[name], self._locals.get(name)
        if local is None or local.demand == "store":
            feed = StoreFeed(self._store, service.app, service.features)
            if not _is_busy(feed, now := self._clock.now()) and feed.demand(now) is None:
                raise InputError(
                    f"{self._store}: no demand of app {service.app} in the last weeks; "
                    "run `foretide import` first"
                )
        return policy_from(name, service, version="v1" if local is None else local.version)

    def embedded(self) -> _Embedded | None:
        """Return the embedded platform with what is configured installed on it."""
        if not self._locals:
            return None
        from foretide.control.links import Links
        from foretide.platforms.local.package import installed
        from foretide.platforms.local.platform import LocalPlatform
        from foretide.platforms.local.service import LocalService
        from foretide.platforms.local.versions import Versions

        versions = Versions(self._root)
        for name, local in self._locals.items():
            content = installed(self._root, self._folder / local.package)
            versions.add(name, local.version, content.digest)
        traffic = self._traffic()
        platform = LocalPlatform(
            self._root,
            services={
                name: LocalService(service=name, warm=local.warm)
                for name, local in self._locals.items()
            },
            nodes=self._nodes(),
            traffic=traffic,
            clock=self._clock,
        )
        self._stack.callback(platform.close)
        return _Embedded(platform=platform, traffic=traffic, links=Links(platform))

    def _nodes(self) -> tuple[Node, ...]:
        from foretide.model.fleet import Node

        return tuple(
            Node(
                node_id=name, cpu_cores=one.cpu_cores, memory_mib=one.memory_mib,
                link_mbps=one.link_mbps, failure_domain=one.failure_domain,
                price_usd_per_hour=one.price_usd_per_hour,
            )
            for name, one in self._settings.nodes.items()
        )  # fmt: skip

    def _traffic(self) -> Traffic:
        from foretide.config.local import address
        from foretide.platforms.local.traffic.base import Listen
        from foretide.platforms.local.traffic.choose import traffic_for

        listens = dict[str, Listen]()
        for name, local in self._locals.items():
            if local.listen is not None:
                host, port = address("listen", local.listen)
                most = self._settings.services[name].max_instances
                listens[name] = Listen(host=host, port=port, instances_max=most)
        return traffic_for(self._root, listens, clock=self._clock)

    def live(self, name: str, policy: ServicePolicy, embedded: _Embedded | None) -> LiveService:
        """Return a service with its outlook, its journal, and what its last run left undone."""
        from foretide.control.leads import Lead, considered
        from foretide.control.lookahead import Lookahead
        from foretide.control.loop import LiveService
        from foretide.store.journal import FileJournal

        service = self._settings.services[name]
        embedded = embedded if name in self._locals else None
        feed = self._feed(name, embedded)
        now = self._clock.now()
        demand = _heard(feed, now) or _nothing_yet(name, now)
        calendar = self._calendar(service.app, demand.start)

        def relearned(other: ServicePolicy, so_far: Demand) -> Lookahead:
            return Lookahead(other, so_far, calendar=calendar)

        lead_times = _lead_times(name, embedded)
        lead = considered(Lead(boot_s=policy.boot_s), lead_times(), now)
        outlook = relearned(msgspec.structs.replace(policy, boot_s=lead.boot_s), demand)
        with progress(f"{name}: learning from its demand so far") as moved:
            moved(0, 1)
            outlook.need(now)
        path = self._root / "journal" / f"{name}.jsonl"
        return LiveService(
            policy=policy,
            outlook=outlook,
            feed=feed,
            platform=embedded.platform if embedded else self._simulated(name, policy),
            before=_left_undone(path),
            journal=self._stack.enter_context(FileJournal(path)),
            mode=service.mode,
            priority=service.priority,
            places=embedded.links if embedded else None,
            lead=lead,
            lead_times=lead_times,
            relearned=relearned,
        )

    def _feed(self, name: str, embedded: _Embedded | None) -> DemandFeed:
        service = self._settings.services[name]
        if embedded is None or self._locals[name].demand == "store":
            from foretide.control.stored_demand import StoreFeed

            return StoreFeed(self._store, service.app, service.features)
        from foretide.control.traffic_feed import TrafficFeed

        traffic = embedded.traffic
        feed = TrafficFeed(
            lambda: traffic.counted(name), service=name, store=self._store,
            diary=self._root / "loop" / "demand" / f"{name}.json",
            app=service.app, features=service.features,
        )  # fmt: skip
        self.counting.append(feed)
        return feed

    def _calendar(self, app: str, first: datetime) -> Calendar:
        from foretide.control.calendar import calendar_of

        last = self._clock.now() + _CALENDAR_AHEAD
        return calendar_of(self._settings, app, first=first, last=last)

    def _simulated(self, name: str, policy: ServicePolicy) -> Platform:
        from foretide.simulate.clocked import ClockedPlatform
        from foretide.simulate.world import SimulatedPlatform

        made = SimulatedPlatform(
            name, start=self._clock.now(), boot_s=policy.boot_s, serving_count=policy.min_count
        )
        return ClockedPlatform(made, self._clock)


def _lead_times(name: str, embedded: _Embedded | None) -> Callable[[], LeadTimes]:
    from foretide.model.fleet import LeadTimes

    if embedded is None:
        return LeadTimes
    platform = embedded.platform
    return lambda: platform.lead_times(name)


def _is_busy(feed: DemandFeed, now: datetime) -> bool:
    """Return whether somebody else has the store just now: the loop asks again every minute."""
    try:
        feed.demand(now)
    except StoreBusyError:
        return True
    return False


def _heard(feed: DemandFeed, now: datetime) -> Demand | None:
    try:
        return feed.demand(now)
    except (SourceError, StoreBusyError):
        return None  # the loop asks again every minute, and says so


def _nothing_yet(name: str, now: datetime) -> Demand:
    import numpy as np

    from foretide.model.demand import Demand
    from foretide.model.instant import bucket_floor

    return Demand(series_id=name, start=bucket_floor(now, 60), step_s=60, values=np.empty(0))


def _left_undone(journal: Path) -> Beat:
    """Return what the last run had written down, and may not have come to do."""
    from foretide.control.tick import Beat
    from foretide.store.last_entry import last_entry

    last = last_entry(journal)
    if last is None:
        return Beat()
    return Beat(plan=last.plan, unanswered=last.plan.actions if last.around.is_acting else ())
