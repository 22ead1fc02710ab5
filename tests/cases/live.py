"""What tests of the live loop are made of: a service with a tide, and a platform that may fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from foretide.control.clock import PacedClock, VirtualClock
from foretide.control.lookahead import Lookahead
from foretide.control.loop import LiveService, Loop
from foretide.control.state import LoopState, Mode
from foretide.errors import SourceError
from foretide.model.demand import Demand
from foretide.model.fleet import Fleet
from foretide.model.plan import Action
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Platform, Receipt
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import Entry, MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
HISTORY_MIN = 800
BEGIN = START + timedelta(minutes=HISTORY_MIN)


def policy_of(name: str, *, boot_s: float = 300.0) -> ServicePolicy:
    return ServicePolicy(
        service=name, version="v1", curve=linear_curve(10.0), boot_s=boot_s, has_warm_pool=True,
        knob=knob_for_objective(0.001, has_warm_pool=True), min_count=1, max_count=40,
    )  # fmt: skip


def tide(minutes: int = HISTORY_MIN + 600) -> Demand:
    rng = np.random.default_rng(3)
    course = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(minutes) / 700)
    values = 60 * 150 * course * np.exp(0.05 * rng.standard_normal(minutes))
    return Demand(series_id="web", start=START, step_s=60, values=values)


class Feed:
    """Tells what had come by an instant, until it is told to fail."""

    def __init__(self, demand: Demand) -> None:
        self.whole = demand
        self.fails = ""

    def demand(self, now: datetime) -> Demand | None:
        if self.fails:
            raise SourceError(self.fails)
        return self.whole.until(now)


class Kept:
    """A simulated platform that keeps up with a clock, and may sleep, hang or fail."""

    def __init__(self, name: str, clock: VirtualClock | PacedClock, count: int = 6) -> None:
        self.made = SimulatedPlatform(name, start=clock.now(), boot_s=300, serving_count=count)
        self.clock = clock
        self.before: Callable[[], None] = lambda: None
        self.asked: list[Action] = []

    def observe(self, service: str) -> Fleet:
        self.before()
        self.made.advance(self.clock.now())
        return self.made.observe(service)

    def apply(self, action: Action) -> Receipt:
        self.before()
        self.asked.append(action)
        return self.made.apply(action)


def live(
    name: str, platform: Platform, *, mode: Mode = "live", feed: Feed | None = None
) -> LiveService:
    policy, feed = policy_of(name), feed or Feed(tide())
    return LiveService(
        policy=policy, outlook=Lookahead(policy, feed.whole.until(BEGIN)), feed=feed,
        platform=platform, journal=MemoryJournal(), mode=mode,
        relearned=Lookahead,
    )  # fmt: skip


def minutes(loop: Loop, clock: VirtualClock, count: int) -> LoopState:
    state = loop.state
    for _ in range(count):
        state = loop.beat(clock.now())
        clock.advance(60)
    assert state is not None
    return state


def entries(one: LiveService) -> list[Entry]:
    assert isinstance(one.journal, MemoryJournal)
    return one.journal.entries


def soon(is_so: Callable[[], bool], most: int = 50) -> None:
    for _ in range(most):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came to be so")
