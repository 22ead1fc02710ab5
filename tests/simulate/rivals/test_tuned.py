"""The tuned rivals: every night the configuration of the last two weeks, found by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from foretide.model.demand import FloatArray
from foretide.simulate.counts import score
from foretide.simulate.rivals.hpa import controlled, hpa_warm_counts
from foretide.simulate.rivals.tuned import POOLS, TARGETS, tuned_counts
from foretide.simulate.scenario import Scenario

DAY = 1440


def weeks(days: float, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    minutes = int(days * DAY)
    rate = 20 - 12 * np.cos(2 * np.pi * np.arange(minutes) / DAY)
    demand = rate * np.exp(np.cumsum(rng.normal(0, 0.01, minutes)) * 0.3)
    for at in rng.integers(0, minutes, 5):
        demand[at : at + 10] *= 2
    demand[rng.random(minutes) < 0.01] = math.nan
    return demand


def test_the_sweep_is_the_published_one() -> None:
    assert TARGETS == (
        0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95,
    )  # fmt: skip
    assert POOLS == (0, 1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("objective", [0.0001, 0.01, 0.2])
def test_each_night_takes_over_what_brute_force_finds(objective: float) -> None:
    demand = weeks(17.5, seed=3)
    rules = Scenario(objective=objective, warm_price_fraction=0.2)
    pools = (0, 2)
    every = {
        (target, pool): hpa_warm_counts(
            demand, capacity_rps=1.0, scenario=rules, target=target, pool_count=pool
        )
        for target in TARGETS
        for pool in pools
    }
    targets, sizes = np.full(len(demand), 0.7), np.zeros(len(demand), np.int64)
    for night in range(1, 18):
        first, end = max(0, night - 14) * DAY, night * DAY
        scores = {
            config: score(
                counts.from_minute(first), np.concatenate([demand[first:end],
                np.full(len(demand) - end, math.nan)]), capacity_rps=1.0,
                warm_price_fraction=0.2, price_usd_per_hour=0.1,
            )
            for config, counts in every.items()
        }  # fmt: skip
        safe = {c: s for c, s in scores.items() if s.violation_fraction <= 0.7 * objective}
        least = min(s.violation_fraction for s in scores.values())
        pool = safe or {c: s for c, s in scores.items() if s.violation_fraction <= least + 1e-15}
        best = min(pool, key=lambda config: pool[config].cost_usd)
        targets[end:], sizes[end:] = best
    expected = controlled(demand, boot_minutes=5, target=targets, pool_count=sizes)
    got = tuned_counts(demand, capacity_rps=1.0, scenario=rules, pools=pools)
    np.testing.assert_array_equal(got.serving, expected.serving)
    np.testing.assert_array_equal(got.warm, expected.warm)
    np.testing.assert_array_equal(got.booting, expected.booting)


def test_less_than_a_day_runs_at_the_usual_target_without_a_pool() -> None:
    demand = weeks(0.9, seed=1)
    got = tuned_counts(demand, capacity_rps=1.0, scenario=Scenario(), pools=POOLS)
    usual = hpa_warm_counts(demand, capacity_rps=1.0, scenario=Scenario(), target=0.7, pool_count=0)
    np.testing.assert_array_equal(got.serving, usual.serving)
    assert not got.warm.any()


def test_a_day_nobody_saw_is_no_reason_to_fail() -> None:
    demand = np.concatenate([np.full(2 * DAY, math.nan), weeks(2, seed=2)])
    got = tuned_counts(demand, capacity_rps=1.0, scenario=Scenario(), pools=POOLS)
    assert got.serving.min() >= 1


def test_a_warm_pool_is_chosen_where_it_pays() -> None:
    # Calm but for a jump a day that nobody can see coming: a cheap pool covers it, a low target
    # would have to be paid for all day long.
    demand = np.full(6 * DAY, 20.0)
    for day, at in enumerate([300, 900, 500, 1100, 250, 700]):
        demand[day * DAY + at : day * DAY + at + 30] = 34.0
    rules = Scenario(objective=0.001, warm_price_fraction=0.1)
    got = tuned_counts(demand, capacity_rps=1.0, scenario=rules, pools=POOLS)
    assert got.warm[2 * DAY :].max() > 0
    bare = tuned_counts(demand, capacity_rps=1.0, scenario=rules, pools=(0,))
    assert got.billed(0.1)[2 * DAY :].sum() < bare.billed(0.1)[2 * DAY :].sum()
