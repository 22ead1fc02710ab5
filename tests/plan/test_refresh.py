"""Warm instances of an old version give way one at a time, and the pool is never smaller for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Action, Launch, Plan, Promote, Reason, Terminate
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import Circumstances, Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Platform
from foretide.simulate.world import SimulatedPlatform

START = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState
POLICY = ServicePolicy(
    service="web", version="v2", curve=linear_curve(10.0), boot_s=120, has_warm_pool=True,
    knob=knob_for_objective(0.001, has_warm_pool=True), max_count=20,
)  # fmt: skip
REFRESHING = Circumstances(may_refresh=True)


class Story:
    """Minutes of one service whose instances are of version v1 and whose policy says v2."""

    def __init__(self, *, serving: int = 4, warm: int = 3, policy: ServicePolicy = POLICY) -> None:
        self.policy = policy
        self.made = SimulatedPlatform(
            "web", start=START, boot_s=120, serving_count=serving, warm_count=warm
        )
        self.platform: Platform = self.made
        self.now, self.memory = START, Memory()
        self.serving, self.total = serving, serving + warm
        self.rps, self.age_s = 38.0, 0.0
        self.plans: list[Plan] = []
        self.around = REFRESHING

    @property
    def fleet(self) -> Fleet:
        return self.made.actual()

    def minute(self) -> Plan:
        """Plan one minute, do what it says, and let the minute pass."""
        decided, self.memory = plan(
            now=self.now, fleet=self.platform.observe("web"),
            demand=RecentDemand(
                last_rps=self.rps, previous_rps=self.rps, age_s=self.age_s, step_s=60
            ),
            need=Need(
                forecast_id="told", predicted_rps=self.rps, upper_rps=self.rps,
                width_fraction=0.1, width_max_fraction=0.2, serving_up=self.serving,
                serving_low=self.serving, total_up=self.total, total_low=self.total,
            ),
            policy=self.policy, memory=self.memory, around=self.around,
        )  # fmt: skip
        for action in decided.actions:
            self.platform.apply(action)
        self.plans.append(decided)
        self.now += timedelta(minutes=1)
        self.made.advance(self.now)
        return decided

    def versions(self, *states: InstanceState) -> list[str]:
        return [one.version for one in self.fleet.in_state(*states)]

    def actions(self) -> list[Action]:
        return [action for one in self.plans for action in one.actions]


def test_the_whole_pool_is_of_the_new_version_in_the_end() -> None:
    story = Story()
    least = len(story.versions(S.WARM))
    for _ in range(30):
        story.minute()
        assert len(story.versions(S.WARM)) >= least
        assert len(story.fleet.instances) <= 4 + 3 + 1
    assert story.versions(S.WARM) == ["v2"] * 3
    assert story.versions(S.SERVING) == ["v1"] * 4
    kinds = [type(action) for action in story.actions()]
    assert kinds == [Launch, Terminate] * 3
    told = [one.decision.reasons for one in story.plans if one.actions]
    assert all(Reason.VERSION_OLD in reasons for reasons in told)


def test_nothing_is_begun_where_nobody_asked_for_it() -> None:
    story = Story()
    story.around = Circumstances()
    for _ in range(10):
        story.minute()
    assert story.actions() == []


@pytest.mark.parametrize(
    "around",
    [
        Circumstances(may_refresh=True, is_acting=False),
        Circumstances(may_refresh=True, is_update_in_flight=True),
        Circumstances(may_refresh=True, ceiling_count=7),
    ],
    ids=["shadow", "update", "budget"],
)
def test_nothing_is_begun_that_is_not_allowed(around: Circumstances) -> None:
    story = Story()
    story.around = around
    if around.is_update_in_flight:
        story.total -= 1  # something it would remove, were there no update
    for _ in range(5):
        story.minute()
    assert not any(isinstance(action, Launch) for action in story.actions())


def test_there_is_never_more_than_the_maximum() -> None:
    story = Story(policy=msgspec.structs.replace(POLICY, max_count=7))
    for _ in range(20):
        story.minute()
        assert len(story.fleet.instances) <= 7
    assert story.actions() == []


def test_a_surge_takes_both_and_nothing_is_taken_from_it() -> None:
    story = Story()
    story.minute()
    assert isinstance(story.plans[-1].actions[-1], Launch)
    story.rps, story.serving, story.total = 65.0, 7, 8
    decided = story.minute()
    assert any(isinstance(action, Promote) for action in decided.actions)
    # the one under way counts at once: nothing more is launched
    assert not any(isinstance(action, Launch) for action in decided.actions)
    for _ in range(3):
        assert not any(isinstance(action, Terminate) for action in story.minute().actions)
    assert "v2" in story.versions(S.WARM, S.SERVING)


def test_stale_demand_waits_and_ends_nothing() -> None:
    story = Story()
    story.minute()
    story.age_s = 600.0
    for _ in range(10):
        assert story.minute().actions == ()
    story.age_s = 0.0
    assert [type(action) for action in story.minute().actions] == [Terminate]


def test_a_version_that_does_not_start_rests_before_it_is_tried_again() -> None:
    story = Story()
    story.minute()
    launched = story.memory.refresh.fresh_id
    story.platform.apply(Terminate(action_id="x", service="web", instance_id=launched))
    launches = [
        at
        for at in range(1, 20)
        if any(isinstance(action, Launch) for action in story.minute().actions)
    ]
    assert launches
    assert launches[0] >= 10
    assert len(story.versions(S.WARM)) >= 3


def test_a_launch_that_was_refused_is_not_awaited() -> None:
    story = Story()
    refused = story.minute().actions[-1]
    assert isinstance(refused, Launch)
    story.around = Circumstances(may_refresh=True, refused=(refused.instance_id,))
    story.minute()
    assert story.memory.refresh.fresh_id == ""
    assert story.memory.refresh.rests_until is not None


def test_an_old_one_that_was_promoted_meanwhile_is_left_alone() -> None:
    story = Story(warm=1)
    story.minute()
    story.serving, story.total = 5, 6
    for _ in range(7):
        story.minute()
    ended = [a.instance_id for a in story.actions() if isinstance(a, Terminate)]
    assert ended == []
    assert story.versions(S.SERVING) == ["v1"] * 5
    assert story.versions(S.WARM) == ["v2"]


def test_the_oldest_version_goes_first_when_the_pool_shrinks() -> None:
    story = Story(warm=2)
    for _ in range(4):
        story.minute()
    assert sorted(story.versions(S.WARM)) == ["v1", "v2"]
    story.around, story.total = Circumstances(), 5
    for _ in range(5):
        story.minute()
        assert "v2" in story.versions(S.WARM)
    assert story.versions(S.WARM) == ["v2"]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_comes_the_pool_is_never_smaller_for_it(seed: int) -> None:
    """Play two worlds with the same luck: one in which old versions are replaced, one without."""
    rng = np.random.default_rng(seed)
    calls = [
        (int(rng.integers(1, 8)), int(rng.integers(0, 4)), float(rng.choice([0, 0, 0, 600])))
        for _ in range(25)
    ]
    with_it, without = Story(), Story()
    without.around = Circumstances()
    for serving, warm, age_s in calls:
        for story in (with_it, without):
            story.serving, story.total = serving, serving + warm
            story.rps, story.age_s = 9.5 * serving, age_s
            story.minute()
            ids = [one.instance_id for one in story.fleet.instances]
            assert len(ids) == len(set(ids))
            assert len(ids) <= POLICY.max_count
        ready = [len(one.versions(S.WARM, S.SERVING)) for one in (with_it, without)]
        assert ready[0] >= min(ready[1], serving + warm) - _landing(without)


def _landing(story: Story) -> int:
    return story.fleet.count(S.BOOTING, S.REQUESTED)
