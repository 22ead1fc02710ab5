"""Faults: read or refused in one line, the same from the same seed, and each as bad as it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from foretide.errors import InputError, PlatformUnavailableError
from foretide.model.demand import Demand
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Launch, Terminate
from foretide.plan.planner import RecentDemand
from foretide.platforms.base import Outcome
from foretide.simulate.disturb import disturbed
from foretide.simulate.faults import (
    FAULT_KINDS,
    NAMED_FAULTS,
    NO_FAULTS,
    ClockSkew,
    FailedLaunches,
    Faults,
    FlashCrowd,
    InstanceLosses,
    LateReports,
    LaunchLimit,
    LostAnswers,
    MetricGaps,
    OpenBuckets,
    RepeatedReports,
    SlowBoots,
    read_faults,
)
from foretide.simulate.feed import Feed
from foretide.simulate.world import SimulatedPlatform

# every kind, and the keys of each
EVERY: dict[str, list[str]] = {
    kind: list(msgspec.to_builtins(getattr(faults, kind)))
    for faults in NAMED_FAULTS.values()
    for kind in faults.kinds()
}
START = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState


def a_trace(days: int = 14, step_s: int = 60) -> Demand:
    count = days * 86_400 // step_s
    return Demand(series_id="web", start=START, step_s=step_s, values=np.full(count, 600.0))


def a_world(faults: Faults, *, serving: int = 0, boot_s: float = 300) -> SimulatedPlatform:
    return SimulatedPlatform(
        "web", start=START, boot_s=boot_s, serving_count=serving, faults=faults
    )


def launch(world: SimulatedPlatform, count: int) -> None:
    for n in range(count):
        action = Launch(action_id=f"ask-{n}", service="web", instance_id=f"i{n}", version="v1")
        assert world.apply(action).outcome is Outcome.ACCEPTED


def is_answered(world: SimulatedPlatform, action: Launch) -> bool:
    try:
        world.apply(action)
    except PlatformUnavailableError:
        return False
    return True


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def states(fleet: Fleet) -> list[InstanceState]:
    return [i.state for i in fleet.instances]


def test_a_file_says_what_goes_wrong(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("seed = 3\n[flash_crowd]\nfactor = 4\n[slow_boots]\n", encoding="utf-8")
    assert read_faults(str(path)) == Faults(
        seed=3, flash_crowd=FlashCrowd(factor=4), slow_boots=SlowBoots()
    )


@pytest.mark.parametrize("name", NAMED_FAULTS)
def test_every_name_is_a_fault(name: str) -> None:
    assert read_faults(name) == NAMED_FAULTS[name]
    assert read_faults(name).kinds()


def test_every_kind_has_a_name() -> None:
    named = {kind for faults in NAMED_FAULTS.values() for kind in faults.kinds()}
    assert named == set(FAULT_KINDS)


def test_the_reference_tells_every_kind_key_and_name() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/faults.md").read_text(encoding="utf-8")
    keys = {key for kind in EVERY.values() for key in kind}
    for word in (*EVERY, *keys, *NAMED_FAULTS):
        assert f"`{word}`" in page, word


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[flash_crwd]\n", "flash_crowd"),
        ("[flash_crowd]\nfactr = 2\n", "factor"),
        ("[flash_crowd]\nfactor = 0\n", "flash_crowd.factor must be"),
        ("[flash_crowd]\nfactor = inf\n", "flash_crowd.factor must be"),
        ("[failed_launches]\nfraction = 1.5\n", "failed_launches.fraction must be"),
        ('[launch_limit]\nper_minute = "two"\n', "launch_limit.per_minute must be"),
        ("flash_crowd = 2\n", r"write \[flash_crowd\]"),
        ("seed = -1\n", "seed must be"),
        ("[flash_crowd\n", "is not TOML"),
    ],
)
def test_what_no_fault_knows_is_refused_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named) as refused:
        read_faults(str(path))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"--faults {path}: ")


def test_a_name_nobody_knows_is_told_those_that_are() -> None:
    with pytest.raises(InputError, match="flash-crowd"):
        read_faults("flashcrowd")


def test_a_clean_trace_stays_as_it_is() -> None:
    demand = a_trace()
    found = disturbed(demand, NO_FAULTS)
    assert found.actual is demand
    assert found.seen is demand


def test_the_same_seed_is_the_same_bad_luck_and_another_is_not() -> None:
    faults = Faults(seed=1, flash_crowd=FlashCrowd(per_week=5), metric_gaps=MetricGaps())
    first, again = (disturbed(a_trace(), faults) for _ in range(2))
    np.testing.assert_array_equal(first.seen.values, again.seen.values)
    other = disturbed(a_trace(), msgspec.structs.replace(faults, seed=2))
    assert (first.actual.values != other.actual.values).any()


def test_one_fault_more_leaves_the_others_as_they_were() -> None:
    crowd = Faults(flash_crowd=FlashCrowd(per_week=5))
    both = Faults(flash_crowd=FlashCrowd(per_week=5), metric_gaps=MetricGaps(per_day=20))
    one, two = disturbed(a_trace(), crowd), disturbed(a_trace(), both)
    np.testing.assert_array_equal(one.actual.values, two.actual.values)
    seen = np.isfinite(two.seen.values)
    assert 0.5 < seen.mean() < 0.95
    np.testing.assert_array_equal(two.seen.values[seen], two.actual.values[seen])


def test_crowds_come_about_as_often_as_was_said() -> None:
    faults = Faults(flash_crowd=FlashCrowd(per_week=7, factor=5))
    found = disturbed(a_trace(days=70), faults).actual.values
    risen = np.flatnonzero(np.diff((found > 601).astype(int)) == 1)
    assert 45 < len(risen) < 95
    assert found.max() == pytest.approx(5 * 600)


def test_a_clock_that_is_ahead_makes_all_demand_late() -> None:
    demand = Demand(series_id="w", start=START, step_s=60, values=np.arange(50.0))
    found = disturbed(demand, Faults(clock_skew=ClockSkew(skew_s=180)))
    assert np.isnan(found.seen.values[:3]).all()
    np.testing.assert_array_equal(found.seen.values[3:], demand.values[:-3])
    assert found.actual is demand


class Known:
    """An outlook that reads ten requests a second, as of the instant it is asked for."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    def recent(self, now: datetime) -> RecentDemand:
        self.asked.append(now)
        return RecentDemand(last_rps=10.0, previous_rps=10.0, age_s=0.0, step_s=60)

    def need(self, now: datetime) -> None:
        self.asked.append(now)

    def band(self, now: datetime) -> tuple[float, float, float]:
        self.asked.append(now)
        return 1.0, 2.0, 3.0


def test_a_clock_that_is_behind_shows_what_was_known_a_while_ago() -> None:
    known = Known()
    feed = Feed(known, faults=Faults(clock_skew=ClockSkew(skew_s=-120)), service="web")
    assert feed.recent(at(10)).age_s == 120
    feed.need(at(10))
    assert feed.band(at(10)) == (1, 2, 3)
    assert known.asked == [at(8)] * 3


def test_open_buckets_hold_a_part_as_often_as_was_said() -> None:
    open_buckets = OpenBuckets(fraction=0.3, counted_fraction=0.4)
    feed = Feed(Known(), faults=Faults(open_buckets=open_buckets), service="web")
    read = [feed.recent(at(minute)).last_rps for minute in range(1000)]
    assert set(read) == {10.0, 4.0}
    assert 230 < read.count(4.0) < 370


def test_boots_are_as_usual_in_the_middle_and_slow_in_the_tail() -> None:
    world = a_world(Faults(slow_boots=SlowBoots(p99_factor=3)), boot_s=600)
    launch(world, 2000)
    serving: list[float] = []
    for minute in (10, 30):
        world.advance(at(minute))
        serving.append(world.observe("web").count(S.SERVING) / 2000)
    assert serving[0] == pytest.approx(0.5, abs=0.05)
    assert serving[1] == pytest.approx(0.99, abs=0.01)


def test_a_failed_launch_is_gone_when_it_should_have_been_ready() -> None:
    world = a_world(Faults(failed_launches=FailedLaunches(fraction=0.3)))
    launch(world, 1000)
    world.advance(at(4))
    assert world.observe("web").count(S.BOOTING) == 1000
    world.advance(at(5))
    left = world.observe("web")
    assert set(states(left)) == {S.SERVING}
    assert len(left.instances) == pytest.approx(700, abs=50)


def test_launches_beyond_the_limit_wait_for_their_minute() -> None:
    world = a_world(Faults(launch_limit=LaunchLimit(per_minute=2)))
    launch(world, 5)
    counts = [(world.observe("web").count(S.REQUESTED), world.observe("web").count(S.BOOTING))]
    for minute in (1, 2):
        world.advance(at(minute))
        fleet = world.observe("web")
        counts.append((fleet.count(S.REQUESTED), fleet.count(S.BOOTING)))
    assert counts == [(3, 2), (1, 4), (0, 5)]
    world.advance(at(5))
    assert world.observe("web").count(S.SERVING) == 2


def test_a_launch_that_waits_can_be_called_off() -> None:
    world = a_world(Faults(launch_limit=LaunchLimit(per_minute=1)))
    launch(world, 3)
    off = Terminate(action_id="off", service="web", instance_id="i1")
    assert world.apply(off).outcome is Outcome.ACCEPTED
    for minute in range(1, 10):
        world.advance(at(minute))
    assert [i.instance_id for i in world.observe("web").instances] == ["i0", "i2"]


def test_instances_are_lost_about_as_often_as_was_said() -> None:
    world = a_world(Faults(instance_losses=InstanceLosses(per_instance_day=0.5)), serving=2000)
    for minute in range(0, 1441, 10):
        world.advance(at(minute))
    assert len(world.observe("web").instances) == pytest.approx(2000 * np.exp(-0.5), abs=90)


def test_late_reports_show_the_fleet_as_it_was() -> None:
    world = a_world(Faults(late_reports=LateReports(fraction=0.5, delay_s=120)))
    launch(world, 1)
    seen = list[Fleet]()
    for minute in range(1, 60):
        world.advance(at(minute))
        seen.append(world.observe("web"))
        assert world.observe("web") == seen[-1]  # looking changes nothing
    delays = {(at(n + 1) - fleet.observed_at).total_seconds() for n, fleet in enumerate(seen)}
    assert delays == {0.0, 60.0, 120.0}  # only the very first can be no older than a minute
    for fleet in seen:
        booted = fleet.observed_at >= at(5)
        assert states(fleet) == ([S.SERVING] if booted else [S.BOOTING])
    assert states(world.actual()) == [S.SERVING]


def test_a_repeated_report_is_the_one_before() -> None:
    world = a_world(Faults(repeated_reports=RepeatedReports(fraction=0.5)), serving=1)
    last, repeated = world.observe("web"), 0
    for minute in range(1, 200):
        world.advance(at(minute))
        seen = world.observe("web")
        repeated += seen.observed_at == last.observed_at
        assert seen.observed_at in (last.observed_at, at(minute))
        last = seen
    assert 70 < repeated < 130


def test_what_was_not_answered_may_have_been_done_and_is_safe_to_ask_again() -> None:
    world = a_world(Faults(lost_answers=LostAnswers(fraction=0.5)))
    lost = done = 0
    for n in range(200):
        action = Launch(action_id=f"ask-{n}", service="web", instance_id=f"i{n}", version="v1")
        tries = 0
        while not is_answered(world, action):
            if not tries:
                done += f"i{n}" in {i.instance_id for i in world.observe("web").instances}
            tries += 1
        lost += tries > 0
    assert 70 < lost < 130
    assert 20 < done < 80
    assert len(world.observe("web").instances) == 200
