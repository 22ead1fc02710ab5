"""What earlier days say: worked by hand, and never from the day itself or later."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foretide.forecast.profile import (
    DayTable,
    day_rows,
    day_table,
    smoothed_day,
    trailing_mean,
    weighted_mean,
)
from foretide.model.demand import FloatArray

NAN = np.nan
amounts = st.one_of(st.just(NAN), st.floats(0, 1e6))


def table_of(rows: FloatArray, **changed: float) -> DayTable:
    asked = {"first_row": 0, "memory_days": 21, "half_life_days": 1.0, "half_width": 0} | changed
    return day_table(
        rows,
        first_row=int(asked["first_row"]),
        memory_days=int(asked["memory_days"]),
        half_life_days=asked["half_life_days"],
        half_width=int(asked["half_width"]),
    )


def test_days_end_where_the_history_ends() -> None:
    rows = day_rows(np.arange(1.0, 6.0), 3)
    np.testing.assert_array_equal(rows, [[NAN, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(day_rows(np.arange(1.0, 6.0), 3, first_row=1), [[3, 4, 5]])


def test_what_is_missing_weighs_nothing() -> None:
    rows = np.array([[1.0, NAN, 4.0], [3.0, NAN, NAN]])
    np.testing.assert_array_equal(weighted_mean(rows, np.array([1.0, 3.0])), [2.5, NAN, 4.0])


def test_a_day_is_smoothed_round_midnight() -> None:
    smoothed = smoothed_day(np.array([3.0, 0.0, 0.0, 6.0]), 1)
    np.testing.assert_allclose(smoothed, [3.0, 1.0, 2.0, 3.0])


def test_a_trailing_mean_leaves_out_what_is_missing() -> None:
    means = trailing_mean(np.array([1.0, NAN, 5.0, NAN, NAN]), 2)
    np.testing.assert_array_equal(means, [1.0, 1.0, 5.0, 5.0, NAN])


@given(arrays(np.float64, st.integers(1, 60), elements=amounts), st.integers(1, 70))
def test_a_trailing_mean_knows_nothing_of_later_values(values: FloatArray, width: int) -> None:
    whole = trailing_mean(values, width)
    cut = len(values) // 2 + 1
    assert trailing_mean(values[:cut], width).tobytes() == whole[:cut].tobytes()
    expected = [
        float(np.nanmean(w)) if np.isfinite(w).any() else NAN for w in _windows(values, width)
    ]
    np.testing.assert_allclose(whole, expected, rtol=1e-6, atol=1e-4)


def _windows(values: FloatArray, width: int) -> list[FloatArray]:
    return [values[max(0, at + 1 - width) : at + 1] for at in range(len(values))]


def test_recent_days_count_more() -> None:
    rows = np.array([[4.0], [1.0]])
    expected = [NAN, 4.0, (1.0 + 0.5 * 4.0) / 1.5, (1.0 + 0.5 * 4.0) / 1.5]
    smooth = table_of(np.vstack([rows, [[NAN]]])).smooth[:, 0]
    np.testing.assert_allclose(smooth[:3], expected[:3])
    assert smooth[3] == pytest.approx(expected[3])


def test_what_smoothing_takes_away_is_kept_as_wander() -> None:
    rows = np.tile([0.0, 0.0, 9.0, 0.0, 0.0, 0.0], (3, 1))
    table = table_of(rows, half_width=1)
    np.testing.assert_allclose(table.smooth[2] + table.wander[2], rows[0])
    assert table.wander[2].argmax() == 2


def test_the_weekday_is_told_from_the_day() -> None:
    rows = np.array([[1.0 if day % 7 == 5 else 10.0] for day in range(21)])
    table = table_of(rows, half_life_days=4.0)
    weekday = table.smooth[:, 0] + table.weekly[:, 0]
    np.testing.assert_allclose(weekday[14:21], rows[14:21, 0])
    assert (table.weekly[:7] == 0).all()


@settings(max_examples=50)
@given(
    arrays(np.float64, st.tuples(st.integers(2, 20), st.just(6)), elements=amounts),
    st.integers(0, 3),
    st.data(),
)
def test_a_day_is_expected_from_earlier_days_alone(
    rows: FloatArray, half_width: int, data: st.DataObject
) -> None:
    day = data.draw(st.integers(0, len(rows) - 1))
    corrupted = rows.copy()
    corrupted[day:] = 1e9
    one, other = (table_of(r, half_width=half_width) for r in (rows, corrupted))
    for name in ("smooth", "wander", "weekly"):
        np.testing.assert_array_equal(
            getattr(one, name)[: day + 1], getattr(other, name)[: day + 1]
        )
