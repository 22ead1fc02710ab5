"""The live loop: nobody waits for a platform that is slow, and a crash is a beginning."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from cases.live import BEGIN, HISTORY_MIN, Feed, Kept, entries, live, minutes, soon, tide
from foretide.control.clock import PacedClock, VirtualClock
from foretide.control.loop import Loop
from foretide.control.replay import judged
from foretide.control.state import LoopState
from foretide.control.tick import Beat
from foretide.errors import JournalError, PlatformUnavailableError
from foretide.model.fleet import LeadTimes
from foretide.model.plan import Action
from foretide.platforms.base import Receipt
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import Entry, MemoryJournal


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(BEGIN)


@pytest.fixture
def begun() -> Generator[Callable[..., Loop]]:
    """Return a maker of loops, which are closed in the end."""
    made: list[Loop] = []

    def make(*args: object, **more: object) -> Loop:
        made.append(Loop(*args, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_live_service_is_moved_and_its_journal_replays(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform = Kept("web", clock)
    one = live("web", platform)
    state = minutes(begun(clock, [one]), clock, 120).of("web")
    assert platform.asked
    assert state.plan is not None
    assert state.fleet is not None
    assert len(state.fleet.instances) == state.plan.serving_count + state.plan.warm_count
    assert state.tail is not None
    assert state.tail.rps[-1] == pytest.approx(tide().values[HISTORY_MIN + 118] / 60)
    assert state.course is not None
    assert all(
        low <= mid <= high
        for low, mid, high in zip(
            state.course.low_rps, state.course.median_rps, state.course.high_rps, strict=True
        )
    )
    assert judged(entries(one), one.policy).differing is None
    assert msgspec.json.decode(msgspec.json.encode(state), type=type(state)) == state


def test_a_service_in_shadow_is_planned_and_left_alone(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform = Kept("web", clock)
    one = live("web", platform, mode="shadow")
    state = minutes(begun(clock, [one]), clock, 30).of("web")
    assert platform.asked == []
    assert len(entries(one)) == 30
    assert any(entry.plan.actions for entry in entries(one))
    assert not any(entry.around.is_acting for entry in entries(one))
    assert state.mode == "shadow"


def test_a_paused_service_is_planned_and_left_alone_until_it_is_resumed(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform = Kept("web", clock)
    one, paused = live("web", platform), {"web"}
    loop = begun(clock, [one], paused=lambda: frozenset(paused))
    assert minutes(loop, clock, 20).of("web").is_paused
    assert platform.asked == []
    assert len(entries(one)) == 20
    paused.clear()
    assert not minutes(loop, clock, 5).of("web").is_paused
    assert platform.asked


def test_what_was_unanswered_is_not_asked_for_again_once_paused(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform, paused = Kept("web", clock), set[str]()
    loop = begun(clock, [live("web", platform)], paused=lambda: frozenset(paused))
    applied = platform.made.apply

    def no_answer(action: Action) -> Receipt:
        raise PlatformUnavailableError(f"no answer to {action.action_id}")

    platform.made.apply = no_answer  # type: ignore[method-assign]
    assert minutes(loop, clock, 1).of("web").unanswered_count
    platform.made.apply = applied  # type: ignore[method-assign]
    platform.asked.clear()
    paused.add("web")
    minutes(loop, clock, 3)
    assert platform.asked == []


def test_a_platform_that_hangs_stops_its_own_service_alone(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    release = threading.Event()
    hung, well = Kept("hung", clock), Kept("well", clock)
    mute, one = live("hung", hung), live("well", well)
    loop = begun(clock, [mute, one], deadline_s=0.2)
    minutes(loop, clock, 2)
    hung.before = lambda: wait(release)
    before_s = time.perf_counter()
    state = minutes(loop, clock, 10)
    took_s = time.perf_counter() - before_s
    try:
        assert "has not answered for" in state.of("hung").silent
        assert len(entries(mute)) == 2
        assert len(entries(one)) == 12
        assert state.of("well").silent == ""
        # one deadline in all, not one in each heartbeat
        assert took_s < 2.0
    finally:
        release.set()
    hung.before = lambda: None
    soon(lambda: minutes(loop, clock, 1).of("hung").silent == "")
    assert len(entries(mute)) == 3


def wait(event: threading.Event) -> None:
    event.wait(20)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("no route"), KeyError("x")])
def test_a_platform_that_fails_in_its_own_way_is_silent(
    clock: VirtualClock, begun: Callable[..., Loop], error: Exception
) -> None:
    platform = Kept("web", clock)
    one = live("web", platform)
    loop = begun(clock, [one])
    minutes(loop, clock, 1)

    def fail() -> None:
        raise error

    platform.before = fail
    state = minutes(loop, clock, 3).of("web")
    assert type(error).__name__ in state.silent
    assert len(entries(one)) == 1
    platform.before = lambda: None
    assert minutes(loop, clock, 1).of("web").silent == ""


def test_a_journal_that_is_full_lets_nothing_happen(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    class Full(MemoryJournal):
        is_full = True

        def append(self, entry: Entry) -> None:
            if self.is_full:
                raise JournalError(f"no room for {entry.at}")
            super().append(entry)

    platform, other, journal = Kept("web", clock), Kept("other", clock), Full()
    one = msgspec.structs.replace(live("web", platform), journal=journal)
    loop = begun(clock, [one, live("other", other)])
    state = minutes(loop, clock, 5)
    assert "no room" in state.of("web").unwritten
    assert platform.asked == []
    assert other.asked
    journal.is_full = False
    assert minutes(loop, clock, 1).of("web").unwritten == ""
    assert platform.asked


def test_demand_that_cannot_be_read_removes_nothing(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform, feed = Kept("web", clock, count=30), Feed(tide())
    one = live("web", platform, feed=feed)
    loop = begun(clock, [one])
    minutes(loop, clock, 1)
    feed.fails = "the source is away"
    before = minutes(loop, clock, 5).of("web")
    state = minutes(loop, clock, 60).of("web")
    assert state.unheard == "the source is away"
    assert state.fleet is not None
    assert before.fleet is not None
    assert {i.instance_id for i in before.fleet.instances} <= {
        i.instance_id for i in state.fleet.instances
    }


def test_a_crash_between_writing_and_acting_is_made_good_at_the_start(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform = Kept("web", clock)
    one = live("web", platform)
    loop = begun(clock, [one])
    soon(lambda: bool(minutes(loop, clock, 1).of("web").receipts))
    last = entries(one)[-1]
    # as if it had been cut off: the platform never heard of the last actions
    platform.made = SimulatedPlatform("web", start=clock.now(), boot_s=300, serving_count=6)
    platform.asked.clear()
    again = msgspec.structs.replace(one, before=Beat(plan=last.plan, unanswered=last.plan.actions))
    minutes(begun(clock, [again]), clock, 1)
    asked = [action.action_id for action in platform.asked]
    assert asked[: len(last.plan.actions)] == [a.action_id for a in last.plan.actions]
    assert entries(one)[-1].is_start
    assert judged(entries(one), one.policy).differing is None


def test_what_was_asked_long_ago_is_planned_anew(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    platform = Kept("web", clock)
    one = live("web", platform, mode="shadow")
    loop = begun(clock, [one])
    soon(lambda: bool(minutes(loop, clock, 1).of("web").plan.actions))  # type: ignore[union-attr]
    last = entries(one)[-1]
    clock.advance(3600)
    again = msgspec.structs.replace(
        one, mode="live", before=Beat(plan=last.plan, unanswered=last.plan.actions)
    )
    minutes(begun(clock, [again]), clock, 1)
    old = {action.action_id for action in last.plan.actions}
    assert not old & {action.action_id for action in platform.asked}


def test_measured_lead_times_take_the_place_of_the_configured_ones_and_replay(
    clock: VirtualClock, begun: Callable[..., Loop]
) -> None:
    measured = LeadTimes()
    one = msgspec.structs.replace(live("web", Kept("web", clock)), lead_times=lambda: measured)
    loop = begun(clock, [one])
    assert minutes(loop, clock, 3).of("web").boot_s == 300
    measured = LeadTimes(boot_p50_s=400.0, boot_p90_s=600.0, boot_count=4)
    assert minutes(loop, clock, 3).of("web").boot_s == 300
    measured = LeadTimes(boot_p50_s=400.0, boot_p90_s=600.0, boot_count=5)
    assert minutes(loop, clock, 3).of("web").boot_s == 600
    measured = LeadTimes(boot_p50_s=400.0, boot_p90_s=100.0, boot_count=50)
    assert minutes(loop, clock, 3).of("web").boot_s == 600
    assert minutes(loop, clock, 70).of("web").boot_s == 100
    told = [entry.around.boot_s for entry in entries(one)]
    assert set(told) == {None, 600.0, 100.0}
    assert judged(entries(one), one.policy).differing is None


def test_it_beats_on_a_paced_clock_wakes_when_told_and_stops(begun: Callable[..., Loop]) -> None:
    paced = PacedClock(BEGIN, 120.0)
    told, stop, changed = list[LoopState](), threading.Event(), threading.Event()
    one = live("web", Kept("web", paced))
    loop = begun(paced, [one], published=told.append, changed=changed)
    loop.beat(paced.now() - timedelta(minutes=1))  # what is compiled is compiled
    paced.begin()
    runner = threading.Thread(target=loop.run_until, args=(stop,))
    runner.start()
    try:
        soon(lambda: len(told) >= 4, most=400)
        changed.set()
        soon(lambda: len(told) >= 7, most=400)
    finally:
        stop.set()
        runner.join(10)
    assert not runner.is_alive()
    instants = [state.at for state in told]
    gaps_s = np.array([(b - a).total_seconds() for a, b in itertools.pairwise(instants)])
    # one came before its minute, and the mark is kept after it
    assert gaps_s.min() >= 5
    assert (gaps_s[1:] < 55).any()
    assert judged(entries(one), one.policy).differing is None


def test_a_clock_that_is_set_back_makes_no_second_plan_of_one_second(
    begun: Callable[..., Loop],
) -> None:
    clock = PacedClock(BEGIN, 1.0)
    one = live("web", Kept("web", clock))
    loop = begun(clock, [one])
    loop.beat(BEGIN + timedelta(hours=1))
    stop = threading.Event()
    runner = threading.Thread(target=loop.run_until, args=(stop,))
    runner.start()
    try:
        soon(lambda: loop.state is not None and "set back" in loop.state.held)
    finally:
        stop.set()
        runner.join(10)
    assert len(entries(one)) == 1
