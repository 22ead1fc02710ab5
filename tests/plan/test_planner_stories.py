"""The planner: a day told as short stories."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from cases.planner import NOW, a_demand, a_fleet, a_need, a_policy, told_of, total_of, verbs_of
from foretide.errors import InvalidValueError
from foretide.model.fleet import InstanceState
from foretide.model.plan import Branch, Plan, Reason
from foretide.plan.memory import Stance
from foretide.plan.need import GuardBand, Need
from foretide.plan.planner import Circumstances, Memory, RecentDemand, plan
from foretide.plan.track import Issued, Track

_S = InstanceState


def test_a_soft_scale_down_lets_a_twentieth_go_every_five_minutes() -> None:
    policy, memory = a_policy(is_soft=True), Memory()
    counts, fleet_count = list[int](), 100
    for minute in range(11):
        made, memory = plan(
            now=NOW + timedelta(minutes=minute), fleet=a_fleet({_S.SERVING: fleet_count}),
            demand=a_demand(100), need=a_need((10, 10), (10, 10), width=0.31), policy=policy,
            memory=memory,
        )  # fmt: skip
        fleet_count = total_of(made)
        counts.append(fleet_count)
    assert counts == [95] * 5 + [91] * 5 + [87]


def _made(
    counts: dict[InstanceState, int],
    demand: RecentDemand,
    need: Need | None,
    *,
    memory: Memory | None = None,
    **changed: object,
) -> Plan:
    return plan(
        now=NOW, fleet=a_fleet(counts), demand=demand, need=need, policy=a_policy(**changed),
        memory=memory or Memory(),
    )[0]  # fmt: skip


def test_in_the_morning_what_is_warm_is_promoted_and_the_rest_launched() -> None:
    made = _made({_S.SERVING: 10, _S.WARM: 2}, a_demand(80), a_need((14, 15), (16, 17)))
    assert verbs_of(made) == ["Promote"] * 2 + ["Launch"] * 4
    assert (made.serving_count, made.warm_count) == (12, 4)
    assert made.decision.branch is Branch.SCALE_UP
    assert made.decision.reasons == (Reason.FORECAST_RISES,)


def test_in_the_morning_a_step_limits_launches_but_not_promotes() -> None:
    made = _made({_S.SERVING: 2, _S.WARM: 3}, a_demand(18), a_need((30, 30), (30, 30)))
    assert verbs_of(made) == ["Promote"] * 3 + ["Launch"] * 5
    assert made.decision.reasons == (Reason.FORECAST_RISES, Reason.STEP_UP_LIMIT)


def test_while_instances_boot_the_morning_waits() -> None:
    made = _made({_S.SERVING: 10, _S.BOOTING: 4}, a_demand(80), a_need((14, 15), (14, 15)))
    assert made.actions == ()
    assert made.decision.branch is Branch.HOLD


def test_at_night_a_wide_interval_parks_but_keeps_the_total() -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, a_demand(70), a_need((5, 6), (8, 9), width=0.5))
    # 70 requests/s take 7 instances: as many go on serving, whatever the forecast says
    assert verbs_of(made) == ["Park"] * 13
    assert (made.serving_count, made.warm_count) == (7, 18)
    assert made.decision.branch is Branch.PARK
    assert made.decision.reasons == (Reason.INTERVAL_TOO_WIDE, Reason.FORECAST_FALLS)


def test_at_night_a_sure_forecast_removes_a_tenth_a_minute() -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, a_demand(70), a_need((5, 6), (8, 9)))
    assert verbs_of(made) == ["Park"] * 13 + ["Terminate"] * 2
    assert made.decision.branch is Branch.SCALE_DOWN
    assert made.decision.reasons == (
        Reason.FORECAST_FALLS,
        Reason.INTERVAL_LOW,
        Reason.STEP_DOWN_LIMIT,
    )


def test_without_a_warm_pool_a_wide_interval_keeps_all_serving() -> None:
    made = _made(
        {_S.SERVING: 20}, a_demand(70), a_need((5, 6), (5, 6), width=0.5), has_warm_pool=False
    )
    assert (made.actions, made.decision.branch) == ((), Branch.HOLD)
    assert made.decision.reasons == (Reason.INTERVAL_TOO_WIDE,)


def test_a_surge_promotes_at_once_and_holds_for_two_minutes() -> None:
    counts, calm = {_S.SERVING: 10, _S.WARM: 10}, a_need((10, 10), (20, 20))
    surge = a_demand(96, previous=70)
    made, memory = plan(
        now=NOW, fleet=a_fleet(counts), demand=surge, need=calm, policy=a_policy(), memory=Memory()
    )
    # 96 x 96 / 70 = 131.7 requests/s are to come: 14 instances
    assert (verbs_of(made), made.serving_count) == (["Promote"] * 4, 14)
    assert made.decision.reasons == (Reason.REACTIVE_PROMOTE,)
    surged = a_fleet({_S.SERVING: 14, _S.WARM: 6})
    for minute, parked in ((1, 0), (2, 0), (3, 4)):
        made, memory = plan(
            now=NOW + timedelta(minutes=minute), fleet=surged, demand=a_demand(80), need=calm,
            policy=a_policy(), memory=memory,
        )  # fmt: skip
        assert len(made.actions) == parked


def test_a_smaller_surge_does_not_end_a_larger_one() -> None:
    held = Memory(surge_until=NOW + timedelta(minutes=1), surge_count=18)
    made = _made(
        {_S.SERVING: 10, _S.WARM: 10}, a_demand(95), a_need((10, 10), (20, 20)), memory=held
    )
    assert made.serving_count == 18


def test_a_surprise_is_launched_however_fast_it_grows() -> None:
    made = _made({_S.SERVING: 2}, a_demand(400, previous=300), a_need((2, 2), (2, 2)))
    assert verbs_of(made) == ["Launch"] * 28
    assert made.decision.reasons == (Reason.SURPRISE,)
    # a forecast that asks for even more does not slow it down
    more = _made({_S.SERVING: 2}, a_demand(400, previous=300), a_need((60, 60), (60, 60)))
    assert verbs_of(more) == ["Launch"] * 28
    # one bucket alone is no surprise
    assert (
        verbs_of(_made({_S.SERVING: 2}, a_demand(400, previous=15), a_need((2, 2), (2, 2)))) == []
    )


@pytest.mark.parametrize("demand", [a_demand(70, age_s=200), a_demand(None)])
def test_old_or_missing_demand_keeps_what_serves(demand: RecentDemand) -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, demand, a_need((5, 6), (8, 9)))
    assert (made.actions, made.decision.branch) == ((), Branch.HOLD)
    assert Reason.DATA_STALE in made.decision.reasons
    grown = _made({_S.SERVING: 20}, demand, a_need((24, 24), (24, 24)))
    assert verbs_of(grown) == ["Launch"] * 4


def test_the_owners_bounds_are_named_when_they_act() -> None:
    capped = _made({_S.SERVING: 10}, a_demand(90), a_need((14, 14), (14, 14)), max_count=10)
    assert (capped.actions, capped.decision.branch) == ((), Branch.HOLD)
    assert capped.decision.reasons == (Reason.FORECAST_RISES, Reason.MAX_INSTANCES)
    lifted = _made({_S.SERVING: 1, _S.WARM: 3}, a_demand(5), a_need((1, 1), (4, 4)), min_count=3)
    assert verbs_of(lifted) == ["Promote"] * 2
    assert lifted.decision.reasons == (Reason.MIN_INSTANCES,)


def test_the_first_hours_follow_the_reactive_formula() -> None:
    # 10 serving at 100 % of 10 requests/s, aimed at 70 %: ceil(10 x 1.0 / 0.7) = 15
    grown = _made({_S.SERVING: 10}, a_demand(100), None, has_warm_pool=False)
    assert verbs_of(grown) == ["Launch"] * 5
    assert grown.decision.reasons == (Reason.NO_HISTORY,)
    # within 10 % of the target nothing happens
    assert _made({_S.SERVING: 10}, a_demand(75), None, has_warm_pool=False).actions == ()
    # below it, ceil(10 x 0.35 / 0.7) = 5 are wanted; the highest wish of 5 minutes holds it back
    wished = Memory(wishes=((NOW - timedelta(minutes=4), 10),))
    held = _made({_S.SERVING: 10}, a_demand(35), None, memory=wished, has_warm_pool=False)
    assert held.actions == ()
    old = Memory(wishes=((NOW - timedelta(minutes=5), 10),))
    shrunk = _made({_S.SERVING: 10}, a_demand(35), None, memory=old, has_warm_pool=False)
    assert verbs_of(shrunk) == ["Drain"]


def test_the_first_hours_do_not_count_what_drains() -> None:
    counts = {_S.SERVING: 10, _S.DRAINING: 5}
    assert _made(counts, a_demand(75), None, has_warm_pool=False).actions == ()


def test_the_first_hours_let_everything_serve() -> None:
    made = _made({_S.SERVING: 10, _S.WARM: 5}, a_demand(100), None)
    assert verbs_of(made) == ["Promote"] * 5


@pytest.mark.parametrize("rps", [float("nan"), -1.0, float("inf")])
def test_demand_that_cannot_be_is_refused(rps: float) -> None:
    with pytest.raises(InvalidValueError, match="last_rps must be finite and >= 0 or None, was"):
        a_demand(rps)


def test_a_decision_carries_the_numbers_it_rests_on() -> None:
    decision = _made({_S.SERVING: 10}, a_demand(80), a_need((10, 11), (12, 13))).decision
    assert decision.forecast_id == "f"
    assert decision.curve_version == "linear-10"
    assert (decision.demand_rps, decision.predicted_rps, decision.upper_rps) == (80, 100, 120)
    assert (decision.serving_up, decision.serving_low) == (10, 11)
    assert (decision.total_up, decision.total_low) == (12, 13)
    assert (decision.width_fraction, decision.width_max_fraction) == (0.1, 0.3)


def _after(hours: float, over_rps: float, **changed: object) -> tuple[Plan, Memory]:
    """Return the plan some hours after a minute in which this much came over capacity."""
    guard = GuardBand(serving_up=14, serving_low=14, total_up=20, total_low=20)
    need = msgspec.structs.replace(a_need((10, 10), (12, 12)), guard=guard)
    lost = Memory(counted_at=NOW - timedelta(hours=hours), over_rps=over_rps, asked_rps=1000)
    return plan(
        now=NOW, fleet=a_fleet({_S.SERVING: 10, _S.WARM: 2}), demand=a_demand(80), need=need,
        policy=a_policy(objective_fraction=0.01, **changed), memory=lost,
    )  # fmt: skip


def test_after_more_was_lost_than_is_allowed_more_is_held() -> None:
    guarded, _ = _after(0, over_rps=30)
    assert Reason.SPEND_GUARD in guarded.decision.reasons
    assert total_of(guarded) == 20
    calm, _ = _after(0, over_rps=2)
    assert Reason.SPEND_GUARD not in calm.decision.reasons
    assert total_of(calm) == 12


def test_what_was_lost_is_forgotten_with_what_was_asked() -> None:
    _, memory = _after(4, over_rps=30)
    assert memory.over_rps == pytest.approx(15)
    assert memory.asked_rps == pytest.approx(500 + 80)
    assert memory.counted_at == NOW


def test_what_comes_over_capacity_is_counted() -> None:
    _, memory = plan(
        now=NOW, fleet=a_fleet({_S.SERVING: 3, _S.WARM: 5}), demand=a_demand(70), need=None,
        policy=a_policy(objective_fraction=0.01), memory=Memory(),
    )  # fmt: skip
    assert (memory.over_rps, memory.asked_rps) == (pytest.approx(40), pytest.approx(70))


def test_a_penalty_instead_of_an_objective_has_no_spend_to_guard() -> None:
    need = a_need((10, 10), (12, 12))
    lost = Memory(counted_at=NOW, over_rps=900, asked_rps=1000)
    made = _made({_S.SERVING: 10, _S.WARM: 2}, a_demand(80), need, memory=lost)
    assert Reason.SPEND_GUARD not in made.decision.reasons


def _told(serving: tuple[int, int], total: tuple[int, int], rps: float) -> Need:
    return told_of(a_need(serving, total), rps)


def _remembering(**changed: object) -> Memory:
    stance = msgspec.structs.replace(Stance(floor_serving=8, floor_total=12), **changed)
    return Memory(counted_at=NOW - timedelta(minutes=1), stance=stance)


def _issued(surprise_rps: float) -> Issued:
    return Issued(
        for_s=NOW.timestamp() - 60, low_rps=70, predicted_rps=80, upper_rps=90,
        surprise_rps=surprise_rps, serving_count=10, total_count=12, reactive_count=12,
    )  # fmt: skip


def test_a_sure_forecast_wakes_what_is_warm_earlier() -> None:
    counts, surge = {_S.SERVING: 10, _S.WARM: 10}, a_demand(85, previous=70)
    need = _told((10, 10), (20, 20), 85)
    unsure = _made(counts, surge, need, memory=_remembering(confidence=0.0))
    sure = _made(counts, surge, need, memory=_remembering(confidence=0.9))
    assert verbs_of(unsure) == []
    # 85 x 85 / 70 = 103.2 requests/s are to come: 11 instances
    assert verbs_of(sure) == ["Promote"]


def test_demand_no_forecast_knew_of_is_launched_from_its_first_bucket() -> None:
    track = Track(issued=(_issued(100),))
    crowd = a_demand(200, previous=100)
    made = _made(
        {_S.SERVING: 10, _S.WARM: 2}, crowd, _told((10, 10), (12, 12), 80),
        memory=Memory(track=track),
    )  # fmt: skip
    # if it goes on rising as it rose, 300 requests/s come next
    assert total_of(made) == 30
    assert Reason.SURPRISE in made.decision.reasons
    expected = Memory(track=Track(issued=(_issued(250),)))
    known = _made(
        {_S.SERVING: 10, _S.WARM: 2}, crowd, _told((10, 10), (12, 12), 80), memory=expected
    )
    assert total_of(known) == 12


def test_a_surprise_within_what_there_is_launches_nothing() -> None:
    track = Track(issued=(_issued(100),))
    made = _made(
        {_S.SERVING: 10, _S.WARM: 10}, a_demand(110, previous=80), _told((10, 10), (20, 20), 80),
        memory=Memory(track=track),
    )  # fmt: skip
    assert set(verbs_of(made)) == {"Promote"}


def test_after_a_quarter_of_an_hour_of_surprises_the_formula_stands_in() -> None:
    policy, memory = a_policy(), Memory()
    need = _told((10, 10), (12, 12), 80)
    reasons, totals = list[tuple[Reason, ...]](), list[int]()
    for minute in range(60):
        # from the tenth minute on demand is half as high again as expected
        rps = 80 if minute < 10 else 121
        made, memory = plan(
            now=NOW + timedelta(minutes=minute), fleet=a_fleet({_S.SERVING: 20}),
            demand=a_demand(rps), need=need, policy=policy, memory=memory,
            around=Circumstances(is_acting=False),
        )  # fmt: skip
        reasons.append(made.decision.reasons)
        totals.append(total_of(made))
    first = next(n for n, told in enumerate(reasons) if Reason.FALLBACK in told)
    assert first in range(25, 28)
    assert all(Reason.FALLBACK in told for told in reasons[first:])
    # the formula goes no lower than the last plan from a forecast
    assert min(totals[first:]) >= 12


def test_the_forecast_comes_back_after_thirty_clean_minutes() -> None:
    fallen = _remembering(fallback_until=NOW + timedelta(minutes=30))
    need = _told((10, 10), (12, 12), 80)
    policy, counts = a_policy(), {_S.SERVING: 10, _S.WARM: 2}
    for minute in range(31):
        made, fallen = plan(
            now=NOW + timedelta(minutes=minute), fleet=a_fleet(counts), demand=a_demand(80),
            need=need, policy=policy, memory=fallen,
        )  # fmt: skip
        assert (Reason.FALLBACK in made.decision.reasons) == (minute < 30)


def test_on_stale_data_the_fleet_keeps_what_the_last_fresh_forecast_might_need() -> None:
    made = _made(
        {_S.SERVING: 10}, a_demand(80, age_s=400), _told((5, 5), (5, 5), 40),
        memory=_remembering(fresh_count=13),
    )  # fmt: skip
    assert total_of(made) == 13
    assert Reason.DATA_STALE in made.decision.reasons


def test_stale_depends_on_how_late_the_source_usually_is() -> None:
    late = msgspec.structs.replace(a_demand(70, age_s=400), delay_s=300)
    made = _made({_S.SERVING: 20, _S.WARM: 5}, late, a_need((5, 6), (8, 9)))
    assert Reason.DATA_STALE not in made.decision.reasons


def test_a_ceiling_stops_growth_and_removes_nothing() -> None:
    rising = a_need((18, 18), (20, 20))
    for ceiling, total in ((30, 20), (14, 14), (4, 10)):
        made, _ = plan(
            now=NOW, fleet=a_fleet({_S.SERVING: 10}), demand=a_demand(80), need=rising,
            policy=a_policy(), memory=Memory(), around=Circumstances(ceiling_count=ceiling),
        )  # fmt: skip
        assert total_of(made) == total
        assert (Reason.CEILING in made.decision.reasons) == (total < 20)


def test_lost_skill_runs_less_but_holds_as_much() -> None:
    need = _told((16, 17), (20, 20), 80)
    plans = [
        plan(
            now=NOW, fleet=a_fleet({_S.SERVING: 8, _S.WARM: 12}), demand=a_demand(70), need=need,
            policy=a_policy(), memory=Memory(), around=Circumstances(aggressiveness=skill),
        )[0]
        for skill in (1.0, 0.5, 0.0)
    ]  # fmt: skip
    assert [one.serving_count for one in plans] == [16, 12, 8]
    assert [total_of(one) for one in plans] == [20, 20, 20]
    assert Reason.LESS_SKILL in plans[1].decision.reasons


def test_what_drains_already_counts_as_disrupted() -> None:
    counts = {_S.SERVING: 20, _S.WARM: 5, _S.DRAINING: 2}
    made = _made(counts, a_demand(70), a_need((5, 6), (8, 9)), disrupted_max_count=5)
    assert verbs_of(made).count("Park") == 3
    assert Reason.DISRUPTION_LIMIT in made.decision.reasons
