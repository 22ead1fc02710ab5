"""The HPA formula against worked examples of Kubernetes and its laws."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.reactive import (
    SCALE_DOWN,
    SCALE_UP,
    ScaleRule,
    average_count,
    bounded_count,
    stabilised_count,
    wanted_count,
)

# name: used by the measured, target, current, measured, unready, missing -> wanted.
# From Kubernetes' pkg/controller/podautoscaler/replica_calculator_test.go (test of that name).
_KUBERNETES = {
    "ScaleUp": (0.3 + 0.5 + 0.7, 0.3, 3, 3, 0, 0, 5),
    "ScaleUpUnreadyLessScale": (0.5 + 0.7, 0.3, 3, 2, 1, 0, 4),
    "ScaleUpUnreadyNoScale": (0.4, 0.3, 3, 1, 2, 0, 3),
    "ScaleUpIgnoresFailedPods": (0.5 + 0.7, 0.3, 2, 2, 0, 0, 4),
    "ScaleUpCM": (20 + 10 + 30, 15, 3, 3, 0, 0, 4),
    "ScaleUpCMUnreadyHotCpuNoLessScale": (50 + 10 + 30, 15, 3, 3, 0, 0, 6),
    "ScaleDown": (0.1 + 0.3 + 0.5 + 0.25 + 0.25, 0.5, 5, 5, 0, 0, 3),
    "ScaleDownIncludeUnreadyPods": (0.1 + 0.3 + 0.5, 0.5, 5, 3, 2, 0, 2),
    "ScaleDownExcludeUnscheduledPods": (0.1, 0.5, 5, 1, 4, 0, 1),
    "Tolerance": (3 * 1.02, 1.0, 3, 3, 0, 0, 3),
    "ToleranceCM": (20 + 21 + 21, 20, 3, 3, 0, 0, 3),
    "MissingMetrics": (0.4 + 0.095, 1.0, 4, 2, 0, 2, 3),
    "MissingMetricsNoChangeEq": (1.0, 1.0, 2, 1, 0, 1, 2),
    "MissingMetricsNoChangeGt": (1.9, 1.0, 2, 1, 0, 1, 2),
    "MissingMetricsNoChangeLt": (0.6, 1.0, 2, 1, 0, 1, 2),
    "MissingMetricsUnreadyChange": (0.45, 0.5, 3, 1, 1, 1, 3),
    "MissingMetricsUnreadyScaleUp": (2.0, 0.5, 3, 1, 1, 1, 4),
    "MissingMetricsUnreadyScaleDown": (0.2, 0.5, 4, 2, 1, 1, 3),
    "DuringRollingUpdateWithMaxSurge": (0.2, 0.5, 2, 2, 0, 1, 2),
    # From the documentation, "Algorithm details": 200m against 100m doubles, 50m halves.
    "documentation doubles": (4 * 0.2, 0.1, 4, 4, 0, 0, 8),
    "documentation halves": (4 * 0.05, 0.1, 4, 4, 0, 0, 2),
    # By hand: 3 x 1.1 lies on the edge of the tolerance; just beyond it, ceil(3.33) = 4.
    "edge of the tolerance": (3 * 1.1, 1.0, 3, 3, 0, 0, 3),
    "beyond the tolerance": (3 * 1.11, 1.0, 3, 3, 0, 0, 4),
    "no demand": (0.0, 0.7, 5, 5, 0, 0, 0),
    "nothing measured": (0.0, 0.7, 5, 0, 5, 0, 5),
}


@pytest.mark.parametrize("name", _KUBERNETES)
def test_wanted_count_as_kubernetes_computes_it(name: str) -> None:
    used, target, current, measured, unready, missing, expected = _KUBERNETES[name]
    assert (
        wanted_count(
            used,
            target_fraction=target,
            current_count=current,
            measured_count=measured,
            unready_count=unready,
            missing_count=missing,
        )
        == expected
    )


# From the same file: the metric in front of all instances, what each is to bear of it.
_KUBERNETES_AVERAGE = {
    "ScaleUpPerPodCMExternal": (8.6, 2.15, 3, 4),
    "ScaleDownPerPodCMExternal": (8.6, 2.867, 5, 3),
    # By hand: 3 x 1.1 lies on the edge of the tolerance.
    "edge of the tolerance": (3.3, 1.0, 3, 3),
    "beyond the tolerance": (3.31, 1.0, 3, 4),
    "no demand": (0.0, 1.0, 3, 0),
}


@pytest.mark.parametrize("name", _KUBERNETES_AVERAGE)
def test_average_count_as_kubernetes_computes_it(name: str) -> None:
    used, target, current, expected = _KUBERNETES_AVERAGE[name]
    assert average_count(used, target_fraction=target, current_count=current) == expected


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.05, 1.5), st.integers(1, 60))
def test_more_of_a_shared_metric_never_asks_for_fewer(
    used: float, more: float, target: float, current: int
) -> None:
    few, many = (
        average_count(use, target_fraction=target, current_count=current)
        for use in sorted((used, more))
    )
    assert few <= many


_counts = st.integers(0, 60)


@given(st.floats(0, 100), st.floats(0.05, 1.5), st.integers(1, 60), _counts, _counts)
def test_more_use_never_asks_for_fewer_beyond_the_tolerance(
    used: float, target: float, measured: int, unready: int, missing: int
) -> None:
    def wanted(use: float) -> int:
        return wanted_count(
            use,
            target_fraction=target,
            current_count=measured + unready + missing,
            measured_count=measured,
            unready_count=unready,
            missing_count=missing,
        )

    ratio = used / measured / target
    if ratio > 1:  # growing: what more use asks for is at least what is there and was asked for
        assert wanted(used * 1.5) >= wanted(used)


@given(st.floats(0, 100), st.floats(0.05, 1.5), st.integers(1, 60), _counts, st.integers(1, 60))
def test_a_missing_measurement_never_causes_a_removal(
    used: float, target: float, measured: int, unready: int, missing: int
) -> None:
    current = measured + unready + missing
    want = partial(
        wanted_count, target_fraction=target, current_count=current, unready_count=unready
    )
    blind = want(used, measured_count=measured, missing_count=missing)
    if used / measured / target > 1:
        assert blind >= current
    else:
        seen = used + missing * used / measured
        seeing = want(seen, measured_count=measured + missing)
        assert blind >= min(seeing, current)


def test_stabilisation_holds_the_highest_recent_wish_on_the_way_down() -> None:
    # 10 run, 4 are wanted, but 8 were wanted within the window: go to 8 only.
    assert stabilised_count(10, lowest_recent_count=4, highest_recent_count=8) == 8
    # 10 run and 12 were wanted within the window: stay.
    assert stabilised_count(10, lowest_recent_count=4, highest_recent_count=12) == 10
    # 10 run and 15 are wanted, with no upward window the lowest wish is the present one: go up.
    assert stabilised_count(10, lowest_recent_count=15, highest_recent_count=15) == 15


def test_growth_is_the_larger_of_doubling_and_four_in_15_s() -> None:
    # Documentation, "Default behavior": 4 instances or 100 % every 15 s, whichever is more.
    assert bounded_count(100, current_count=1) == 5
    assert bounded_count(100, current_count=4) == 8
    assert bounded_count(100, current_count=10) == 20
    assert bounded_count(12, current_count=10) == 12


def test_growth_counts_what_the_period_has_already_brought() -> None:
    # 20 run, 10 of them since the period began: it began at 10 and may end at 20.
    assert bounded_count(100, current_count=20, added_count=10) == 20
    # 20 run, 5 were removed in the period: it began at 25 and may end at 50.
    assert bounded_count(100, current_count=20, removed_count=5) == 50


def test_shrinking_goes_to_the_lower_bound_at_once_by_default() -> None:
    assert bounded_count(0, current_count=50) == 1
    assert bounded_count(0, current_count=50, min_count=7) == 7
    # Documentation, "Limit scale down rate": at most 10 % a minute.
    tenth = ScaleRule(step_fraction=0.1, step_count=0, period_s=60, stabilisation_s=300)
    assert bounded_count(10, current_count=80, down=tenth) == 72
    assert bounded_count(10, current_count=72, removed_count=8, down=tenth) == 72


def test_bounds_win_over_rates() -> None:
    assert bounded_count(100, current_count=10, max_count=15) == 15
    assert bounded_count(3, current_count=3, min_count=5) == 5
    assert bounded_count(30, current_count=30, max_count=20) == 20


@given(_counts, _counts, st.integers(0, 20), st.integers(0, 20), st.integers(1, 9))
def test_a_rate_never_turns_a_change_round(
    wanted: int, current: int, added: int, removed: int, lowest: int
) -> None:
    current = max(current, lowest)
    got = bounded_count(
        wanted,
        current_count=current,
        added_count=added,
        removed_count=removed,
        min_count=lowest,
    )
    assert got >= lowest
    assert min(wanted, current) <= got or got == lowest
    assert got <= max(wanted, current)


def test_a_scale_rule_is_checked() -> None:
    with pytest.raises(InvalidValueError, match="period_s must be > 0, was 0"):
        ScaleRule(step_fraction=1, step_count=4, period_s=0, stabilisation_s=0)
    with pytest.raises(InvalidValueError, match=">= 0"):
        ScaleRule(step_fraction=-1, step_count=4, period_s=15, stabilisation_s=0)
    assert (SCALE_UP.stabilisation_s, SCALE_DOWN.stabilisation_s) == (0, 300)
