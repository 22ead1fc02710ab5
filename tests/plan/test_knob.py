"""How dearly capacity is held: the ladder by objective, and the split of a penalty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.knob import (
    Knob,
    guard_notch,
    knob_for_objective,
    knob_for_penalty,
    ladder,
    prior_notch,
)


def _axes(knob: Knob) -> tuple[float, float, float, float]:
    return knob.run_rho, knob.run_head_fraction, knob.warm_rho, knob.warm_floor_fraction


@given(st.floats(1e-9, 0.999), st.floats(1e-9, 0.999), st.booleans())
def test_a_stricter_objective_never_holds_less(first: float, second: float, pool: bool) -> None:
    strict, loose = (
        _axes(knob_for_objective(o, has_warm_pool=pool)) for o in sorted((first, second))
    )
    assert all(a >= b for a, b in zip(strict, loose, strict=True))


@pytest.mark.parametrize("pool", [True, False])
def test_every_notch_is_some_objectives_answer(pool: bool) -> None:
    objectives = 10 ** -np.linspace(0.01, 7, 2000)
    notches = {prior_notch(float(one), has_warm_pool=pool) for one in objectives}
    assert notches == set(range(len(ladder(has_warm_pool=pool))))


def test_the_ladder_rises_on_every_axis() -> None:
    for pool in (True, False):
        axes = np.array([_axes(knob) for knob in ladder(has_warm_pool=pool)])
        assert (np.diff(axes, axis=0) >= 0).all()
        assert (np.diff(axes, axis=0).sum(axis=1) > 0).all()


def test_usual_objectives_begin_where_they_were_measured() -> None:
    assert [prior_notch(one, has_warm_pool=True) for one in (0.01, 0.003, 0.001)] == [2, 5, 9]
    # a hair's breadth of rounding beside an objective is that objective
    assert prior_notch(0.008 * (1 - 1e-12), has_warm_pool=True) == 2


@pytest.mark.parametrize("notch", [0, 5, 14, 17])
def test_the_spend_guard_is_further_up_the_ladder(notch: int) -> None:
    assert guard_notch(notch, has_warm_pool=True) == min(notch + 4, 17)


@given(st.floats(1e-6, 0.999))
def test_without_a_warm_pool_nothing_is_held_warm(objective: float) -> None:
    knob = knob_for_objective(objective, has_warm_pool=False)
    assert (knob.warm_rho, knob.warm_floor_fraction) == (0, 0)


@pytest.mark.parametrize("objective", [0, 1, -0.1, 2, float("nan")])
def test_an_objective_outside_the_open_interval_is_refused(objective: float) -> None:
    with pytest.raises(InvalidValueError, match=r"objective_fraction must lie in \(0, 1\), was"):
        knob_for_objective(objective, has_warm_pool=True)


@given(st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.floats(0.01, 0.99))
def test_a_higher_penalty_never_holds_less(first: float, second: float, warm: float) -> None:
    small, large = (
        _axes(knob_for_penalty(rho, warm_price_fraction=warm)) for rho in sorted((first, second))
    )
    assert all(a <= b for a, b in zip(small, large, strict=True))


def test_a_penalty_splits_between_serving_and_warm() -> None:
    assert knob_for_penalty(40, warm_price_fraction=1) == Knob(run_rho=40)
    knob = knob_for_penalty(40, warm_price_fraction=0.2)
    # by hand: 0.3 x 40 / 0.8 and 0.7 x 40 / 0.2
    assert (knob.run_rho, knob.warm_rho) == (pytest.approx(15), pytest.approx(140))
    # too small to pay for a warm instance: the price of one is where it ends
    assert knob_for_penalty(0.1, warm_price_fraction=0.5).warm_rho == 1.2


@pytest.mark.parametrize("rho", [0, -3, float("nan")])
def test_a_penalty_of_nothing_is_refused(rho: float) -> None:
    with pytest.raises(InvalidValueError, match=r"rho must be > 0, was .*; set a penalty"):
        knob_for_penalty(rho, warm_price_fraction=0.2)
