"""Stories as scripts: `>>` is what the world says, `<<` what must have come of it by then.

assert Script(nodes) >> forecast(serving=4, total=8) >> wait(1) << launched(a=2, b=2)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

from foretide.control.links import Links
from foretide.control.tick import Beat, tick
from foretide.model.fleet import InstanceState
from foretide.model.plan import Launch, Promote
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.simulate.faults import NO_FAULTS, Faults
from foretide.simulate.ground import Terrain
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BOOT_S = 300
Step = Callable[["Script"], None]


class Script:
    """One service with a warm pool in a made world with nodes."""

    def __init__(self, terrain: Terrain, *, serving: int = 4, faults: Faults = NO_FAULTS) -> None:
        self.now, self.serving, self.total = START, serving, serving
        self.policy = ServicePolicy(
            service="web", version="v1", curve=linear_curve(10), boot_s=BOOT_S, has_warm_pool=True,
            knob=knob_for_objective(0.001, has_warm_pool=True),
        )  # fmt: skip
        self.world = SimulatedPlatform(
            "web", start=START, boot_s=BOOT_S, serving_count=serving, terrain=terrain,
            faults=faults,
        )  # fmt: skip
        self.places = Links(self.world)
        self.journal = MemoryJournal()
        self.beat = Beat()

    def __rshift__(self, step: Step) -> Self:
        step(self)
        return self

    def __lshift__(self, step: Step) -> Self:
        step(self)
        return self

    def recent(self, now: datetime) -> RecentDemand:
        del now
        rps = 8.0 * self.serving
        return RecentDemand(last_rps=rps, previous_rps=rps, age_s=0, step_s=60)

    def need(self, now: datetime) -> Need:
        del now
        return Need(
            forecast_id="told", predicted_rps=8.0 * self.serving, upper_rps=10.0 * self.serving,
            width_fraction=0.1, width_max_fraction=0.3, serving_up=self.serving,
            serving_low=self.serving, total_up=self.total, total_low=self.total,
        )  # fmt: skip

    def pass_minute(self) -> None:
        self.world.advance(self.now)
        self.beat = tick(
            self.now, policy=self.policy, platform=self.world, outlook=self, journal=self.journal,
            before=self.beat, is_acting=True, places=self.places,
        )  # fmt: skip
        self.now += timedelta(minutes=1)


def forecast(*, serving: int, total: int) -> Step:
    """Tell what is expected from now on."""

    def step(script: Script) -> None:
        script.serving, script.total = serving, total

    return step


def wait(minutes: int) -> Step:
    """Let time pass."""

    def step(script: Script) -> None:
        for _ in range(minutes):
            script.pass_minute()

    return step


def wait_until_seen(*, fewer: bool, most_minutes: int = 600) -> Step:
    """Let time pass until fewer instances are reported than run, or all of them again."""

    def step(script: Script) -> None:
        for _ in range(most_minutes):
            script.pass_minute()
            seen, every = (
                len(fleet.instances) for fleet in (script.world.reachable(), script.world.actual())
            )
            if (seen < every) == fewer:
                return
        raise AssertionError(f"nothing of the kind within {most_minutes} minutes")

    return step


def launched(**by_node: int) -> Step:
    """Expect these launches of the last minute, by node."""

    def step(script: Script) -> None:
        assert script.beat.plan is not None
        actions = [a for a in script.beat.plan.actions if isinstance(a, Launch)]
        assert Counter(action.node_id for action in actions) == by_node

    return step


def promoted(count: int) -> Step:
    """Expect so many promotes of the last minute."""

    def step(script: Script) -> None:
        assert script.beat.plan is not None
        verbs = [type(action) for action in script.beat.plan.actions]
        assert verbs == [Promote] * count

    return step


def fleet(**by_state: int) -> Step:
    """Expect the fleet to be this, by state."""

    def step(script: Script) -> None:
        known = Counter(one.state for one in script.world.reachable().instances)
        wanted = {InstanceState(state): count for state, count in by_state.items()}
        assert known == wanted, f"at {script.now:%H:%M} the fleet is {dict(known)}"

    return step


def lacking(text: str) -> Step:
    """Expect that the last decision tells of no room, and this of it; empty: that it does not."""

    def step(script: Script) -> None:
        assert script.beat.plan is not None
        assert (script.beat.plan.decision.lacking or "") == text

    return step
