"""What an instance is worth falls from one to the next, and covers all that a plan may want."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.planner import RPS, a_demand, a_need, a_policy
from foretide.plan.capacity import latency_curve
from foretide.plan.memory import Memory
from foretide.plan.need import TAIL_LEVELS, Need
from foretide.plan.worth import ask_of


def a_told_need(**changed: object) -> Need:
    known: dict[str, object] = {
        "forecast_id": "told", "low_rps": 40.0, "predicted_rps": 50.0, "upper_rps": 80.0,
        "width_fraction": 0.8,
        "width_max_fraction": 1.0, "serving_up": 6, "serving_low": 6, "total_up": 12,
        "total_low": 12, "rho": 100.0,
        "tail_rps": tuple(50 + 40 * level**4 for level in TAIL_LEVELS),
    }  # fmt: skip
    return Need(**(known | changed))  # pyright: ignore[reportArgumentType]


@settings(deadline=None)  # compiles at first
@given(
    held=st.integers(0, 20), last=st.floats(0, 300), total=st.integers(0, 40),
    median=st.floats(0, 200), spread=st.floats(0, 200), is_linear=st.booleans(),
)  # fmt: skip
def test_worth_falls_and_stays_within_what_a_layer_can_be_worth(
    held: int, last: float, total: int, median: float, spread: float, is_linear: bool
) -> None:
    curve = latency_curve(latency_objective_s=0.4, service_time_s=0.1, workers=2, max_instances=60)
    policy = a_policy(max_count=50) if is_linear else a_policy(curve=curve, max_count=50)
    need = a_told_need(
        low_rps=median / 2, predicted_rps=median, upper_rps=median + spread,
        width_fraction=0.5, total_up=total,
        total_low=total, serving_up=0, serving_low=0,
        tail_rps=tuple(median + spread * level for level in TAIL_LEVELS),
    )  # fmt: skip
    ask = ask_of(policy, need, a_demand(last), Memory(), held_count=held)
    assert ((ask.worth >= 0) & (ask.worth <= 100)).all()
    assert ask.floor_count + len(ask.worth) >= min(total, 50)
    if is_linear:
        assert (np.diff(ask.worth) <= 1e-9).all()


def test_what_is_needed_for_sure_is_worth_all_of_rho_and_what_never_is_nothing() -> None:
    ask = ask_of(
        a_policy(), a_told_need(total_up=40, total_low=40), a_demand(0.0), Memory(), held_count=0
    )
    assert ask.worth[0] == pytest.approx(100)
    assert ask.worth[-1] == 0.0
    # the median of demand fills five instances of ten requests a second
    around = ask.worth[4:6].mean()
    assert 30 < around < 70


def test_demand_that_is_here_is_worth_serving_whatever_the_forecast_says() -> None:
    need = a_told_need(predicted_rps=1.0, upper_rps=1.0, tail_rps=(1.0,) * len(TAIL_LEVELS))
    ask = ask_of(a_policy(), need, a_demand(10 * RPS), Memory(), held_count=0)
    assert ask.worth[:9] == pytest.approx(100)  # beside the one there always is


def test_with_enough_already_nothing_is_asked_for() -> None:
    ask = ask_of(a_policy(), a_need((5, 5), (8, 8)), a_demand(10.0), Memory(), held_count=30)
    assert len(ask.worth) == 0
    assert ask.floor_count == 30


def test_before_there_is_a_forecast_the_formula_asks() -> None:
    ask = ask_of(a_policy(), None, a_demand(7 * RPS), Memory(), held_count=2)
    assert ask.floor_count + len(ask.worth) == 10
    assert (ask.worth[:5] > 0).all()


def test_no_more_is_asked_for_than_a_service_may_have() -> None:
    ask = ask_of(a_policy(max_count=4), a_told_need(), a_demand(500.0), Memory(), held_count=0)
    assert ask.floor_count + len(ask.worth) == 4
