from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.forecast.score import coverage, pinball, wql

LEVELS = (0.1, 0.5, 0.9)


def test_pinball_of_a_worked_example() -> None:
    loss = pinball(np.array([[8.0, 10.0, 12.0]]), LEVELS, np.array([11.0]))
    np.testing.assert_allclose(loss, [[0.3, 0.5, 0.1]])


def test_wql_is_twice_the_loss_over_the_demand() -> None:
    values, actual = np.array([[8.0, 10.0, 12.0], [1.0, 1.0, 1.0]]), np.array([11.0, np.nan])
    assert math.isclose(wql(values, LEVELS, actual), 2 * 0.9 / 3 / 11)
    assert math.isnan(wql(values, LEVELS, np.zeros(2)))


@given(st.lists(st.floats(0, 100), min_size=30, max_size=60), st.sampled_from(LEVELS))
def test_the_empirical_quantile_has_the_least_loss(seen: list[float], level: float) -> None:
    actual = np.array(seen)

    def loss(value: float) -> float:
        return float(pinball(np.full((len(actual), 1), value), (level,), actual).sum())

    best = float(np.quantile(actual, level, method="inverted_cdf"))
    assert loss(best) <= min(loss(best + 1), loss(best - 1)) + 1e-9


def test_coverage_counts_what_was_observed() -> None:
    low, high = np.zeros(4), np.ones(4)
    assert coverage(low, high, np.array([0.0, 2.0, np.nan, 0.5])) == 2 / 3
    assert math.isnan(coverage(low, high, np.full(4, np.nan)))
