"""What no plan may break: the bounds of a fleet, the rates of change, and the age of data."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.plan import Reason
from foretide.plan.capacity import linear_curve
from foretide.plan.guard import is_stale, limited_total
from foretide.plan.knob import Knob
from foretide.plan.policy import ServicePolicy


def _policy(min_count: int = 1, max_count: int = 1000, boot_s: float = 300) -> ServicePolicy:
    return ServicePolicy(
        service="web", version="v1", curve=linear_curve(10), knob=Knob(run_rho=4), boot_s=boot_s,
        has_warm_pool=True, min_count=min_count, max_count=max_count,
    )  # fmt: skip


def _limited(wanted: int, current: int, demanded: int = 0) -> tuple[int, tuple[Reason, ...]]:
    return limited_total(wanted, current, _policy(2, 50), demanded_count=demanded)


def test_growth_is_the_larger_of_doubling_and_four() -> None:
    assert _limited(45, 20) == (40, (Reason.STEP_UP_LIMIT,))
    assert _limited(40, 20) == (40, ())
    assert _limited(45, 2) == (6, (Reason.STEP_UP_LIMIT,))


def test_growth_to_what_demand_takes_already_is_not_limited() -> None:
    assert _limited(45, 2, demanded=45) == (45, ())
    assert _limited(45, 2, demanded=30) == (30, (Reason.STEP_UP_LIMIT,))
    assert _limited(5, 2, demanded=30) == (5, ())


def test_removal_is_the_larger_of_a_tenth_and_one() -> None:
    assert _limited(3, 40) == (36, (Reason.STEP_DOWN_LIMIT,))
    assert _limited(3, 9) == (8, (Reason.STEP_DOWN_LIMIT,))
    assert _limited(8, 9) == (8, ())


def test_the_bounds_of_the_fleet_win_over_the_rates() -> None:
    assert _limited(0, 2) == (2, (Reason.STEP_DOWN_LIMIT, Reason.MIN_INSTANCES))
    assert _limited(90, 30) == (50, (Reason.STEP_UP_LIMIT, Reason.MAX_INSTANCES))
    assert _limited(80, 100) == (50, (Reason.MAX_INSTANCES,))
    assert _limited(0, 0) == (2, (Reason.MIN_INSTANCES,))


_counts = st.integers(0, 300)


@given(_counts, _counts, _counts, st.integers(1, 100), st.integers(0, 200))
def test_a_guard_never_turns_a_change_round(
    wanted: int, current: int, demanded: int, least: int, more: int
) -> None:
    policy = _policy(least, least + more)
    total, bound = limited_total(wanted, current, policy, demanded_count=demanded)
    assert policy.min_count <= total <= policy.max_count
    assert (total == wanted) == (not bound)
    if policy.min_count <= current <= policy.max_count:
        assert min(wanted, current) <= total or Reason.MIN_INSTANCES in bound
        assert total <= max(wanted, current, policy.min_count)


@given(_counts, _counts, _counts, _counts, st.integers(1, 100))
def test_a_guard_keeps_the_order_of_wishes(
    first: int, second: int, current: int, demanded: int, least: int
) -> None:
    low, high = sorted((first, second))
    policy = _policy(least, 200)

    def total(wanted: int) -> int:
        return limited_total(wanted, current, policy, demanded_count=demanded)[0]

    assert total(low) <= total(high)


def test_data_is_stale_after_three_minutes_or_two_buckets() -> None:
    assert [is_stale(age, 60) for age in (0, 180, 180.1, 3600)] == [False, False, True, True]
    assert [is_stale(age, 300) for age in (181, 600, 601)] == [False, False, True]
    assert is_stale(None, 60)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"min_count": 0}, r"min_count must lie in \[1, max_count = 1000\], was 0"),
        ({"min_count": 5, "max_count": 4}, r"min_count must lie in \[1, max_count = 4\], was 5"),
        ({"boot_s": 0}, "boot_s must be > 0, was 0"),
        ({"boot_s": math.nan}, "boot_s must be > 0, was nan"),
    ],
)
def test_an_impossible_policy_is_refused(policy: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        _policy(**policy)


def test_a_boot_is_whole_minutes_and_the_planner_looks_three_of_them_ahead() -> None:
    boots = [(p.boot_minutes, p.horizon_minutes) for p in map(_policy_booting, (1, 60, 61, 1200))]
    assert boots == [(1, 31), (1, 31), (2, 31), (20, 61)]


def _policy_booting(boot_s: float) -> ServicePolicy:
    return _policy(boot_s=boot_s)
