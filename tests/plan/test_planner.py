"""The planner: the laws no plan breaks, and a day told as short stories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Branch, Drain, Launch, Park, Plan, Promote, Reason, Terminate
from foretide.plan.capacity import latency_curve, linear_curve
from foretide.plan.guard import limited_total
from foretide.plan.knob import Knob
from foretide.plan.need import Need
from foretide.plan.planner import Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Outcome
from foretide.simulate.world import SimulatedPlatform

_NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_S = InstanceState
_RPS = 10.0
_PRESENT = (_S.SERVING, _S.WAKING, _S.WARM, _S.PARKING, _S.REQUESTED, _S.BOOTING)
_SERVING = (_S.SERVING, _S.WAKING)
_QUEUE = latency_curve(latency_objective_s=0.5, service_time_s=0.1, workers=1, max_instances=60)


def _policy(**changed: object) -> ServicePolicy:
    known: dict[str, object] = {
        "service": "web", "version": "v1", "curve": linear_curve(_RPS), "knob": Knob(run_rho=4),
        "boot_s": 300.0, "has_warm_pool": True, "max_count": 200,
    }  # fmt: skip
    return ServicePolicy(**(known | changed))  # pyright: ignore[reportArgumentType]


def _fleet(counts: dict[InstanceState, int]) -> Fleet:
    states = [state for state, count in counts.items() for _ in range(count)]
    instances = tuple(
        Instance(
            instance_id=f"i{n}", service="web", version="v1", state=state, since=_NOW,
            is_serving_next=False,
        )
        for n, state in enumerate(states)
    )  # fmt: skip
    return Fleet(service="web", observed_at=_NOW, instances=instances)


def _need(
    serving: tuple[int, int], total: tuple[int, int], *, width: float = 0.1, bound: float = 0.3
) -> Need:
    return Need(
        forecast_id="f", predicted_rps=100, upper_rps=120, width_fraction=width,
        width_max_fraction=bound, serving_up=serving[0], serving_low=serving[1],
        total_up=total[0], total_low=total[1],
    )  # fmt: skip


def _demand(last: float | None, previous: float | None = None, age_s: float = 0) -> RecentDemand:
    return RecentDemand(
        last_rps=last, previous_rps=last if previous is None else previous, age_s=age_s, step_s=60
    )


_optional_instants = st.none() | st.integers(-10, 5).map(lambda m: _NOW + timedelta(minutes=m))
_policies = st.builds(
    lambda pool, soft, least, more, curve: _policy(
        has_warm_pool=pool, is_soft=soft, min_count=least, max_count=least + more, curve=curve
    ),
    st.booleans(),
    st.booleans(),
    st.integers(1, 10),
    st.integers(0, 80),
    st.sampled_from([linear_curve(_RPS), _QUEUE]),
)
_fleets = st.fixed_dictionaries(
    {
        _S.SERVING: st.integers(0, 50),
        _S.WARM: st.integers(0, 15),
        _S.BOOTING: st.integers(0, 8),
        _S.REQUESTED: st.integers(0, 3),
        _S.WAKING: st.integers(0, 3),
        _S.PARKING: st.integers(0, 3),
        _S.DRAINING: st.integers(0, 5),
    }
).map(_fleet)
_rates = st.floats(0, 700)
_demands = st.builds(
    RecentDemand,
    last_rps=st.none() | _rates,
    previous_rps=st.none() | _rates,
    age_s=st.none() | st.floats(0, 400),
    step_s=st.just(60),
)
_bands = st.tuples(st.integers(1, 70), st.integers(0, 15)).map(lambda p: (p[0], p[0] + p[1]))
_needs = st.builds(
    lambda serving, total, width: _need(serving, total, width=width),
    _bands,
    _bands,
    st.floats(0, 1.5),
)
_memories = st.builds(
    Memory,
    surge_until=_optional_instants,
    surge_count=st.integers(0, 80),
    wishes=st.lists(st.tuples(st.integers(-9, -1), st.integers(0, 80)), max_size=4).map(
        lambda told: tuple((_NOW + timedelta(minutes=m), w) for m, w in told)
    ),
    softened_at=_optional_instants,
)


class _Case(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One tick's inputs."""

    fleet: Fleet
    demand: RecentDemand
    need: Need | None
    policy: ServicePolicy
    memory: Memory

    @property
    def current(self) -> int:
        return self.fleet.count(*_PRESENT)

    def planned(self, **changed: object) -> Plan:
        inputs = msgspec.structs.asdict(self) | changed
        return plan(now=_NOW, **inputs)[0]


_cases = st.builds(
    _Case, fleet=_fleets, demand=_demands, need=st.none() | _needs, policy=_policies,
    memory=_memories,
)  # fmt: skip


def _total(made: Plan) -> int:
    return made.serving_count + made.warm_count


def _verbs(made: Plan) -> list[str]:
    return [type(action).__name__ for action in made.actions]


def _ended_count(made: Plan) -> int:
    return sum(isinstance(action, Drain | Terminate) for action in made.actions)


@given(_cases)
def test_the_same_inputs_give_the_same_plan_byte_for_byte(case: _Case) -> None:
    encoded = msgspec.json.encode(plan(now=_NOW, **msgspec.structs.asdict(case)))
    again = msgspec.json.encode(plan(now=_NOW, **msgspec.structs.asdict(case)))
    assert encoded == again


@given(_cases)
def test_no_plan_breaks_the_bounds_of_the_fleet(case: _Case) -> None:
    made = case.planned()
    # what is just waking or parking cannot be ended before it has arrived
    on_the_move = case.fleet.count(_S.WAKING, _S.PARKING)
    assert _total(made) >= case.policy.min_count
    assert _total(made) <= case.policy.max_count + on_the_move
    serving = case.fleet.count(*_SERVING)
    if made.serving_count < serving:
        assert made.serving_count >= case.policy.min_count


@given(_cases)
def test_no_plan_breaks_the_rates(case: _Case) -> None:
    current, total = case.current, _total(case.planned())
    previous, last = case.demand.previous_rps or 0.0, case.demand.last_rps or 0.0
    if total > max(current + max(current, 4), case.policy.min_count):
        # only for demand that two buckets have shown
        assert (
            min(last, previous) > case.policy.curve.served_rps[1] * (current + max(current, 4)) / 2
        )
    if total < current:
        assert total >= min(current - max(current // 10, 1), case.policy.max_count)


@given(_cases, st.floats(0, 1.5))
def test_a_wider_interval_never_means_a_faster_scale_down(case: _Case, width: float) -> None:
    assume(case.need is not None)
    assert case.need is not None
    narrow, wide = sorted((width, case.need.width_fraction))

    def planned(width_fraction: float) -> Plan:
        return case.planned(need=msgspec.structs.replace(case.need, width_fraction=width_fraction))

    assert _ended_count(planned(wide)) <= _ended_count(planned(narrow))
    assert _total(planned(wide)) >= _total(planned(narrow))


@given(_cases)
def test_missing_or_late_demand_never_removes(case: _Case) -> None:
    assume(case.current <= case.policy.max_count)
    late = msgspec.structs.replace(case.demand, age_s=181.0)
    unheard = msgspec.structs.replace(case.demand, age_s=None)
    unseen = msgspec.structs.replace(case.demand, last_rps=None, age_s=60.0)
    for demand in (late, unheard, unseen):
        assert not {"Park", "Drain", "Terminate"} & set(_verbs(case.planned(demand=demand)))


@given(_cases, st.floats(0, 300), st.tuples(*[st.integers(0, 20)] * 3))
@settings(max_examples=300)
def test_more_demand_never_plans_fewer_instances(
    case: _Case, more_rps: float, more: tuple[int, int, int]
) -> None:
    last = case.demand.last_rps
    assume(last is not None)
    assert last is not None
    demand = msgspec.structs.replace(case.demand, last_rps=last + more_rps)
    need = case.need
    if need is not None:
        both, serving, total = more
        need = _need(
            (need.serving_up + serving, need.serving_low + serving + both),
            (need.total_up + total, need.total_low + total + both),
            width=need.width_fraction,
        )
    calm, busy = case.planned(), case.planned(demand=demand, need=need)
    assert _total(busy) >= _total(calm)
    assert busy.serving_count >= calm.serving_count


@given(_cases)
def test_the_counts_of_a_plan_are_what_the_fleet_becomes(case: _Case) -> None:
    world, calm = _world(case)
    made = calm.planned()
    for action in made.actions:
        assert world.apply(action).outcome is Outcome.ACCEPTED
    world.advance(_NOW + timedelta(minutes=10))
    fleet = world.observe("web")
    assert fleet.count(_S.SERVING) == made.serving_count
    assert fleet.count(_S.WARM) == made.warm_count
    assert len(fleet.instances) == _total(made)


@given(_cases)
def test_applying_a_plan_twice_equals_once(case: _Case) -> None:
    world, calm = _world(case)
    made = calm.planned()
    for action in made.actions:
        world.apply(action)
    once = world.observe("web")
    for action in made.actions:
        assert world.apply(action).outcome is Outcome.ALREADY_DONE
    assert world.observe("web") == once


def _world(case: _Case) -> tuple[SimulatedPlatform, _Case]:
    """Return a simulated platform with the fleet of a case, and the case as it looks there."""
    serving, warm, booting = (
        case.fleet.count(state) for state in (_S.SERVING, _S.WARM, _S.BOOTING)
    )
    world = SimulatedPlatform("web", start=_NOW, boot_s=300, serving_count=serving, warm_count=warm)
    for n in range(booting):
        world.apply(
            Launch(
                action_id=f"web@0#{n}", service="web", instance_id=f"b{n}", version="v1",
                is_warm=case.policy.has_warm_pool and n % 2 == 0,
            )
        )  # fmt: skip
    return world, msgspec.structs.replace(case, fleet=world.observe("web"))


@given(_cases)
def test_the_branch_says_what_happens_to_the_total(case: _Case) -> None:
    made = case.planned()
    added = _total(made) - case.current
    verbs = set(_verbs(made))
    match made.decision.branch:
        case Branch.SCALE_UP:
            assert added > 0
        case Branch.SCALE_DOWN:
            assert added < 0
        case Branch.PROMOTE:
            assert (added, verbs) == (0, {"Promote"})
        case Branch.PARK:
            assert (added, verbs) == (0, {"Park"})
        case Branch.HOLD:
            assert (added, verbs) == (0, set())
    # whatever changes has a reason
    assert made.decision.reasons or not made.actions
    assert len(set(made.decision.reasons)) == len(made.decision.reasons)


@given(_cases)
def test_without_a_warm_pool_nothing_is_parked_or_held_warm(case: _Case) -> None:
    policy = _policy(has_warm_pool=False)
    cold = _fleet({_S.SERVING: case.fleet.count(_S.SERVING)})
    made = case.planned(policy=policy, fleet=cold)
    assert not {"Park", "Promote"} & set(_verbs(made))
    assert made.warm_count == 0


@given(_cases)
def test_a_fleet_that_has_become_what_was_planned_asks_for_no_removal_and_regrowth(
    case: _Case,
) -> None:
    made = case.planned()
    verbs = set(_verbs(made))
    assert not ("Launch" in verbs and verbs & {"Drain", "Terminate"})
    assert not {"Promote", "Park"} <= verbs


@given(_needs, st.integers(2, 400))
def test_a_soft_scale_down_is_never_faster_than_a_strict_one_while_sure(
    need: Need, serving: int
) -> None:
    sure = msgspec.structs.replace(need, width_fraction=0.1)
    case = _Case(
        fleet=_fleet({_S.SERVING: serving}), demand=_demand(5), need=sure, policy=_policy(),
        memory=Memory(),
    )  # fmt: skip
    soft = _policy(is_soft=True)
    assert case.planned(policy=soft) == case.planned()


def test_a_soft_scale_down_lets_a_twentieth_go_every_five_minutes() -> None:
    policy, memory = _policy(is_soft=True), Memory()
    counts, fleet_count = list[int](), 100
    for minute in range(11):
        made, memory = plan(
            now=_NOW + timedelta(minutes=minute), fleet=_fleet({_S.SERVING: fleet_count}),
            demand=_demand(100), need=_need((10, 10), (10, 10), width=0.31), policy=policy,
            memory=memory,
        )  # fmt: skip
        fleet_count = _total(made)
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
        now=_NOW, fleet=_fleet(counts), demand=demand, need=need, policy=_policy(**changed),
        memory=memory or Memory(),
    )[0]  # fmt: skip


def test_in_the_morning_what_is_warm_is_promoted_and_the_rest_launched() -> None:
    made = _made({_S.SERVING: 10, _S.WARM: 2}, _demand(80), _need((14, 15), (16, 17)))
    assert _verbs(made) == ["Promote"] * 2 + ["Launch"] * 4
    assert (made.serving_count, made.warm_count) == (12, 4)
    assert made.decision.branch is Branch.SCALE_UP
    assert made.decision.reasons == (Reason.FORECAST_RISES,)


def test_in_the_morning_a_step_limits_launches_but_not_promotes() -> None:
    made = _made({_S.SERVING: 2, _S.WARM: 3}, _demand(18), _need((30, 30), (30, 30)))
    assert _verbs(made) == ["Promote"] * 3 + ["Launch"] * 5
    assert made.decision.reasons == (Reason.FORECAST_RISES, Reason.STEP_UP_LIMIT)


def test_while_instances_boot_the_morning_waits() -> None:
    made = _made({_S.SERVING: 10, _S.BOOTING: 4}, _demand(80), _need((14, 15), (14, 15)))
    assert made.actions == ()
    assert made.decision.branch is Branch.HOLD


def test_at_night_a_wide_interval_parks_but_keeps_the_total() -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, _demand(70), _need((5, 6), (8, 9), width=0.5))
    # 70 requests/s take 7 instances: as many go on serving, whatever the forecast says
    assert _verbs(made) == ["Park"] * 13
    assert (made.serving_count, made.warm_count) == (7, 18)
    assert made.decision.branch is Branch.PARK
    assert made.decision.reasons == (Reason.INTERVAL_TOO_WIDE, Reason.FORECAST_FALLS)


def test_at_night_a_sure_forecast_removes_a_tenth_a_minute() -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, _demand(70), _need((5, 6), (8, 9)))
    assert _verbs(made) == ["Park"] * 13 + ["Terminate"] * 2
    assert made.decision.branch is Branch.SCALE_DOWN
    assert made.decision.reasons == (
        Reason.FORECAST_FALLS,
        Reason.INTERVAL_LOW,
        Reason.STEP_DOWN_LIMIT,
    )


def test_without_a_warm_pool_a_wide_interval_keeps_all_serving() -> None:
    made = _made(
        {_S.SERVING: 20}, _demand(70), _need((5, 6), (5, 6), width=0.5), has_warm_pool=False
    )
    assert (made.actions, made.decision.branch) == ((), Branch.HOLD)
    assert made.decision.reasons == (Reason.INTERVAL_TOO_WIDE,)


def test_a_surge_promotes_at_once_and_holds_for_two_minutes() -> None:
    counts, calm = {_S.SERVING: 10, _S.WARM: 10}, _need((10, 10), (20, 20))
    surge = _demand(95, previous=70)
    made, memory = plan(
        now=_NOW, fleet=_fleet(counts), demand=surge, need=calm, policy=_policy(), memory=Memory()
    )
    # 95 x 95 / 70 = 128.9 requests/s are to come: 13 instances
    assert (_verbs(made), made.serving_count) == (["Promote"] * 3, 13)
    assert made.decision.reasons == (Reason.REACTIVE_PROMOTE,)
    surged = _fleet({_S.SERVING: 13, _S.WARM: 7})
    for minute, parked in ((1, 0), (2, 0), (3, 3)):
        made, memory = plan(
            now=_NOW + timedelta(minutes=minute), fleet=surged, demand=_demand(80), need=calm,
            policy=_policy(), memory=memory,
        )  # fmt: skip
        assert len(made.actions) == parked


def test_a_smaller_surge_does_not_end_a_larger_one() -> None:
    held = Memory(surge_until=_NOW + timedelta(minutes=1), surge_count=18)
    made = _made({_S.SERVING: 10, _S.WARM: 10}, _demand(95), _need((10, 10), (20, 20)), memory=held)
    assert made.serving_count == 18


def test_a_surprise_is_launched_however_fast_it_grows() -> None:
    made = _made({_S.SERVING: 2}, _demand(400, previous=300), _need((2, 2), (2, 2)))
    assert _verbs(made) == ["Launch"] * 28
    assert made.decision.reasons == (Reason.SURPRISE,)
    # a forecast that asks for even more does not slow it down
    more = _made({_S.SERVING: 2}, _demand(400, previous=300), _need((60, 60), (60, 60)))
    assert _verbs(more) == ["Launch"] * 28
    # one bucket alone is no surprise
    assert _verbs(_made({_S.SERVING: 2}, _demand(400, previous=15), _need((2, 2), (2, 2)))) == []


@pytest.mark.parametrize("demand", [_demand(70, age_s=200), _demand(None)])
def test_old_or_missing_demand_keeps_what_serves(demand: RecentDemand) -> None:
    made = _made({_S.SERVING: 20, _S.WARM: 5}, demand, _need((5, 6), (8, 9)))
    assert (made.actions, made.decision.branch) == ((), Branch.HOLD)
    assert Reason.DATA_STALE in made.decision.reasons
    grown = _made({_S.SERVING: 20}, demand, _need((24, 24), (24, 24)))
    assert _verbs(grown) == ["Launch"] * 4


def test_the_owners_bounds_are_named_when_they_act() -> None:
    capped = _made({_S.SERVING: 10}, _demand(90), _need((14, 14), (14, 14)), max_count=10)
    assert (capped.actions, capped.decision.branch) == ((), Branch.HOLD)
    assert capped.decision.reasons == (Reason.FORECAST_RISES, Reason.MAX_INSTANCES)
    lifted = _made({_S.SERVING: 1, _S.WARM: 3}, _demand(5), _need((1, 1), (4, 4)), min_count=3)
    assert _verbs(lifted) == ["Promote"] * 2
    assert lifted.decision.reasons == (Reason.MIN_INSTANCES,)


def test_the_first_hours_follow_the_reactive_formula() -> None:
    # 10 serving at 100 % of 10 requests/s, aimed at 70 %: ceil(10 x 1.0 / 0.7) = 15
    grown = _made({_S.SERVING: 10}, _demand(100), None, has_warm_pool=False)
    assert _verbs(grown) == ["Launch"] * 5
    assert grown.decision.reasons == (Reason.NO_HISTORY,)
    # within 10 % of the target nothing happens
    assert _made({_S.SERVING: 10}, _demand(75), None, has_warm_pool=False).actions == ()
    # below it, ceil(10 x 0.35 / 0.7) = 5 are wanted; the highest wish of 5 minutes holds it back
    wished = Memory(wishes=((_NOW - timedelta(minutes=4), 10),))
    held = _made({_S.SERVING: 10}, _demand(35), None, memory=wished, has_warm_pool=False)
    assert held.actions == ()
    old = Memory(wishes=((_NOW - timedelta(minutes=5), 10),))
    shrunk = _made({_S.SERVING: 10}, _demand(35), None, memory=old, has_warm_pool=False)
    assert _verbs(shrunk) == ["Drain"]


def test_the_first_hours_do_not_count_what_drains() -> None:
    counts = {_S.SERVING: 10, _S.DRAINING: 5}
    assert _made(counts, _demand(75), None, has_warm_pool=False).actions == ()


def test_the_first_hours_let_everything_serve() -> None:
    made = _made({_S.SERVING: 10, _S.WARM: 5}, _demand(100), None)
    assert _verbs(made) == ["Promote"] * 5


@pytest.mark.parametrize("rps", [float("nan"), -1.0, float("inf")])
def test_demand_that_cannot_be_is_refused(rps: float) -> None:
    with pytest.raises(InvalidValueError, match="last_rps must be finite and >= 0 or None, was"):
        _demand(rps)


def test_a_decision_carries_the_numbers_it_rests_on() -> None:
    decision = _made({_S.SERVING: 10}, _demand(80), _need((10, 11), (12, 13))).decision
    assert decision.forecast_id == "f"
    assert decision.curve_version == "linear-10"
    assert (decision.demand_rps, decision.predicted_rps, decision.upper_rps) == (80, 100, 120)
    assert (decision.serving_up, decision.serving_low) == (10, 11)
    assert (decision.total_up, decision.total_low) == (12, 13)
    assert (decision.width_fraction, decision.width_max_fraction) == (0.1, 0.3)
