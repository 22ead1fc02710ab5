"""The planner: the laws no plan breaks."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from cases.any_plan import CASES, Case, ended_count, needs
from cases.planner import LAW, NOW, a_demand, a_fleet, a_policy, total_of, verbs_of
from foretide.model.fleet import InstanceState
from foretide.model.plan import Branch, Launch
from foretide.plan.capacity import instances_for
from foretide.plan.need import Need
from foretide.plan.planner import Memory
from foretide.platforms.base import Outcome
from foretide.simulate.world import SimulatedPlatform

_S = InstanceState
_SERVING = (_S.SERVING, _S.WAKING)


@LAW
@given(CASES)
def test_the_same_inputs_give_the_same_plan_byte_for_byte(case: Case) -> None:
    encoded = msgspec.json.encode(case.step())
    again = msgspec.json.encode(case.step())
    assert encoded == again


@LAW
@given(CASES)
def test_no_plan_breaks_the_bounds_of_the_fleet(case: Case) -> None:
    made = case.planned()
    # what is just waking or parking cannot be ended before it has arrived
    on_the_move = case.fleet.count(_S.WAKING, _S.PARKING)
    assert total_of(made) >= case.policy.min_count
    assert total_of(made) <= case.policy.max_count + on_the_move
    serving = case.fleet.count(*_SERVING)
    if made.serving_count < serving:
        assert made.serving_count >= case.policy.min_count


@LAW
@given(CASES)
def test_no_plan_breaks_the_rates(case: Case) -> None:
    current, total = case.current, total_of(case.planned())
    # growth to what two buckets have shown already is not limited
    lasting_rps = min(case.demand.previous_rps or 0.0, case.demand.last_rps or 0.0)
    shown = instances_for(case.policy.curve, lasting_rps)
    # nor is growth towards what a surprise beyond all there is will take next
    rps, said = case.demand.last_rps or 0.0, case.memory.track.issued
    if said and rps > said[0].surprise_rps and instances_for(case.policy.curve, rps) > current:
        shown = max(shown, instances_for(case.policy.curve, 3 * rps))
    assert total <= max(current + max(current, 4), case.policy.min_count, shown)
    if total < current:
        assert total >= min(current - max(current // 10, 1), case.policy.max_count)


@LAW
@given(CASES, st.floats(0, 1.5))
def test_a_wider_interval_never_means_a_faster_scale_down(case: Case, width: float) -> None:
    need = case.need
    assume(need is not None)
    assert need is not None
    narrow, wide = (
        case.but(need=msgspec.structs.replace(need, width_fraction=fraction)).planned()
        for fraction in sorted((width, need.width_fraction))
    )
    assert ended_count(wide) <= ended_count(narrow)
    assert total_of(wide) >= total_of(narrow)


@LAW
@given(CASES)
def test_missing_or_late_demand_never_removes(case: Case) -> None:
    assume(case.current <= case.policy.max_count)
    late = msgspec.structs.replace(case.demand, age_s=181.0)
    unheard = msgspec.structs.replace(case.demand, age_s=None)
    unseen = msgspec.structs.replace(case.demand, last_rps=None, age_s=60.0)
    for demand in (late, unheard, unseen):
        assert not {"Park", "Drain", "Terminate"} & set(verbs_of(case.but(demand=demand).planned()))


@LAW
@given(CASES, st.floats(0, 300), st.tuples(*[st.integers(0, 20)] * 3))
def test_more_demand_never_plans_fewer_instances(
    case: Case, more_rps: float, more: tuple[int, int, int]
) -> None:
    last = case.demand.last_rps
    assume(last is not None)
    assert last is not None
    demand = msgspec.structs.replace(case.demand, last_rps=last + more_rps)
    need = case.need
    if need is not None:
        both, serving, total = more
        need = msgspec.structs.replace(
            need,
            serving_up=need.serving_up + serving,
            serving_low=need.serving_low + serving + both,
            total_up=need.total_up + total,
            total_low=need.total_low + total + both,
        )
    calm, busy = case.planned(), case.but(demand=demand, need=need).planned()
    assert total_of(busy) >= total_of(calm)
    assert busy.serving_count >= calm.serving_count


@LAW
@given(CASES)
def test_the_counts_of_a_plan_are_what_the_fleet_becomes(case: Case) -> None:
    world, calm = _world(case)
    made = calm.planned()
    for action in made.actions:
        assert world.apply(action).outcome is Outcome.ACCEPTED
    world.advance(NOW + timedelta(minutes=10))
    fleet = world.observe("web")
    assert fleet.count(_S.SERVING) == made.serving_count
    assert fleet.count(_S.WARM) == made.warm_count
    assert len(fleet.instances) == total_of(made)


@LAW
@given(CASES)
def test_applying_a_plan_twice_equals_once(case: Case) -> None:
    world, calm = _world(case)
    made = calm.planned()
    for action in made.actions:
        world.apply(action)
    once = world.observe("web")
    for action in made.actions:
        assert world.apply(action).outcome is Outcome.ALREADY_DONE
    assert world.observe("web") == once


def _world(case: Case) -> tuple[SimulatedPlatform, Case]:
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


@LAW
@given(CASES)
def test_the_branch_says_what_happens_to_the_total(case: Case) -> None:
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


@LAW
@given(CASES)
def test_without_a_warm_pool_nothing_is_parked_or_held_warm(case: Case) -> None:
    policy = a_policy(has_warm_pool=False)
    cold = a_fleet({_S.SERVING: case.fleet.count(_S.SERVING)})
    made = case.but(policy=policy, fleet=cold).planned()
    assert not {"Park", "Promote"} & set(verbs_of(made))
    assert made.warm_count == 0


@LAW
@given(CASES)
def test_no_plan_gives_with_one_hand_and_takes_with_the_other(case: Case) -> None:
    made = case.planned()
    verbs = set(verbs_of(made))
    assert not ("Launch" in verbs and verbs & {"Drain", "Terminate"})
    assert not {"Promote", "Park"} <= verbs


@LAW
@given(needs(), st.integers(2, 400))
def test_a_soft_scale_down_is_never_faster_than_a_strict_one_while_sure(
    need: Need, serving: int
) -> None:
    sure = msgspec.structs.replace(need, width_fraction=0.1)
    case = Case(
        fleet=a_fleet({_S.SERVING: serving}), demand=a_demand(5), need=sure, policy=a_policy(),
        memory=Memory(),
    )  # fmt: skip
    soft = a_policy(is_soft=True)
    assert case.but(policy=soft).planned() == case.planned()
