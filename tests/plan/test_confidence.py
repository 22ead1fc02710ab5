"""Confidence: it falls with width and with bad coverage, and thresholds move with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.plan.confidence import (
    aggressiveness,
    confidence_after,
    confidence_fraction,
    trigger_fraction,
    trigger_moves,
)

FRACTION = st.floats(0, 1)
WIDTH = st.floats(0, 5)
COUNT = st.floats(0, 3000)


def _confidence(width: float, coverage: float, count: float) -> float:
    return confidence_fraction(
        width_fraction=width, coverage_fraction=coverage, independent_count=count
    )


@settings(max_examples=500)
@given(width=WIDTH, wider=WIDTH, coverage=FRACTION, count=COUNT)
def test_confidence_never_rises_with_the_width(
    width: float, wider: float, coverage: float, count: float
) -> None:
    narrow, wide = sorted((width, wider))
    low, high = _confidence(wide, coverage, count), _confidence(narrow, coverage, count)
    assert 0 <= low <= high <= 1


@settings(max_examples=500)
@given(width=WIDTH, one=FRACTION, other=FRACTION, count=COUNT)
def test_confidence_never_rises_as_coverage_leaves_nine_tenths(
    width: float, one: float, other: float, count: float
) -> None:
    near, far = sorted((one, other), key=lambda coverage: abs(coverage - 0.9))
    assert _confidence(width, far, count) <= _confidence(width, near, count) + 1e-12


def test_a_coverage_that_chance_explains_costs_nothing() -> None:
    assert _confidence(0.0, 0.82, 20) == 1
    assert _confidence(0.0, 0.82, 2000) == pytest.approx(
        1 - (0.08 - 2 * (0.09 / 2000) ** 0.5) / 0.1
    )
    assert _confidence(0.5, 0.9, 2000) == pytest.approx(0.3679, abs=1e-4)


@settings(max_examples=500)
@given(before=FRACTION, deserved=FRACTION, passed_s=st.floats(0, 1e6))
def test_confidence_is_lost_at_once_and_won_back_by_a_tenth_an_hour(
    before: float, deserved: float, passed_s: float
) -> None:
    after = confidence_after(before, deserved, passed_s)
    assert after <= deserved
    assert after <= before + 0.1 * passed_s / 3600 + 1e-12
    if deserved <= before:
        assert after == deserved


@settings(max_examples=500)
@given(one=FRACTION, other=FRACTION)
def test_the_trigger_falls_as_confidence_rises_within_its_bounds(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0.75 <= trigger_fraction(high) <= trigger_fraction(low) <= 0.95 + 1e-12


def test_a_move_of_the_trigger_is_told_with_its_cause() -> None:
    (move,) = trigger_moves(0.8, 0.0)
    assert (move.name, move.was, move.now) == ("trigger", 0.79, 0.95)
    assert move.why == "confidence 0.80 to 0.00"
    assert trigger_moves(0.801, 0.8) == ()


@settings(max_examples=500)
@given(one=st.floats(-2, 1), other=st.floats(-2, 1), expected=st.floats(-1, 1))
def test_less_skill_is_never_bolder(one: float, other: float, expected: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= aggressiveness(low, expected) <= aggressiveness(high, expected) <= 1
    assert aggressiveness(max(expected, 0.05), expected) == 1
