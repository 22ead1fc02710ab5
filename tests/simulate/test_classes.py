"""A series' class follows from what was seen and foreseen, whatever a policy made of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.demand import FloatArray
from foretide.simulate.classes import LoadClass, series_class
from foretide.simulate.outcome import Band

MINUTES = 2000


def band(median_rps: FloatArray) -> Band:
    return Band(low_rps=0.9 * median_rps, median_rps=median_rps, high_rps=1.1 * median_rps)


def wave(mean: float) -> FloatArray:
    return mean * (1 + 0.5 * np.sin(np.arange(MINUTES) / 200))


@given(
    off=st.floats(-0.4, 0.4),
    mean_count=st.floats(6, 1e4),
    capacity_rps=st.floats(1e-3, 1e3),
)
def test_seven_per_cent_tell_forecastable_from_bursty(
    off: float, mean_count: float, capacity_rps: float
) -> None:
    demand = wave(mean_count * capacity_rps)
    known = series_class(demand, band(demand * (1 + off)), capacity_rps)
    assert known.wape_fraction == pytest.approx(abs(off), abs=1e-9)
    if abs(abs(off) - 0.07) > 1e-6:
        is_near = abs(off) < 0.07
        assert known.load_class is (LoadClass.FORECASTABLE if is_near else LoadClass.BURSTY)


def test_under_a_tenth_of_the_peak_or_five_instances_is_spiky() -> None:
    demand = np.full(MINUTES, 10.0)
    demand[:40] = 500.0
    assert series_class(demand, band(demand), 1.0).load_class is LoadClass.SPIKY
    small = np.full(MINUTES, 4.9)
    assert series_class(small, band(small), 1.0).load_class is LoadClass.SPIKY
    assert series_class(small, band(small), 0.9).load_class is LoadClass.FORECASTABLE


def test_what_was_not_observed_or_not_forecast_is_not_judged() -> None:
    demand = wave(20.0)
    median = demand.copy()
    demand[:700] = np.nan
    median[700:900] = np.nan
    known = series_class(demand, band(median), 1.0)
    assert (known.wape_fraction, known.coverage_fraction) == (0.0, 1.0)
    assert series_class(demand, None, 1.0).load_class is LoadClass.UNKNOWN
    nothing = np.full(MINUTES, np.nan)
    for unseen in (nothing, np.zeros(MINUTES)):
        assert series_class(unseen, band(demand), 1.0).load_class is LoadClass.UNKNOWN
