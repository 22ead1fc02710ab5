"""Stories of a service, told as scripts: the forecast says, the fleet does, time goes by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from foretide.control.tick import Beat, tick
from foretide.model.fleet import InstanceState
from foretide.model.plan import Branch, Plan, Reason
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
INSTANCE_RPS = 10.0


class Story:
    """One service in a made world; `forecast` and `demand` are what it is told from now on."""

    def __init__(self, *, serving: int = 4, warm: int = 0, has_warm_pool: bool = True) -> None:
        self.now = START
        self.policy = ServicePolicy(
            service="web",
            version="v1",
            curve=linear_curve(INSTANCE_RPS),
            knob=knob_for_objective(0.001, has_warm_pool=has_warm_pool),
            boot_s=300,
            has_warm_pool=has_warm_pool,
        )
        self.world = SimulatedPlatform(
            "web", start=START, boot_s=300, serving_count=serving, warm_count=warm
        )
        self.journal = MemoryJournal()
        self.beat = Beat()
        self.told: Need | None = None
        self.seen = RecentDemand(last_rps=None, previous_rps=None, age_s=None, step_s=60)
        self.demand(8.0 * serving)

    def forecast(self, *, serving: int, total: int, is_sure: bool = True) -> None:
        width = 0.1 if is_sure else 0.9
        self.told = Need(
            forecast_id="story", predicted_rps=8.0 * serving, upper_rps=10.0 * serving,
            width_fraction=width, width_max_fraction=0.3, serving_up=serving, serving_low=serving,
            total_up=total, total_low=total,
        )  # fmt: skip

    def demand(self, rps: float, *, age_s: float = 0.0) -> None:
        previous = self.seen.last_rps
        last = rps if age_s == 0 else None
        self.seen = RecentDemand(last_rps=last, previous_rps=previous, age_s=age_s, step_s=60)

    def recent(self, now: datetime) -> RecentDemand:
        del now
        return self.seen

    def need(self, now: datetime) -> Need | None:
        del now
        return self.told

    def wait(self, minutes: int = 1) -> Plan:
        for _ in range(minutes):
            self.world.advance(self.now)
            self.beat = tick(
                self.now, policy=self.policy, platform=self.world, outlook=self,
                journal=self.journal, before=self.beat, is_acting=True,
            )  # fmt: skip
            self.now += timedelta(minutes=1)
        assert self.beat.plan is not None
        return self.beat.plan

    def fleet(self) -> dict[str, int]:
        fleet = self.world.observe("web")
        return {
            "serving": fleet.count(InstanceState.SERVING),
            "warm": fleet.count(InstanceState.WARM),
            "booting": fleet.count(InstanceState.BOOTING),
        }

    def done(self) -> list[str]:
        """Return the verbs of the last plan, in order."""
        assert self.beat.plan is not None
        return [type(action).__name__ for action in self.beat.plan.actions]


def test_before_a_ramp_instances_are_launched_and_wait_warm() -> None:
    story = Story(serving=4)
    story.forecast(serving=4, total=8)
    plan = story.wait()
    assert plan.decision.branch is Branch.SCALE_UP
    assert plan.decision.reasons == (Reason.FORECAST_RISES,)
    assert story.done() == ["Launch"] * 4
    assert story.fleet() == {"serving": 4, "warm": 0, "booting": 4}
    story.wait(5)
    assert story.fleet() == {"serving": 4, "warm": 4, "booting": 0}


def test_when_the_ramp_comes_the_warm_are_promoted_in_its_minute() -> None:
    story = Story(serving=4, warm=4)
    story.forecast(serving=7, total=8)
    assert story.wait().decision.branch is Branch.PROMOTE
    assert story.done() == ["Promote"] * 3
    assert story.fleet() == {"serving": 7, "warm": 1, "booting": 0}


def test_without_a_warm_pool_what_is_launched_serves_one_boot_later() -> None:
    story = Story(serving=4, has_warm_pool=False)
    story.forecast(serving=6, total=6)
    story.wait(5)
    assert story.fleet() == {"serving": 4, "warm": 0, "booting": 2}
    story.wait()
    assert story.fleet() == {"serving": 6, "warm": 0, "booting": 0}


def test_an_ebb_that_is_not_sure_parks_and_one_that_is_ends() -> None:
    story = Story(serving=10)
    story.demand(20.0)
    story.forecast(serving=3, total=4, is_sure=False)
    plan = story.wait()
    assert plan.decision.branch is Branch.PARK
    assert Reason.INTERVAL_TOO_WIDE in plan.decision.reasons
    assert story.fleet() == {"serving": 3, "warm": 7, "booting": 0}
    story.forecast(serving=3, total=4)
    assert story.wait().decision.branch is Branch.SCALE_DOWN
    assert story.done() == ["Terminate"]  # a tenth of the fleet in a minute, no more
    story.wait(20)
    assert story.fleet() == {"serving": 3, "warm": 1, "booting": 0}


def test_what_is_used_now_is_not_parked_whatever_the_forecast_says() -> None:
    story = Story(serving=10)
    story.demand(78.0)
    story.forecast(serving=2, total=10)
    story.wait()
    assert story.fleet()["serving"] == 8


def test_a_crowd_nobody_foresaw_wakes_the_warm_at_once() -> None:
    story = Story(serving=4, warm=6)
    story.forecast(serving=4, total=10)
    story.wait()
    story.demand(70.0)
    plan = story.wait()
    assert Reason.REACTIVE_PROMOTE in plan.decision.reasons
    assert story.fleet()["serving"] >= 7


@pytest.mark.parametrize("age_s", [600.0, 86_000.0])
def test_when_the_data_stops_nothing_is_removed_and_growth_goes_on(age_s: float) -> None:
    story = Story(serving=6, warm=4)
    story.demand(0.0, age_s=age_s)
    story.forecast(serving=1, total=2)
    plan = story.wait(30)
    assert Reason.DATA_STALE in plan.decision.reasons
    assert story.fleet() == {"serving": 6, "warm": 4, "booting": 0}
    story.forecast(serving=8, total=14)
    story.wait(6)
    assert story.fleet() == {"serving": 8, "warm": 6, "booting": 0}


def test_a_launch_that_is_no_longer_needed_is_called_off() -> None:
    story = Story(serving=4)
    story.forecast(serving=4, total=6)
    story.wait()
    story.forecast(serving=4, total=4)
    story.wait(3)
    assert story.fleet() == {"serving": 4, "warm": 0, "booting": 0}


def test_a_calm_hour_asks_for_nothing() -> None:
    story = Story(serving=4, warm=2)
    story.forecast(serving=4, total=6)
    for _ in range(60):
        plan = story.wait()
        assert (plan.decision.branch, plan.actions) == (Branch.HOLD, ())
    assert len(story.journal.entries) == 60
