from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.forecasters import START
from foretide.forecast.issue import Past
from foretide.forecasters.intervals import backtest_days, calibrated, origin_rows
from foretide.forecasters.shown import shown
from foretide.model.demand import Demand, FloatArray

LEVELS = (0.1, 0.5, 0.9)


@given(days=st.integers(1, 56), count=st.integers(1, 30))
def test_origins_lie_in_the_days_held_out(days: int, count: int) -> None:
    rows = origin_rows(days, count)
    assert len(rows) <= count
    assert rows == sorted(set(rows))
    assert all(days - backtest_days(days) <= row < days for row in rows)


def test_four_origins_of_two_months_are_weeks_apart() -> None:
    assert origin_rows(56, 4) == [28, 35, 42, 49]


def past(values: FloatArray) -> Past:
    demand = Demand(series_id="a", start=START, step_s=3600, values=values)
    found = shown(demand, issued_at=demand.end, zone=ZoneInfo("UTC"))
    assert found is not None
    return found.past


@pytest.mark.parametrize("stray", [0.1, 0.4])
def test_an_interval_is_as_wide_as_earlier_ones_were_wrong(stray: float) -> None:
    rng = np.random.default_rng(1)
    seen = past(np.square(2 + stray * rng.standard_normal(56 * 24)))
    middle = np.float32(4 / (4 + stray**2))
    centre = np.full((7, 24), middle, dtype=np.float32)
    guesses = dict.fromkeys(origin_rows(56, 8), centre)
    found = np.sqrt(calibrated(seen, centre, guesses, LEVELS)[0] / middle)
    half_width = float((found[..., 2] - found[..., 0]).mean()) / 2
    assert half_width == pytest.approx(1.2816 * stray / 2, rel=0.3)
    assert np.abs(found[..., 1] - 1).max() < stray / 2


def test_without_an_origin_it_is_wide_by_prior() -> None:
    centre = np.ones((7, 24), dtype=np.float32)
    found = calibrated(past(np.full(56 * 24, 4.0)), centre, {}, LEVELS)[0]
    assert (found[..., 2] > 1.2 * found[..., 0]).all()
