"""The planner: the laws no plan breaks."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cases.planner import NOW, RPS, a_demand, a_fleet, a_need, a_policy, total_of, verbs_of
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Branch, Drain, Launch, Plan, Terminate
from foretide.plan.capacity import instances_for, latency_curve, linear_curve
from foretide.plan.need import Need
from foretide.plan.planner import Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Outcome
from foretide.simulate.world import SimulatedPlatform

_S = InstanceState
_PRESENT = (_S.SERVING, _S.WAKING, _S.WARM, _S.PARKING, _S.REQUESTED, _S.BOOTING)
_SERVING = (_S.SERVING, _S.WAKING)
_QUEUE = latency_curve(latency_objective_s=0.5, service_time_s=0.1, workers=1, max_instances=60)


_optional_instants = st.none() | st.integers(-10, 5).map(lambda m: NOW + timedelta(minutes=m))


@st.composite
def _policies(draw: st.DrawFn) -> ServicePolicy:
    least = draw(st.integers(1, 10))
    return a_policy(
        has_warm_pool=draw(st.booleans()),
        is_soft=draw(st.booleans()),
        min_count=least,
        max_count=least + draw(st.integers(0, 80)),
        curve=draw(st.sampled_from([linear_curve(RPS), _QUEUE])),
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
).map(a_fleet)
_rates = st.floats(0, 700)
_demands = st.builds(
    RecentDemand,
    last_rps=st.none() | _rates,
    previous_rps=st.none() | _rates,
    age_s=st.none() | st.floats(0, 400),
    step_s=st.just(60),
)


@st.composite
def _bands(draw: st.DrawFn) -> tuple[int, int]:
    low = draw(st.integers(1, 70))
    return low, low + draw(st.integers(0, 15))


@st.composite
def _needs(draw: st.DrawFn) -> Need:
    return a_need(draw(_bands()), draw(_bands()), width=draw(st.floats(0, 1.5)))


@st.composite
def _wishes(draw: st.DrawFn) -> tuple[tuple[datetime, int], ...]:
    told = draw(st.lists(st.tuples(st.integers(-9, -1), st.integers(0, 80)), max_size=4))
    return tuple((NOW + timedelta(minutes=minute), wish) for minute, wish in told)


_memories = st.builds(
    Memory,
    surge_until=_optional_instants,
    surge_count=st.integers(0, 80),
    wishes=_wishes(),
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

    def planned(self) -> Plan:
        return self.step()[0]

    def step(self) -> tuple[Plan, Memory]:
        return plan(
            now=NOW, fleet=self.fleet, demand=self.demand, need=self.need, policy=self.policy,
            memory=self.memory,
        )  # fmt: skip

    def but(self, **changed: object) -> _Case:
        return msgspec.structs.replace(self, **changed)


_cases = st.builds(
    _Case, fleet=_fleets, demand=_demands, need=st.none() | _needs(), policy=_policies(),
    memory=_memories,
)  # fmt: skip


def _ended_count(made: Plan) -> int:
    return sum(isinstance(action, Drain | Terminate) for action in made.actions)


@given(_cases)
def test_the_same_inputs_give_the_same_plan_byte_for_byte(case: _Case) -> None:
    encoded = msgspec.json.encode(case.step())
    again = msgspec.json.encode(case.step())
    assert encoded == again


@given(_cases)
def test_no_plan_breaks_the_bounds_of_the_fleet(case: _Case) -> None:
    made = case.planned()
    # what is just waking or parking cannot be ended before it has arrived
    on_the_move = case.fleet.count(_S.WAKING, _S.PARKING)
    assert total_of(made) >= case.policy.min_count
    assert total_of(made) <= case.policy.max_count + on_the_move
    serving = case.fleet.count(*_SERVING)
    if made.serving_count < serving:
        assert made.serving_count >= case.policy.min_count


@given(_cases)
def test_no_plan_breaks_the_rates(case: _Case) -> None:
    current, total = case.current, total_of(case.planned())
    # growth to what two buckets have shown already is not limited
    lasting_rps = min(case.demand.previous_rps or 0.0, case.demand.last_rps or 0.0)
    shown = instances_for(case.policy.curve, lasting_rps)
    assert total <= max(current + max(current, 4), case.policy.min_count, shown)
    if total < current:
        assert total >= min(current - max(current // 10, 1), case.policy.max_count)


@given(_cases, st.floats(0, 1.5))
def test_a_wider_interval_never_means_a_faster_scale_down(case: _Case, width: float) -> None:
    need = case.need
    assume(need is not None)
    assert need is not None
    narrow, wide = (
        case.but(need=msgspec.structs.replace(need, width_fraction=fraction)).planned()
        for fraction in sorted((width, need.width_fraction))
    )
    assert _ended_count(wide) <= _ended_count(narrow)
    assert total_of(wide) >= total_of(narrow)


@given(_cases)
def test_missing_or_late_demand_never_removes(case: _Case) -> None:
    assume(case.current <= case.policy.max_count)
    late = msgspec.structs.replace(case.demand, age_s=181.0)
    unheard = msgspec.structs.replace(case.demand, age_s=None)
    unseen = msgspec.structs.replace(case.demand, last_rps=None, age_s=60.0)
    for demand in (late, unheard, unseen):
        assert not {"Park", "Drain", "Terminate"} & set(verbs_of(case.but(demand=demand).planned()))


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
        need = a_need(
            (need.serving_up + serving, need.serving_low + serving + both),
            (need.total_up + total, need.total_low + total + both),
            width=need.width_fraction,
        )
    calm, busy = case.planned(), case.but(demand=demand, need=need).planned()
    assert total_of(busy) >= total_of(calm)
    assert busy.serving_count >= calm.serving_count


@given(_cases)
def test_the_counts_of_a_plan_are_what_the_fleet_becomes(case: _Case) -> None:
    world, calm = _world(case)
    made = calm.planned()
    for action in made.actions:
        assert world.apply(action).outcome is Outcome.ACCEPTED
    world.advance(NOW + timedelta(minutes=10))
    fleet = world.observe("web")
    assert fleet.count(_S.SERVING) == made.serving_count
    assert fleet.count(_S.WARM) == made.warm_count
    assert len(fleet.instances) == total_of(made)


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
    world = SimulatedPlatform("web", start=NOW, boot_s=300, serving_count=serving, warm_count=warm)
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
    added = total_of(made) - case.current
    verbs = set(verbs_of(made))
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
    policy = a_policy(has_warm_pool=False)
    cold = a_fleet({_S.SERVING: case.fleet.count(_S.SERVING)})
    made = case.but(policy=policy, fleet=cold).planned()
    assert not {"Park", "Promote"} & set(verbs_of(made))
    assert made.warm_count == 0


@given(_cases)
def test_no_plan_gives_with_one_hand_and_takes_with_the_other(case: _Case) -> None:
    made = case.planned()
    verbs = set(verbs_of(made))
    assert not ("Launch" in verbs and verbs & {"Drain", "Terminate"})
    assert not {"Promote", "Park"} <= verbs


@given(_needs(), st.integers(2, 400))
def test_a_soft_scale_down_is_never_faster_than_a_strict_one_while_sure(
    need: Need, serving: int
) -> None:
    sure = msgspec.structs.replace(need, width_fraction=0.1)
    case = _Case(
        fleet=a_fleet({_S.SERVING: serving}), demand=a_demand(5), need=sure, policy=a_policy(),
        memory=Memory(),
    )  # fmt: skip
    soft = a_policy(is_soft=True)
    assert case.but(policy=soft).planned() == case.planned()
