"""The planner: what records, budgets, updates and broken forecasts may do to a plan."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from cases.any_plan import CASES, Case, ended_count
from cases.planner import LAW, total_of, verbs_of
from foretide.model.fleet import InstanceState
from foretide.model.plan import Choice, Plan, Reason
from foretide.plan.planner import Circumstances

_S = InstanceState


@LAW
@given(CASES, st.floats(0, 1), st.floats(0, 1))
def test_a_worse_record_or_less_skill_never_speeds_a_removal(
    case: Case, wasted: float, bold: float
) -> None:
    assume(case.current <= case.policy.max_count)  # above it something must go, whoever waits
    track, around = case.memory.track, case.around
    worse = msgspec.structs.replace(
        track, wasted=max(track.wasted, wasted * track.ahead), inside_count=0.0
    )
    meek = msgspec.structs.replace(around, aggressiveness=min(bold, around.aggressiveness))
    memory = msgspec.structs.replace(case.memory, track=worse)
    usual, doubted = case.planned(), case.but(memory=memory, around=meek).planned()
    assert ended_count(doubted) <= ended_count(usual)
    assert total_of(doubted) >= min(case.current, total_of(usual))


@LAW
@given(CASES, st.sampled_from(Choice))
def test_whichever_plan_acts_no_more_is_removed(case: Case, choice: Choice) -> None:
    assume(case.current <= case.policy.max_count)

    def acting(one: Choice) -> Plan:
        stance = msgspec.structs.replace(case.memory.stance, choice=one)
        return case.but(memory=msgspec.structs.replace(case.memory, stance=stance)).planned()

    assert ended_count(acting(choice)) <= ended_count(acting(Choice.PRE_SCALED_WARM))


@LAW
@given(CASES, st.integers(0, 90))
def test_a_ceiling_stops_growth_and_never_removes(case: Case, ceiling: int) -> None:
    free, capped = (
        case.but(around=Circumstances(ceiling_count=count)).planned() for count in (None, ceiling)
    )
    assert total_of(capped) <= max(ceiling, case.current, case.policy.min_count)
    assert ended_count(capped) == ended_count(free)


@LAW
@given(CASES)
def test_nothing_is_removed_while_an_update_is_in_flight(case: Case) -> None:
    assume(case.current <= case.policy.max_count)
    made = case.but(around=Circumstances(is_update_in_flight=True)).planned()
    assert not {"Park", "Drain", "Terminate"} & set(verbs_of(made))


@LAW
@given(CASES)
def test_no_more_are_disrupted_at_once_than_allowed(case: Case) -> None:
    most = case.policy.disrupted_max_count
    assume(most is not None and case.current <= case.policy.max_count)
    verbs = verbs_of(case.planned())
    released = verbs.count("Park") + verbs.count("Drain")
    assert released <= max(0, (most or 0) - case.fleet.count(_S.DRAINING))


@LAW
@given(CASES)
def test_a_broken_or_old_forecast_is_not_followed_and_is_told(case: Case) -> None:
    need = case.need
    assume(need is not None)
    assert need is not None
    for changed, reason in (
        ({"is_sound": False}, Reason.FORECAST_BROKEN),
        ({"width_fraction": float("nan")}, Reason.FORECAST_BROKEN),
        ({"age_s": 7201.0}, Reason.FORECAST_OLD),
    ):
        made = case.but(need=msgspec.structs.replace(need, **changed)).planned()
        assert {reason, Reason.FALLBACK} <= set(made.decision.reasons)
        assert made.decision.forecast_id == ""


@LAW
@given(CASES)
def test_a_decision_takes_300_bytes_at_most(case: Case) -> None:
    reasons = case.planned().decision.reasons
    assume(len(reasons) <= 6)
    assert len(msgspec.json.encode(case.planned().decision)) <= 300
