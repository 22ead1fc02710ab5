"""Quantiles of counts, and how those of several forecasts become one."""

from __future__ import annotations

from math import comb, exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.forecast.count_spread import DISPERSIONS, POISSON_AT, quantiles
from foretide.forecast.pool import POOL_LEVELS, averaged, pooled

LEVELS = (0.05, 0.5, 0.9, 0.99)


def quantile_of(chances: list[float], level: float) -> int:
    return int(np.searchsorted(np.cumsum(chances), level * (1 - 1e-12)))


@pytest.mark.parametrize("mean", [0.2, 1.3, 4.0, 20.0])
def test_poisson_quantiles_are_those_of_its_chances(mean: float) -> None:
    chances = [exp(-mean) * mean**k / factorial(k) for k in range(80)]
    found = quantiles(np.array([mean]), np.full((1, 4), POISSON_AT), LEVELS)[0]
    # The table knows means to two parts in a hundred.
    assert np.abs(found - [quantile_of(chances, level) for level in LEVELS]).max() <= 1


def test_few_who_may_call_spread_less() -> None:
    mean, chance = 8.0, 0.4
    chances = [comb(20, k) * chance**k * (1 - chance) ** (20 - k) for k in range(21)]
    narrow = np.full((1, 4), DISPERSIONS.index(-0.4))
    found = quantiles(np.array([mean]), narrow, LEVELS)[0]
    assert np.abs(found - [quantile_of(chances, level) for level in LEVELS]).max() <= 1


@settings(deadline=None)
@given(mean=st.floats(0, 1e6), dispersion=st.sampled_from(range(len(DISPERSIONS))))
def test_quantiles_rise_and_are_finite(mean: float, dispersion: int) -> None:
    found = quantiles(np.array([mean]), np.full((1, 4), dispersion), LEVELS)[0]
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found) >= 0).all()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=2), st.floats(0, 1))
def test_a_pool_lies_within_its_parts(means: list[float], part: float) -> None:
    index = np.full((2, len(POOL_LEVELS)), POISSON_AT)
    each = quantiles(np.array(means), index, POOL_LEVELS)
    trust = np.array([part, 1 - part])
    found = pooled(each, trust, POOL_LEVELS)
    assert (np.diff(found) >= 0).all()
    assert (found >= each.min(axis=0) - 1e-9).all()
    assert (found <= each.max(axis=0) + 1e-9).all()


def test_a_pool_takes_high_quantiles_from_who_says_much() -> None:
    index = np.full((2, len(POOL_LEVELS)), POISSON_AT)
    each = quantiles(np.array([10.0, 200.0]), index, POOL_LEVELS)
    low, high = pooled(each, np.array([0.5, 0.5]), (0.1, 0.9))
    assert low < 12
    assert high > 180
    middle = averaged(each, np.array([0.5, 0.5]))[POOL_LEVELS.index(0.9)]
    assert 90 < middle < 130


def test_one_alone_is_not_changed_by_pooling() -> None:
    each = quantiles(np.array([30.0]), np.full((1, len(POOL_LEVELS)), POISSON_AT), POOL_LEVELS)
    assert (pooled(each, np.ones(1), POOL_LEVELS[1:-1]) == each[0, 1:-1]).all()
