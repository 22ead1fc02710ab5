"""Thinning keeps every extreme; the day shown holds the steepest rise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foretide.model.demand import FloatArray
from foretide.simulate.report.thin import steepest_day, thin_extremes

_VALUES = arrays(
    np.float64,
    st.integers(1, 400),
    elements=st.one_of(st.floats(0, 1e6), st.just(float("nan"))),
)


@given(values=_VALUES, column_count=st.integers(1, 50))
def test_thinning_keeps_the_extremes_and_invents_nothing(
    values: FloatArray, column_count: int
) -> None:
    points, step_min = thin_extremes(values, column_count)
    assert len(points) <= 2 * column_count
    seen, kept = values[~np.isnan(values)], points[~np.isnan(points)]
    assert len(kept) == 0 if len(seen) == 0 else kept.max() == seen.max()
    assert len(kept) == 0 if len(seen) == 0 else kept.min() == seen.min()
    assert np.isin(kept, seen).all()
    assert len(points) * step_min >= len(values)


@given(values=_VALUES, column_count=st.integers(1, 50))
def test_each_column_shows_its_own_extremes(values: FloatArray, column_count: int) -> None:
    points, step_min = thin_extremes(values, column_count)
    if step_min == 1.0 and len(points) == len(values):
        np.testing.assert_array_equal(points, values)
        return
    width = round(2 * step_min)
    for place in range(len(points) // 2):
        column = values[place * width : (place + 1) * width]
        column = column[~np.isnan(column)]
        pair = points[2 * place : 2 * place + 2]
        if len(column):
            assert (pair.min(), pair.max()) == (column.min(), column.max())
        else:
            assert np.isnan(pair).all()


def test_order_within_a_column_is_that_of_time() -> None:
    points, _ = thin_extremes(np.array([1.0, 9.0, 5.0, 5.0, 9.0, 1.0, 5.0, 5.0]), 2)
    assert points.tolist() == [1.0, 9.0, 9.0, 1.0]


@given(at=st.integers(0, 5 * 1440 - 90))
def test_the_day_holds_the_steepest_rise(at: int) -> None:
    demand = np.full(5 * 1440, 10.0)
    demand[at + 45 :] = 100.0
    day = steepest_day(demand)
    assert day.stop - day.start == 1440
    assert 0 <= day.start <= at + 45 < day.stop <= len(demand)


@given(values=_VALUES)
def test_a_short_series_is_shown_whole(values: FloatArray) -> None:
    assert steepest_day(values) == slice(0, len(values))


def test_a_gap_is_no_rise() -> None:
    demand = np.full(4 * 1440, 50.0)
    demand[1440:2880] = np.nan
    demand[3500:] = 60.0
    day = steepest_day(demand)
    assert day.start <= 3500 < day.stop
