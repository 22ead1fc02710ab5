"""The referee's arithmetic, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.simulate.counts import Counts, Score, score

NAN = float("nan")


def counts(
    serving: list[int], warm: list[int] | None = None, booting: list[int] | None = None
) -> Counts:
    none = [0] * len(serving)
    return Counts(
        serving=np.array(serving), warm=np.array(warm or none), booting=np.array(booting or none)
    )


def scored(one: Counts, demand_rps: list[float], *, fraction: float = 0.25) -> Score:
    return score(
        one,
        np.array(demand_rps),
        capacity_rps=10.0,
        warm_price_fraction=fraction,
        price_usd_per_hour=6.0,
    )


def test_what_comes_over_capacity_is_lost_and_not_carried_over() -> None:
    told = scored(counts([1, 1, 3]), [15.0, 10.0, 5.0])
    assert told.violation_fraction == pytest.approx(5 / 30)
    assert told.scored_minute_count == 3


def test_warm_costs_its_fraction_and_booting_all_of_it() -> None:
    told = scored(counts([2, 0], [4, 0], [1, 0]), [1.0, 1.0])
    assert told.cost_usd == pytest.approx((2 + 1 + 4 * 0.25) * 0.1)
    assert told.mean_billed_count == pytest.approx(4 / 2)


def test_warm_and_booting_serve_nobody() -> None:
    assert scored(counts([0], [9], [9]), [10.0]).violation_fraction == 1.0


def test_a_minute_nobody_saw_is_neither_billed_nor_missed() -> None:
    told = scored(counts([1, 50, 1]), [10.0, NAN, 20.0])
    assert (told.scored_minute_count, told.mean_billed_count) == (2, 1.0)
    assert told.violation_fraction == pytest.approx(10 / 30)


@pytest.mark.parametrize("demand", [[0.0, 0.0], [NAN, NAN]])
def test_no_demand_is_no_violation(demand: list[float]) -> None:
    assert scored(counts([1, 1]), demand).violation_fraction == 0.0


def test_counts_can_begin_later() -> None:
    later = counts([1, 2, 3], [4, 5, 6], [7, 8, 9]).from_minute(1)
    assert [part.tolist() for part in (later.serving, later.warm, later.booting)] == [
        [2, 3],
        [5, 6],
        [8, 9],
    ]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 300)), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_more_instances_miss_no_more_and_cost_no_less(
    minutes: list[tuple[int, float]], extra: int
) -> None:
    demand = [rps for _, rps in minutes]
    few = scored(counts([count for count, _ in minutes]), demand)
    many = scored(counts([count + extra for count, _ in minutes]), demand)
    assert 0 <= many.violation_fraction <= few.violation_fraction <= 1 + 1e-12
    assert many.cost_usd > few.cost_usd
