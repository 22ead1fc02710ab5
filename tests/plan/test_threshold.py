"""Thresholds of updates: every direction in which they may move."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.thresholds import UpdateLimits
from foretide.plan.threshold import kept_ebb, limit_moves, update_limits, update_refusal

AMOUNT = st.floats(0, 1e6)
FRACTION = st.floats(0, 1)


def _limits(
    owner: float, ebb: float, confidence: float, owner_usd: float | None = None, usd: float = 0.0
) -> UpdateLimits:
    return update_limits(
        owner_rps=owner, ebb_rps=ebb, owner_usd=owner_usd, cheapest_usd=usd, confidence=confidence
    )


@settings(max_examples=500)
@given(owner=AMOUNT, ebb=AMOUNT, one=FRACTION, other=FRACTION)
def test_the_threshold_falls_as_confidence_rises_and_never_passes_the_owners(
    owner: float, ebb: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    unsure, sure = (_limits(owner, ebb, c, owner, ebb) for c in (low, high))
    for field in ("demand_rps", "cost_usd"):
        assert getattr(sure, field) <= getattr(unsure, field) + 1e-9 * owner
        assert min(owner, ebb) - 1e-9 * owner <= getattr(sure, field) <= owner
    assert _limits(owner, ebb, 0.0).demand_rps == owner


@settings(max_examples=500)
@given(owner=AMOUNT, ebb=AMOUNT, lower=AMOUNT, confidence=FRACTION)
def test_a_lower_ebb_never_raises_the_threshold(
    owner: float, ebb: float, lower: float, confidence: float
) -> None:
    low, high = sorted((ebb, lower))
    deep, shallow = (_limits(owner, one, confidence).demand_rps for one in (low, high))
    assert deep <= shallow + 1e-9 * owner


def test_without_a_limit_of_the_owner_cost_stops_nothing() -> None:
    assert _limits(10, 5, 1.0).cost_usd == math.inf


@settings(max_examples=500)
@given(queued=AMOUNT, best=AMOUNT, is_missed=st.booleans())
def test_a_queued_ebb_only_rises_and_only_when_its_window_was_missed(
    queued: float, best: float, is_missed: bool
) -> None:
    kept = kept_ebb(queued, best, is_missed=is_missed)
    assert kept >= queued
    assert is_missed or kept == queued


LIMITS = UpdateLimits(demand_rps=50.0, cost_usd=2.0)
FIT: dict[str, float] = {"window_max_rps": 50.0, "fits_fraction": 0.99, "cost_usd": 2.0}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, None),
        ({"window_max_rps": 50.1}, "demand up to 50.1 rps > 50"),
        ({"window_max_rps": math.nan}, "demand"),
        ({"fits_fraction": 0.98}, "probability 0.980"),
        ({"cost_usd": 2.1}, "extra cost 2.1 USD > 2"),
    ],
)
def test_an_update_waits_for_what_is_missing(changed: dict[str, float], word: str | None) -> None:
    refusal = update_refusal(LIMITS, **(FIT | changed), is_stale=False, is_forced=False)
    assert (refusal is None) if word is None else (refusal and word in refusal.reason)


def test_on_stale_data_only_a_forced_update_starts() -> None:
    stale = update_refusal(LIMITS, **FIT, is_stale=True, is_forced=False)
    assert stale is not None
    assert stale.reason == "no fresh demand"
    assert update_refusal(LIMITS, **FIT, is_stale=True, is_forced=True) is None


def test_every_move_is_told() -> None:
    after = UpdateLimits(demand_rps=40.0, cost_usd=2.0)
    (move,) = limit_moves(LIMITS, after, why="confidence 0.20 to 0.60")
    assert (move.name, move.was, move.now) == ("update_demand_rps", 50.0, 40.0)
    assert limit_moves(LIMITS, LIMITS, why="") == ()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"confidence must lie in \[0, 1\], was 1.1"):
        _limits(10, 5, 1.1)
    with pytest.raises(InvalidValueError, match="demand_rps must be >= 0, was -1"):
        UpdateLimits(demand_rps=-1.0)
