"""This file knows the live loop: a heartbeat every minute on a clock that nobody turns.

It is the simulator's tick. What is added is what a real clock brings: platforms that are slow,
people who pause a service, lead times that are measured, and a crash after any line. Beginning is
recovering: what the last journal entry asked for is asked again under the same ids.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from foretide.control.desk import ALLOWANCE_S, DEADLINE_S, Desk
from foretide.control.heartbeat import Charge, Pulse, heartbeat
from foretide.control.leads import Lead, considered
from foretide.control.reading import DemandFeed, Foresight, Reading, Relearned
from foretide.control.state import LoopState, Mode, ServiceState
from foretide.control.tick import Beat, Places
from foretide.errors import PlatformUnavailableError
from foretide.model.fleet import InstanceState, LeadTimes
from foretide.model.instant import bucket_floor
from foretide.plan.budget import Budget
from foretide.plan.memory import Circumstances
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Platform
from foretide.store.journal import Journal

_SLICE_S = 0.2
# What woke the loop before its minute waits so long, of the loop's own seconds.
_PAUSE = timedelta(seconds=5)
# What was asked longer ago than this and never answered is planned anew instead.
_ASKED_MAX = timedelta(minutes=15)
_NO_CEILING = Budget()
_CALM = Circumstances()


class PacingClock(Protocol):
    """A clock that tells how many of its seconds pass in one of the machine's."""

    speed: float

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...


class LiveService(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One service in the loop's charge, with all it needs.

    Parameters
    ----------
    policy : ServicePolicy
        As configured.
    outlook : Foresight
        Its demand and forecast.
    feed : DemandFeed
        Where its demand comes from.
    platform : Platform
        Where it runs; several services may share one.
    journal : Journal
        Its own, durable when live.
    mode : {"shadow", "live"}
        Whether its plans are acted upon.
    priority : int
        Between layers of equal worth the higher one wins.
    places : Places, optional
        Where its instances may go; without it the platform chooses.
    before : Beat
        What its first heartbeat follows: after a crash the actions of the last journal entry are
        its `unanswered` ones.
    lead : Lead, optional
        The lead time its outlook goes by; the policy's when absent.
    lead_times : callable
        Returns what the platform measured so far.
    relearned : callable, optional
        Returns the outlook for a policy with another lead time, from the demand so far; without
        it the lead time stays the configured one.
    """

    policy: ServicePolicy
    outlook: Foresight
    feed: DemandFeed
    platform: Platform
    journal: Journal
    mode: Mode = "shadow"
    priority: int = 0
    places: Places | None = None
    before: Beat = Beat()
    lead: Lead | None = None
    lead_times: Callable[[], LeadTimes] = LeadTimes
    relearned: Relearned | None = None


def _nothing_paused() -> frozenset[str]:
    return frozenset()


class Loop:
    """The live loop of several services.

    Parameters
    ----------
    clock : PacingClock
        The wall clock, or a paced one.
    services : sequence of LiveService
        Each once.
    budget : Budget
        What they share.
    step_s, offset_s : float
        Seconds from heartbeat to heartbeat, and from the mark to the heartbeat, of the clock.
    deadline_s, allowance_s : float
        How long a platform may take over one call, and over all calls of a heartbeat, in seconds
        of the machine.
    changed : threading.Event, optional
        Set by a platform when something happened that should not wait for the minute.
    paused : callable
        Returns the services whose acting a person suspended.
    published : callable, optional
        Is handed the state after every heartbeat.
    """

    def __init__(
        self,
        clock: PacingClock,
        services: Sequence[LiveService],
        *,
        budget: Budget = _NO_CEILING,
        step_s: int = 60,
        offset_s: float = 0.5,
        deadline_s: float = DEADLINE_S,
        allowance_s: float = ALLOWANCE_S,
        changed: threading.Event | None = None,
        paused: Callable[[], frozenset[str]] = _nothing_paused,
        published: Callable[[LoopState], None] | None = None,
    ) -> None:
        self._clock, self._services, self._budget = clock, services, budget
        self._step_s, self._offset = step_s, timedelta(seconds=offset_s)
        self._changed = changed or threading.Event()
        self._paused, self._published = paused, published
        desks: dict[int, Desk] = {}
        for one in services:
            if id(one.platform) not in desks:
                desks[id(one.platform)] = Desk(
                    one.platform, name=f"the platform of {one.policy.service}",
                    deadline_s=deadline_s, allowance_s=allowance_s,
                )  # fmt: skip
        self._desks = desks
        self._hands = ThreadPoolExecutor(max_workers=max(1, len(desks)), thread_name_prefix="beat")
        self._readings = {
            one.policy.service: Reading(
                one.outlook, one.feed, one.lead or Lead(boot_s=one.policy.boot_s)
            )
            for one in services
        }
        self._pulse = Pulse(beats={one.policy.service: one.before for one in services})
        self._last_at = _last_at(services)
        self._beat_count = 0
        self._told_paused = frozenset[str]()
        self.state: LoopState | None = None

    def close(self) -> None:
        """Let go of the platforms; nothing of what runs is touched."""
        for desk in self._desks.values():
            desk.close()
        self._hands.shutdown(wait=False, cancel_futures=True)

    def run_until(self, stop: threading.Event) -> None:
        """Make a heartbeat now and then one every step, until `stop` is set.

        A heartbeat that took too long skips the marks it missed.

        Parameters
        ----------
        stop : threading.Event
            Looked at five times a second or more; may be set by a signal.
        """
        due = self._clock.now()
        while not stop.is_set():
            now = self._clock.now()
            if now >= due:
                due = self._beat_when_due(now)
                continue
            left_s = (due - now).total_seconds() / self._clock.speed
            is_woken = self._changed.wait(min(left_s, _SLICE_S))
            self._publish_pauses()
            if is_woken:
                self._changed.clear()
                due = min(due, max(now, self._earliest()))

    def _beat_when_due(self, now: datetime) -> datetime:
        if self._last_at is not None and now <= self._last_at + timedelta(seconds=1):
            # action ids name the second: a clock that was set back must not give one twice
            self._hold(f"the clock was set back to before the last plan, {self._last_at}")
            return now + timedelta(seconds=_SLICE_S * self._clock.speed)
        self.beat(now)
        return self._next_mark(self._clock.now())

    def _next_mark(self, now: datetime) -> datetime:
        mark = bucket_floor(now, self._step_s) + self._offset
        while mark <= now or mark < self._earliest():
            mark += timedelta(seconds=self._step_s)
        return mark

    def _earliest(self) -> datetime:
        return self._clock.now() if self._last_at is None else self._last_at + _PAUSE

    def beat(self, now: datetime) -> LoopState:
        """Make one heartbeat of all services.

        Parameters
        ----------
        now : datetime
            The instant, aware UTC, later than that of the heartbeat before by a second or more.

        Returns
        -------
        LoopState
            Also kept as `state`, and published.
        """
        paused = self._told_paused = self._paused()
        self._last_at = now
        for desk in self._desks.values():
            desk.begin()
        for one in self._services:
            self._readings[one.policy.service].hear(now)
        charges = [self._charge(one, paused) for one in self._services]
        self._pulse = heartbeat(
            now, charges, budget=self._budget, before=self._heeded(now, charges),
            mapped=self._hands.map,
        )  # fmt: skip
        self._beat_count += 1
        told = self._told(now, paused)
        for one in self._services:
            self._relearn(one, now)
        return self._publish(told)

    def _charge(self, one: LiveService, paused: frozenset[str]) -> Charge:
        name = one.policy.service
        reading = self._readings[name]
        policy = _with_boot(one.policy, reading.lead)
        fleet = self._pulse.beats[name].fleet
        is_measured = reading.lead.changed_at is not None
        is_mixed = (
            policy.has_warm_pool
            and fleet is not None
            and any(
                instance.state is InstanceState.WARM and instance.version != policy.version
                for instance in fleet.instances
            )
        )
        return Charge(
            policy=policy,
            platform=self._desks[id(one.platform)],
            outlook=reading.outlook,
            journal=one.journal,
            is_acting=one.mode == "live" and name not in paused,
            priority=one.priority,
            places=one.places,
            around=Circumstances(
                boot_s=policy.boot_s if is_measured else None, may_refresh=is_mixed
            ) if is_measured or is_mixed else _CALM,
        )  # fmt: skip

    def _heeded(self, now: datetime, charges: Sequence[Charge]) -> Pulse:
        """Return the heartbeat before, without what is not to be asked for again."""
        beats = dict(self._pulse.beats)
        for one in charges:
            beat = beats[one.policy.service]
            made_at = beat.plan.made_at if beat.plan is not None else now
            if beat.unanswered and not (one.is_acting and now - made_at < _ASKED_MAX):
                beats[one.policy.service] = msgspec.structs.replace(beat, unanswered=())
        return msgspec.structs.replace(self._pulse, beats=beats)

    def _relearn(self, one: LiveService, now: datetime) -> None:
        """Take the measured lead time for the planner's, where it differs enough."""
        reading = self._readings[one.policy.service]
        if one.relearned is None:
            return
        lead = considered(reading.lead, one.lead_times(), now)
        if lead is not reading.lead:
            reading.relearn(lead, _with_boot(one.policy, lead), one.relearned)

    def _told(self, now: datetime, paused: frozenset[str]) -> LoopState:
        return LoopState(
            at=now,
            beat_count=self._beat_count,
            services=tuple(self._service_state(one, now, paused) for one in self._services),
        )

    def _service_state(
        self, one: LiveService, now: datetime, paused: frozenset[str]
    ) -> ServiceState:
        name = one.policy.service
        beat, reading = self._pulse.beats[name], self._readings[name]
        fleet = beat.fleet
        if beat.receipts and name not in self._pulse.silent:
            try:
                fleet = self._desks[id(one.platform)].observe(name)
            except PlatformUnavailableError:
                fleet = beat.fleet  # as it was before acting: the next heartbeat asks again
        return ServiceState(
            service=name,
            mode=one.mode,
            is_paused=name in paused,
            version=one.policy.version,
            boot_s=reading.lead.boot_s,
            at=None if beat.plan is None else beat.plan.made_at,
            fleet=fleet,
            plan=beat.plan,
            receipts=beat.receipts,
            unanswered_count=len(beat.unanswered),
            tail=reading.tail(now),
            course=reading.course(now),
            lead_times=one.lead_times(),
            silent=self._pulse.silent.get(name, ""),
            unwritten=self._pulse.unwritten.get(name, ""),
            unheard=reading.unheard,
        )

    def _publish_pauses(self) -> None:
        """Tell at once when a person paused or resumed a service."""
        paused = self._paused()
        if self.state is None or paused == self._told_paused:
            return
        told = tuple(
            msgspec.structs.replace(one, is_paused=one.service in paused)
            for one in self.state.services
        )
        self._told_paused = paused
        self._publish(msgspec.structs.replace(self.state, services=told))

    def _hold(self, why: str) -> None:
        if self.state is not None and self.state.held != why:
            self._publish(msgspec.structs.replace(self.state, held=why))

    def _publish(self, state: LoopState) -> LoopState:
        self.state = state
        if self._published is not None:
            self._published(state)
        return state


def _with_boot(policy: ServicePolicy, lead: Lead) -> ServicePolicy:
    if lead.boot_s == policy.boot_s:
        return policy
    return msgspec.structs.replace(policy, boot_s=lead.boot_s)


def _last_at(services: Sequence[LiveService]) -> datetime | None:
    plans = [one.before.plan for one in services if one.before.plan is not None]
    return max((one.made_at for one in plans), default=None)
