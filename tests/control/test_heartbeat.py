"""Many services in one heartbeat: the budget holds, and none stops another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.control.heartbeat import Charge, Pulse, heartbeat
from foretide.control.lookahead import Lookahead
from foretide.control.replay import judged
from foretide.control.tick import Beat, tick
from foretide.errors import PlatformUnavailableError
from foretide.model.demand import Demand
from foretide.model.fleet import Fleet
from foretide.model.plan import Action, Reason
from foretide.plan.budget import Budget
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Receipt
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = 1000


class Service:
    """One service in a made world, with all it needs to be in a heartbeat's charge."""

    def __init__(self, name: str, *, peak_rps: float, seed: int, price: float = 0.1) -> None:
        rng = np.random.default_rng(seed)
        tide = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(MINUTES) / 700)
        values = 60 * peak_rps * tide * np.exp(0.05 * rng.standard_normal(MINUTES))
        self.policy = ServicePolicy(
            service=name, version="v1", curve=linear_curve(10.0), boot_s=300, has_warm_pool=True,
            knob=knob_for_objective(0.001, has_warm_pool=True), price_usd_per_hour=price,
        )  # fmt: skip
        self.platform = SimulatedPlatform(name, start=START, boot_s=300)
        demand = Demand(series_id=name, start=START, step_s=60, values=values)
        self.outlook = Lookahead(self.policy, demand, block_minutes=240)
        self.journal = MemoryJournal()

    def charge(self, *, priority: int = 0, is_acting: bool = True) -> Charge:
        return Charge(
            policy=self.policy, platform=self.platform, outlook=self.outlook,
            journal=self.journal, is_acting=is_acting, priority=priority,
        )  # fmt: skip

    @property
    def count(self) -> int:
        return len(self.platform.actual().instances)


class Silent:
    """A platform that never answers."""

    def observe(self, service: str) -> Fleet:
        raise PlatformUnavailableError(f"{service}: no answer")

    def apply(self, action: Action) -> Receipt:
        raise PlatformUnavailableError(f"{action.action_id}: no answer")


def live(services: list[Service], budget: Budget, minutes: int = MINUTES) -> list[list[int]]:
    """Let services live under a budget; return how many instances each had, minute by minute."""
    pulse, counts = Pulse(), list[list[int]]()
    for minute in range(minutes):
        now = START + timedelta(minutes=minute)
        for one in services:
            one.platform.advance(now)
        pulse = heartbeat(now, [one.charge() for one in services], budget=budget, before=pulse)
        counts.append([one.count for one in services])
    return counts


def three() -> list[Service]:
    return [
        Service("api", peak_rps=200, seed=1),
        Service("web", peak_rps=120, seed=2),
        Service("jobs", peak_rps=60, seed=3),
    ]


def test_without_a_budget_each_lives_as_it_would_alone() -> None:
    together, alone = three(), three()
    counts = live(together, Budget())
    for at, one in enumerate(alone):
        beat = Beat()
        for minute in range(MINUTES):
            now = START + timedelta(minutes=minute)
            one.platform.advance(now)
            beat = tick(
                now, policy=one.policy, platform=one.platform, outlook=one.outlook,
                journal=one.journal, before=beat, is_acting=True,
            )  # fmt: skip
            assert counts[minute][at] == one.count
        assert together[at].journal.entries == one.journal.entries


@pytest.mark.parametrize(
    ("budget", "most"),
    [(Budget(instance_count=25), 25), (Budget(usd_per_hour=2.0), 20)],
    ids=["instances", "usd"],
)
def test_together_they_never_have_more_than_their_budget(budget: Budget, most: int) -> None:
    services = three()
    free = max(map(sum, live(three(), Budget())))
    counts = live(services, budget)
    assert free > most + 10
    assert max(map(sum, counts)) == most
    for one in services:
        assert judged(one.journal.entries, one.policy).differing is None
        assert all(entry.around.ceiling_count is not None for entry in one.journal.entries)
    bound = {r for one in services for e in one.journal.entries for r in e.plan.decision.reasons}
    assert Reason.CEILING in bound


def test_a_budget_that_is_ample_changes_no_plan() -> None:
    free, ample = three(), three()
    assert live(free, Budget(), 800) == live(ample, Budget(instance_count=1000), 800)


def test_a_service_whose_platform_is_silent_stops_no_other() -> None:
    mute, well = Service("mute", peak_rps=100, seed=4), Service("well", peak_rps=100, seed=5)
    charge = Charge(
        policy=mute.policy, platform=Silent(), outlook=mute.outlook, journal=mute.journal,
        is_acting=True,
    )  # fmt: skip
    pulse = Pulse()
    for minute in range(800):
        now = START + timedelta(minutes=minute)
        well.platform.advance(now)
        pulse = heartbeat(
            now, [charge, well.charge()], budget=Budget(instance_count=30), before=pulse
        )
    assert list(pulse.silent) == ["mute"]
    assert mute.journal.entries == []
    assert well.count > 3
    assert pulse.division is not None
    assert pulse.division.instance_count <= 30


def test_of_two_that_are_alike_the_one_of_higher_priority_has_no_less() -> None:
    low, high = Service("a", peak_rps=200, seed=6), Service("b", peak_rps=200, seed=6)
    pulse = Pulse()
    for minute in range(60):
        now = START + timedelta(minutes=minute)
        for one in (low, high):
            one.platform.advance(now)
        pulse = heartbeat(
            now, [low.charge(), high.charge(priority=1)], budget=Budget(instance_count=16),
            before=pulse,
        )  # fmt: skip
    assert low.count + high.count == 16
    assert high.count > low.count
