"""The fleet that never changes."""

from __future__ import annotations

import math

import numpy as np

from foretide.simulate.rivals.static_peak import static_peak_counts


def test_it_stays_what_the_highest_demand_of_the_warm_up_took() -> None:
    demand = np.array([2.0, 9.1, math.nan, 3.0, 50.0, 1.0])
    counts = static_peak_counts(demand, capacity_rps=2.0, first_scored=4)
    assert counts.serving.tolist() == [1, 1, 5, 5, 5, 5]
    assert not counts.booting.any()
    assert not counts.warm.any()


def test_a_peak_in_the_last_minute_of_the_warm_up_counts() -> None:
    demand = np.array([2.0, 2.0, 8.0, 2.0])
    assert static_peak_counts(demand, capacity_rps=2.0, first_scored=3).serving[-1] == 4


def test_without_a_warm_up_nothing_is_known() -> None:
    counts = static_peak_counts(np.array([9.0, 9.0]), capacity_rps=1.0, first_scored=0)
    assert counts.serving.tolist() == [1, 1]
