"""The cost factor: what each plan is expected to cost, and when another takes over."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.planner import LAW, NOW, a_demand, a_fleet, a_need, a_policy, told_of, verbs_of
from foretide.model.fleet import InstanceState
from foretide.model.plan import Branch, Choice, Plan, Reason
from foretide.plan.cost import CHOICES, HOME, Counts, Weighed, challenged, cost_factors
from foretide.plan.memory import Circumstances, Memory, Stance
from foretide.plan.planner import plan
from foretide.plan.track import Track

_S = InstanceState
POLICY = a_policy(warm_price_fraction=0.2, price_usd_per_hour=0.1)


def _weighed(track: Track, *, rps: float = 100, reactive: int = 15, current: int = 13) -> Weighed:
    need = told_of(a_need((12, 13), (16, 17)), rps)
    counts = Counts(reactive=reactive, run=11, total=16, current=current)
    return cost_factors(need, counts, track=track, policy=POLICY)


SHARE = st.floats(0, 1)


@LAW
@given(wasted=SHARE, missed=SHARE, worse=SHARE, reactive=st.integers(1, 40))
def test_a_worse_record_never_makes_a_plan_cheaper_and_never_touches_the_reactive_one(
    wasted: float, missed: float, worse: float, reactive: int
) -> None:
    good = Track(ahead=1e4, wasted=1e4 * wasted, withheld=1e4, missed=1e4 * missed)
    bad = Track(
        ahead=1e4, wasted=1e4 * max(wasted, worse), withheld=1e4, missed=1e4 * max(missed, worse)
    )
    usual, dear = (_weighed(one, reactive=reactive) for one in (good, bad))
    assert all(a <= b + 1e-12 for a, b in zip(usual.costs_usd, dear.costs_usd, strict=True))
    assert usual.costs_usd[0] == dear.costs_usd[0]
    assert dear.staked_usd[0] == 0
    assert all(
        0 <= stake <= cost for cost, stake in zip(dear.costs_usd, dear.staked_usd, strict=True)
    )


def test_the_factor_is_the_sum_of_its_parts() -> None:
    """5 serving of 10 rps for 31 minutes at 0.1 USD, one launched, and demand that fits."""
    policy = a_policy(has_warm_pool=False, price_usd_per_hour=0.1)
    need = told_of(a_need((5, 5), (5, 5)), 20)
    counts = Counts(reactive=5, run=5, total=5, current=4)
    found = cost_factors(need, counts, track=Track(), policy=policy)
    hours = policy.horizon_minutes / 60
    assert found.costs_usd[0] == pytest.approx(0.1 * (5 * hours + 300 / 3600))
    assert found.costs_usd[3] == pytest.approx(0.1 * 4 * hours)


def test_what_finds_no_capacity_is_priced() -> None:
    calm, busy = _weighed(Track(), rps=100), _weighed(Track(), rps=140)
    assert busy.costs_usd[2] > 2 * calm.costs_usd[2]


def _acting(weighed: Weighed, minutes: int, choice: Choice = HOME) -> Choice:
    challenger, since = choice, None
    for minute in range(minutes + 1):
        choice, challenger, since = challenged(
            weighed, choice=choice, challenger=challenger, challenged_at=since,
            now=NOW + timedelta(minutes=minute),
        )  # fmt: skip
    return choice


def _told(costs: tuple[float, float, float, float], staked: float) -> Weighed:
    return Weighed(costs_usd=costs, staked_usd=(0.0, 0.0, staked, 0.0))


def test_another_plan_takes_over_after_half_an_hour_and_goes_at_once() -> None:
    lost = _told((0.8, 2.0, 1.0, 2.0), staked=0.5)
    assert _acting(lost, 29) is HOME
    assert _acting(lost, 30) is Choice.REACTIVE
    assert _acting(_told((0.96, 2, 1.0, 2), staked=0.5), 60) is HOME
    assert _acting(_told((0.96, 2, 1.0, 2), staked=0.5), 0, Choice.REACTIVE) is HOME


def test_insurance_that_quantiles_do_not_ask_for_is_not_called_off() -> None:
    # cheaper by the quantiles alone, whatever was staked
    assert _acting(_told((2.0, 0.5, 1.0, 2.0), staked=0.0), 99) is HOME
    assert _acting(_told((2.0, 0.5, 1.0, 2.0), staked=0.3), 99) is HOME


@LAW
@given(costs=st.tuples(*[st.floats(0.01, 10)] * 4), staked=SHARE, choice=st.sampled_from(CHOICES))
def test_the_one_that_takes_over_is_clearly_cheaper(
    costs: tuple[float, float, float, float], staked: float, choice: Choice
) -> None:
    acting = _acting(_told(costs, staked * costs[2]), 40, choice)
    assert acting is HOME or costs[CHOICES.index(acting)] < 0.95 * costs[CHOICES.index(HOME)]


def _decided(*, wasted: float) -> Plan:
    """Return the plan after half an hour before a rise that may come; the record is given."""
    need = msgspec.structs.replace(
        a_need((14, 14), (14, 14)), low_rps=50, predicted_rps=60, upper_rps=120, rho=15,
        tail_rps=(70, 100, 140, 150, 160),
    )  # fmt: skip
    policy = a_policy(has_warm_pool=False, price_usd_per_hour=0.1)
    memory, made = Memory(track=Track(ahead=5000, wasted=wasted * 5000)), None
    for minute in range(32):
        now = NOW + timedelta(minutes=minute)
        made, memory = plan(
            now=now, fleet=a_fleet({_S.SERVING: 9}), demand=a_demand(60), need=need, policy=policy,
            memory=memory, around=Circumstances(is_acting=False),
        )  # fmt: skip
    assert made is not None
    return made


def test_measured_accuracy_alone_flips_the_chosen_plan() -> None:
    bold, burnt = _decided(wasted=0.0), _decided(wasted=0.9)
    assert bold.decision.branch is Branch.SCALE_UP
    assert verbs_of(bold) == ["Launch"] * 5
    assert Reason.COST_FACTOR not in bold.decision.reasons
    # what was held ahead of demand was hardly ever needed: the reactive plan is the cheaper one
    assert (verbs_of(burnt), burnt.decision.choice) == ([], Choice.REACTIVE)
    assert Reason.COST_FACTOR in burnt.decision.reasons
    shown = burnt.decision.cost_usd
    assert shown is not None
    assert shown[CHOICES.index(Choice.REACTIVE)] < 0.95 * shown[CHOICES.index(HOME)]


def test_an_owner_may_switch_it_off_and_still_see_the_costs() -> None:
    policy = a_policy(is_cost_weighed=False)
    stance = Stance(choice=Choice.HELD)
    made, memory = plan(
        now=NOW, fleet=a_fleet({_S.SERVING: 9}), demand=a_demand(60),
        need=told_of(a_need((12, 12), (14, 14)), 100), policy=policy, memory=Memory(stance=stance),
    )  # fmt: skip
    assert verbs_of(made) == ["Launch"] * 5
    assert made.decision.cost_usd is not None
    assert memory.stance.choice is Choice.HELD
