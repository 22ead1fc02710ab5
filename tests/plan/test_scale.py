"""The three ways a fleet may go, and how slowly the soft rule lets instances go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.plan import Branch
from foretide.plan.scale import Interval, proactive_scale, soft_drop_count


def _interval(width: float) -> Interval:
    return Interval(width_fraction=width, width_max_fraction=0.3)


@pytest.mark.parametrize("width", [0.0, 0.3, 0.31, 2.0])
def test_a_target_above_scales_up_however_unsure(width: float) -> None:
    assert proactive_scale(11, _interval(width), 10) is Branch.SCALE_UP


def test_a_target_below_scales_down_only_when_sure() -> None:
    assert proactive_scale(9, _interval(0.3), 10) is Branch.SCALE_DOWN
    assert proactive_scale(9, _interval(0.31), 10) is Branch.HOLD


@pytest.mark.parametrize("width", [0.0, 2.0])
def test_a_target_met_holds(width: float) -> None:
    assert proactive_scale(10, _interval(width), 10) is Branch.HOLD


def test_the_wider_the_interval_the_more_plans_a_removal_takes() -> None:
    # 60 of 2,000 too many: at once while narrow, then in 2, 3 ... at most 5 plans
    widths = (0.3, 0.4, 0.5, 0.6, 0.9, 9.0)
    assert [soft_drop_count(60, _interval(w), 2000) for w in widths] == [60, 30, 20, 20, 12, 12]


def test_a_soft_removal_ends_at_a_twentieth_of_the_fleet_and_begins_at_one() -> None:
    assert soft_drop_count(50, _interval(0.3), 100) == 5
    assert soft_drop_count(3, _interval(0.9), 100) == 1
    assert soft_drop_count(8, _interval(0.3), 10) == 1


@given(
    current=st.integers(1, 5000),
    share=st.floats(0, 1),
    widths=st.tuples(st.floats(0, 5), st.floats(0, 5)),
)
def test_a_wider_interval_never_removes_faster(
    current: int, share: float, widths: tuple[float, float]
) -> None:
    excess = max(1, int(share * current))
    narrow, wide = (soft_drop_count(excess, _interval(w), current) for w in sorted(widths))
    assert wide <= narrow
    assert 1 <= wide <= min(excess, max(1, current // 20))
