"""Reports that contradict what was asked for: no launch twice, no loss believed too soon."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.planner import LAW, NOW, a_demand, a_fleet, a_need, a_policy, total_of, verbs_of
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Launch, Plan, Reason
from foretide.plan.planner import Circumstances, Memory, plan
from foretide.plan.reconcile import census_of

_S = InstanceState
ROOMY = a_need((14, 14), (14, 14))


def _next(
    memory: Memory,
    fleet: Fleet,
    minute: int,
    *,
    observed: int | None = None,
    around: Circumstances | None = None,
) -> tuple[Plan, Memory]:
    now = NOW + timedelta(minutes=minute)
    seen = minute if observed is None else observed
    return plan(
        now=now,
        fleet=msgspec.structs.replace(fleet, observed_at=NOW + timedelta(minutes=seen)),
        demand=a_demand(80), need=ROOMY, policy=a_policy(has_warm_pool=False), memory=memory,
        around=around or Circumstances(),
    )  # fmt: skip


def _launched(minute: int = 0) -> tuple[Plan, Memory, Fleet]:
    fleet = a_fleet({_S.SERVING: 10})
    made, memory = _next(Memory(), fleet, minute)
    assert verbs_of(made) == ["Launch"] * 4
    return made, memory, fleet


def test_a_launch_that_is_not_reported_yet_is_not_asked_for_twice() -> None:
    _, memory, fleet = _launched()
    made, memory = _next(memory, fleet, 1)
    assert (verbs_of(made), total_of(made)) == ([], 14)
    assert Reason.LAUNCH_UNSEEN in made.decision.reasons
    # two minutes later a report would show it: it has failed, and is asked for anew
    again, _ = _next(memory, fleet, 2)
    assert verbs_of(again) == ["Launch"] * 4


def test_a_launch_that_was_refused_is_asked_for_at_once() -> None:
    made, memory, fleet = _launched()
    refused = tuple(a.instance_id for a in made.actions if isinstance(a, Launch))[:3]
    again, _ = _next(memory, fleet, 1, around=Circumstances(refused=refused))
    assert verbs_of(again) == ["Launch"] * 3


def test_in_shadow_nothing_is_awaited() -> None:
    shadow = Circumstances(is_acting=False)
    _, memory = _next(Memory(), a_fleet({_S.SERVING: 10}), 0, around=shadow)
    made, _ = _next(memory, a_fleet({_S.SERVING: 10}), 1, around=shadow)
    assert verbs_of(made) == ["Launch"] * 4
    assert Reason.LAUNCH_UNSEEN not in made.decision.reasons


def test_a_report_from_before_the_launch_does_not_make_it_fail() -> None:
    _, memory, fleet = _launched()
    for minute in (1, 2, 3, 4):
        made, memory = _next(memory, fleet, minute, observed=0)
        assert verbs_of(made) == []


def test_a_report_older_than_the_one_before_tells_nothing() -> None:
    grown = a_fleet({_S.SERVING: 14})
    _, memory = _next(Memory(), grown, 5)
    made, memory = _next(memory, a_fleet({_S.SERVING: 3}), 6, observed=4)
    assert (verbs_of(made), total_of(made)) == ([], 14)
    assert made.decision.reasons == (Reason.REPORT_LATE,)
    # the next one on time is believed
    made, _ = _next(memory, a_fleet({_S.SERVING: 13}), 7)
    assert verbs_of(made) == ["Launch"]


def test_who_has_just_begun_launches_nothing_by_a_late_report() -> None:
    made, memory = _next(Memory(), a_fleet({_S.SERVING: 10}), 3, observed=0)
    assert (verbs_of(made), made.decision.reasons[-1]) == ([], Reason.REPORT_LATE)
    made, _ = _next(memory, a_fleet({_S.SERVING: 10}), 4)
    assert verbs_of(made) == ["Launch"] * 4


def test_half_a_fleet_missing_from_one_report_is_not_replaced() -> None:
    fleet = a_fleet({_S.SERVING: 14})
    _, memory = _next(Memory(), fleet, 0)
    half = msgspec.structs.replace(fleet, instances=fleet.instances[:7])
    made, memory = _next(memory, half, 1)
    assert verbs_of(made) == []
    assert Reason.INSTANCES_MISSING in made.decision.reasons
    made, _ = _next(memory, half, 2)
    assert verbs_of(made) == ["Launch"] * 7


def test_a_single_loss_is_replaced_at_once() -> None:
    fleet = a_fleet({_S.SERVING: 14})
    _, memory = _next(Memory(), fleet, 0)
    made, _ = _next(memory, msgspec.structs.replace(fleet, instances=fleet.instances[:13]), 1)
    assert verbs_of(made) == ["Launch"]
    assert Reason.INSTANCES_MISSING in made.decision.reasons


def test_what_nobody_asked_for_is_counted_and_told_and_not_ended_at_once() -> None:
    fleet = a_fleet({_S.SERVING: 14})
    _, memory = _next(Memory(), fleet, 0)
    more = a_fleet({_S.SERVING: 17})
    made, memory = _next(memory, more, 1)
    assert (verbs_of(made), total_of(made)) == ([], 17)
    assert Reason.INSTANCES_UNKNOWN in made.decision.reasons
    made, _ = _next(memory, more, 2)
    assert verbs_of(made) == ["Drain"]


def test_what_was_asked_to_go_is_not_missed() -> None:
    _, memory = _next(Memory(), a_fleet({_S.SERVING: 16}), 0)
    made, _ = _next(memory, a_fleet({_S.SERVING: 15}), 1)
    assert Reason.INSTANCES_MISSING not in made.decision.reasons


_counts = st.fixed_dictionaries({state: st.integers(0, 6) for state in _S})


@LAW
@given(_counts)
def test_a_census_counts_every_instance_once(counts: dict[InstanceState, int]) -> None:
    census = census_of(a_fleet(counts))
    assert census.serving == counts[_S.SERVING] + counts[_S.WAKING]
    assert census.warm == counts[_S.WARM] + counts[_S.PARKING]
    assert census.arriving == counts[_S.REQUESTED] + counts[_S.BOOTING]
    assert census.total == census.serving + census.warm + census.arriving
    assert census.draining == counts[_S.DRAINING]


@LAW
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=2, max_size=8))
def test_no_report_makes_a_plan_ask_for_more_than_is_needed(
    reports: list[tuple[int, int]],
) -> None:
    memory = Memory()
    for minute, (count, late) in enumerate(reports):
        fleet = a_fleet({_S.SERVING: count})
        made, memory = _next(memory, fleet, minute, observed=minute - late)
        assert "Launch" not in verbs_of(made) or total_of(made) <= 14


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(days=400)])
def test_a_first_report_contradicts_nothing(at: datetime) -> None:
    made, _ = plan(
        now=at, fleet=msgspec.structs.replace(a_fleet({_S.SERVING: 14}), observed_at=at),
        demand=a_demand(80), need=ROOMY, policy=a_policy(), memory=Memory(),
    )  # fmt: skip
    assert made.decision.reasons == ()
