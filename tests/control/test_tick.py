"""One heartbeat: written down before anything is done, and safe to be cut off anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.control.clock import VirtualClock, WallClock
from foretide.control.tick import Beat, tick
from foretide.errors import JournalError, PlatformUnavailableError
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Action
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import Circumstances, RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Outcome, Platform, Receipt
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import Entry, Journal, MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = ServicePolicy(
    service="web",
    version="v1",
    curve=linear_curve(10.0),
    knob=knob_for_objective(0.001, has_warm_pool=True),
    boot_s=300,
    has_warm_pool=True,
)


class Told:
    """An outlook that says what it was told to say."""

    def __init__(self, serving: int = 8, total: int = 10) -> None:
        self.serving, self.total = serving, total

    def recent(self, now: datetime) -> RecentDemand:
        del now
        return RecentDemand(last_rps=5.0, previous_rps=5.0, age_s=0.0, step_s=60)

    def need(self, now: datetime) -> Need | None:
        return Need(
            forecast_id=f"told@{int(now.timestamp())}", predicted_rps=50.0, upper_rps=60.0,
            width_fraction=0.1, width_max_fraction=0.2, serving_up=self.serving,
            serving_low=self.serving, total_up=self.total, total_low=self.total,
        )  # fmt: skip


class Watched:
    """A platform and a journal in one, which notes what is asked of it, in order."""

    def __init__(self, platform: SimulatedPlatform, *, fails_after: int = 1000) -> None:
        self.platform, self.fails_after = platform, fails_after
        self.notes = list[str]()

    def append(self, entry: Entry) -> None:
        self.notes.append(f"write {len(entry.plan.actions)}")

    def observe(self, service: str) -> Fleet:
        self.notes.append("observe")
        return self.platform.observe(service)

    def apply(self, action: Action) -> Receipt:
        if self.fails_after == 0:
            raise PlatformUnavailableError("no answer")
        self.fails_after -= 1
        self.notes.append("apply")
        return self.platform.apply(action)


class FullJournal:
    def append(self, entry: Entry) -> None:
        raise JournalError(f"no room for {entry.at}")


def world(serving: int = 1, warm: int = 0) -> SimulatedPlatform:
    return SimulatedPlatform("web", start=START, boot_s=300, serving_count=serving, warm_count=warm)


def beat(
    platform: Platform,
    journal: Journal,
    *,
    before: Beat | None = None,
    outlook: Told | None = None,
    minute: int = 0,
    is_acting: bool = True,
) -> Beat:
    return tick(
        START + timedelta(minutes=minute),
        policy=POLICY,
        platform=platform,
        outlook=outlook or Told(),
        journal=journal,
        before=before or Beat(),
        is_acting=is_acting,
    )


def fleet_of(platform: Platform) -> tuple[Instance, ...]:
    return platform.observe("web").instances


def test_it_is_written_before_it_is_done() -> None:
    watched = Watched(world())
    done = beat(watched, watched)
    assert done.plan is not None
    count = len(done.plan.actions)
    assert count > 1
    assert watched.notes == ["observe", f"write {count}", *["apply"] * count]
    assert [r.action_id for r in done.receipts] == [a.action_id for a in done.plan.actions]


def test_what_could_not_be_written_is_not_done() -> None:
    platform = world()
    before = fleet_of(platform)
    with pytest.raises(JournalError):
        beat(platform, FullJournal())
    assert fleet_of(platform) == before


def test_a_shadow_does_all_but_act() -> None:
    platform, shadow, live = world(), MemoryJournal(), MemoryJournal()
    before = fleet_of(platform)
    shadowed = beat(platform, shadow, is_acting=False)
    assert fleet_of(platform) == before
    assert shadowed.receipts == ()
    acted = beat(platform, live)
    told = [msgspec.structs.replace(one, around=Circumstances()) for one in shadow.entries]
    assert told == live.entries
    assert not shadow.entries[0].around.is_acting
    assert shadowed.plan == acted.plan


def test_the_journal_tells_the_fleet_by_its_changes() -> None:
    platform, journal = world(), MemoryJournal()
    before = Beat()
    for minute in range(3):
        platform.advance(START + timedelta(minutes=minute))
        before = beat(platform, journal, before=before, minute=minute, outlook=Told(2, 4))
    launched = {i.instance_id for i in fleet_of(platform)} - {"web-start-0"}
    changes = [{i.instance_id for i in entry.changed} for entry in journal.entries]
    assert changes == [{"web-start-0"}, launched, set[str]()]
    assert [entry.is_start for entry in journal.entries] == [True, False, False]


@pytest.mark.parametrize("done_count", [0, 1, 3])
def test_a_crash_between_journal_and_act_is_made_good_once(done_count: int) -> None:
    expected = world(serving=2, warm=1)
    beat(expected, MemoryJournal())

    journal, platform = MemoryJournal(), world(serving=2, warm=1)
    left = beat(Watched(platform, fails_after=done_count), journal)
    assert len(left.receipts) == done_count
    assert left.unanswered == journal.entries[-1].plan.actions[done_count:]
    # the start-up path: what the last entry asked for is asked again under the same ids
    actions = journal.entries[-1].plan.actions
    outcomes = [platform.apply(action).outcome for action in actions]
    assert outcomes == [Outcome.ALREADY_DONE] * done_count + [Outcome.ACCEPTED] * (
        len(actions) - done_count
    )
    assert fleet_of(platform) == fleet_of(expected)


def test_a_restart_in_the_same_minute_does_nothing_twice() -> None:
    platform = world()
    beat(platform, MemoryJournal(), outlook=Told(2, 4))
    before = fleet_of(platform)
    again = beat(platform, MemoryJournal(), outlook=Told(2, 4))
    assert again.plan is not None
    assert again.plan.actions == ()
    assert fleet_of(platform) == before


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 10)), min_size=1, max_size=12))
def test_every_plan_is_reached_and_no_instance_is_lost(asked: list[tuple[int, int]]) -> None:
    platform, before = world(), Beat()
    for minute, (serving, warm) in enumerate(asked):
        platform.advance(START + timedelta(minutes=minute))
        known = {i.instance_id for i in fleet_of(platform)}
        before = beat(
            platform, MemoryJournal(), before=before, minute=minute,
            outlook=Told(serving, serving + warm),
        )  # fmt: skip
        assert before.plan is not None
        assert Outcome.REFUSED not in [r.outcome for r in before.receipts]
        planned = before.plan.serving_count + before.plan.warm_count
        after = {i.instance_id for i in fleet_of(platform)}
        assert len(after) == planned
        assert len(known - after) + len(after - known) <= len(before.plan.actions)
        states = [i.state for i in fleet_of(platform)]
        assert states.count(InstanceState.SERVING) >= POLICY.min_count


def test_a_virtual_clock_moves_when_told_to() -> None:
    clock = VirtualClock(START)
    clock.advance(90)
    assert clock.now() == START + timedelta(seconds=90)
    assert WallClock().now().tzinfo is UTC
