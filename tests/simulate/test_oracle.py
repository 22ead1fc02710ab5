"""The clairvoyant's front: against brute force, and below every policy that can be played."""

from __future__ import annotations

import itertools
import math
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts, IntArray, Score, score
from foretide.simulate.oracle import front_cost_at, oracle_counts, oracle_front
from foretide.simulate.outcome import Front
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import Scenario

_CAPACITY_RPS = 2.0
_SEEDS = st.integers(0, 2**32 - 1)
_SCENARIOS = st.builds(
    Scenario,
    objective=st.sampled_from([0.001, 0.01, 0.2]),
    boot_s=st.sampled_from([60, 120, 300]),
    warm_price_fraction=st.sampled_from([0.1, 0.5, 1.0]),
)
_TINY = st.lists(
    st.one_of(st.floats(0, 3), st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, math.nan])),
    min_size=1,
    max_size=5,
)


def _score(counts: Counts, demand_rps: FloatArray, scenario: Scenario, first: int) -> Score:
    return score(
        counts.from_minute(first),
        demand_rps[first:],
        capacity_rps=_CAPACITY_RPS,
        warm_price_fraction=scenario.warm_price_fraction,
        price_usd_per_hour=scenario.price_usd_per_hour,
    )


def _front(demand_rps: FloatArray, scenario: Scenario, first: int = 0) -> Front:
    return oracle_front(
        demand_rps, capacity_rps=_CAPACITY_RPS, scenario=scenario, first_scored=first
    )


def _with_boots(serving: IntArray, warm: IntArray, boot: int) -> Counts:
    # The launches that any sequence of counts needs, each booting just before it is on.
    booting = np.zeros_like(serving)
    launched = np.maximum(np.diff(serving + warm, prepend=serving[0] + warm[0]), 0)
    for minute in np.flatnonzero(launched):
        booting[max(minute - boot, 0) : minute] += launched[minute]
    return Counts(serving=serving, warm=warm, booting=booting)


@cache
def _every_fleet(minutes: int) -> tuple[IntArray, IntArray]:
    # All sequences of (serving, warm) with 1 serving at least and 3 instances at most.
    states = [(s, w) for s in (1, 2, 3) for w in range(4 - s)]
    every = np.array(list(itertools.product(states, repeat=minutes)))
    return every[:, :, 0], every[:, :, 1]


def _brute(demand_rps: FloatArray, scenario: Scenario) -> tuple[FloatArray, FloatArray]:
    # Missed requests and cost (USD) of every fleet there can be.
    seen = np.isfinite(demand_rps)
    serving, warm = _every_fleet(len(demand_rps))
    billed = (serving + scenario.warm_price_fraction * warm) @ seen
    present = serving + warm
    for minute in range(1, len(demand_rps)):
        boot = seen[max(minute - scenario.boot_minutes, 0) : minute].sum()
        billed = billed + boot * np.maximum(present[:, minute] - present[:, minute - 1], 0)
    short = np.maximum(np.where(seen, demand_rps, 0) - _CAPACITY_RPS * serving, 0)
    total = np.nansum(demand_rps)
    violation = short.sum(axis=1) / total if total else short.sum(axis=1)
    return violation, billed * scenario.price_usd_per_hour / 60


@settings(max_examples=60, deadline=None)
@given(_TINY, _SCENARIOS)
@example([1.5, math.nan, 3.0, 1.0, 3.0], Scenario(boot_s=120, warm_price_fraction=0.1))
def test_the_front_is_the_lower_hull_of_every_fleet(loads: list[float], rules: Scenario) -> None:
    demand = np.array(loads) * _CAPACITY_RPS
    violation, cost = _brute(demand, rules)
    front = _front(demand, rules)
    bound = np.interp(violation, front.violation_fraction, front.cost_usd)
    assert (cost >= bound - 1e-9).all()
    # exact where nothing is missed and at the far end, and reached at every vertex's line
    assert front.violation_fraction[0] == 0
    assert front.cost_usd[0] == pytest.approx(cost[violation <= 1e-9].min(), abs=1e-9)
    assert front.cost_usd[-1] == pytest.approx(cost.min(), abs=1e-9)
    for slope in np.diff(front.cost_usd) / np.diff(front.violation_fraction):
        reached = (cost - slope * violation).min()
        assert reached == pytest.approx((front.cost_usd - slope * front.violation_fraction).min())


@settings(max_examples=60, deadline=None)
@given(_TINY, _SCENARIOS)
def test_the_counts_meet_the_objective_at_a_vertex_of_the_front(
    loads: list[float], rules: Scenario
) -> None:
    demand = np.array(loads) * _CAPACITY_RPS
    counts = oracle_counts(demand, capacity_rps=_CAPACITY_RPS, scenario=rules, first_scored=0)
    got = _score(counts, demand, rules, 0)
    violation, cost = _brute(demand, rules)
    assert got.violation_fraction <= rules.objective + 1e-9
    bound = front_cost_at(_front(demand, rules), got.violation_fraction)
    assert got.cost_usd >= bound - 1e-9
    assert got.cost_usd <= cost[violation <= 1e-9].min() + 1e-9
    assert got.cost_usd >= cost[violation <= rules.objective + 1e-9].min() - 1e-9


def _series(seed: int, minutes: int = 300) -> FloatArray:
    rng = default_rng(seed)
    swing = 3 + 2.5 * np.sin(np.arange(minutes) * 2 * np.pi / rng.integers(50, 250))
    demand = swing * rng.uniform(0.3, 2) + rng.exponential(0.4, minutes)
    demand[rng.random(minutes) < 0.02] *= rng.uniform(1, 3)
    if rng.random() < 0.5:
        gap = rng.integers(0, minutes - 20)
        demand[gap : gap + rng.integers(1, 20)] = np.nan
    return demand * _CAPACITY_RPS


@settings(max_examples=40, deadline=None)
@given(_SEEDS, _SCENARIOS, st.integers(0, 150))
def test_no_policy_lies_below_the_front(seed: int, rules: Scenario, first: int) -> None:
    rng, demand = default_rng(seed), _series(seed)
    front = _front(demand, rules, first)
    need = np.nan_to_num(demand / _CAPACITY_RPS)
    serving = np.maximum(np.ceil(need * rng.uniform(0.3, 1.3)), 1).astype(np.int64)
    total = serving if rng.random() < 0.5 else _held(serving, int(rng.integers(1, 90)))
    near_optimal = oracle_counts(
        demand, capacity_rps=_CAPACITY_RPS, scenario=rules, first_scored=first
    )
    policies = [
        _with_boots(serving, total - serving, rules.boot_minutes),
        _with_boots(total, np.zeros_like(total), rules.boot_minutes),
        hpa_counts(demand, capacity_rps=_CAPACITY_RPS, scenario=rules, target=rng.uniform(0.2, 1)),
        near_optimal,
    ]
    for counts in policies:
        got = _score(counts, demand, rules, first)
        assert got.cost_usd >= front_cost_at(front, got.violation_fraction) * (1 - 1e-12)


def _held(serving: IntArray, minutes: int) -> IntArray:
    return np.array([serving[max(t - minutes, 0) : t + minutes].max() for t in range(len(serving))])


@settings(max_examples=25, deadline=None)
@given(_SEEDS, _SCENARIOS, st.integers(0, 150))
def test_the_front_falls_and_is_convex(seed: int, rules: Scenario, first: int) -> None:
    front = _front(_series(seed), rules, first)
    assert (np.diff(front.violation_fraction) > 0).all()
    assert (np.diff(front.cost_usd) < 0).all()
    slopes = np.diff(front.cost_usd) / np.diff(front.violation_fraction)
    assert (np.diff(slopes) >= -1e-6 * np.abs(slopes[1:])).all()


@settings(max_examples=25, deadline=None)
@given(_SEEDS, _SCENARIOS, st.integers(0, 150))
def test_the_counts_boot_what_they_launch(seed: int, rules: Scenario, first: int) -> None:
    demand = _series(seed)
    counts = oracle_counts(demand, capacity_rps=_CAPACITY_RPS, scenario=rules, first_scored=first)
    assert len(counts.serving) == len(counts.warm) == len(counts.booting) == len(demand)
    assert (counts.serving >= 1).all()
    assert (counts.warm >= 0).all()
    needed = _with_boots(counts.serving, counts.warm, rules.boot_minutes)
    np.testing.assert_array_equal(counts.booting, needed.booting)
    if not rules.has_warm_pool:
        assert not counts.warm.any()
    got = _score(counts, demand, rules, first)
    assert got.violation_fraction <= rules.objective + 1e-12


@pytest.mark.parametrize("has_pool", [True, False])
def test_no_hpa_lies_below_the_front_of_a_real_trace(shared_data: Path, has_pool: bool) -> None:
    rows = pl.read_parquet(shared_data / "demand" / "crane_cloud_1min.parquet")
    first_id = rows["series_id"].min()
    demand = rows.filter(pl.col("series_id") == first_id).sort("ts")["value"].to_numpy() / 60
    capacity, first = float(np.quantile(demand, 0.999)) / 50, len(demand) // 2
    rules = Scenario(warm_price_fraction=0.2 if has_pool else 1.0)
    front = oracle_front(demand, capacity_rps=capacity, scenario=rules, first_scored=first)
    for target in (0.3, 0.5, 0.7, 0.95):
        counts = hpa_counts(demand, capacity_rps=capacity, scenario=rules, target=target)
        got = score(
            counts.from_minute(first),
            demand[first:],
            capacity_rps=capacity,
            warm_price_fraction=rules.warm_price_fraction,
            price_usd_per_hour=rules.price_usd_per_hour,
        )
        assert got.cost_usd > front_cost_at(front, got.violation_fraction)


def test_a_front_is_held_level_beyond_its_ends() -> None:
    front = Front(violation_fraction=np.array([0.0, 0.1]), cost_usd=np.array([9.0, 5.0]))
    assert front_cost_at(front, 0.05) == 7
    assert front_cost_at(front, 0.5) == 5


@pytest.mark.parametrize("demand", [[], [math.nan] * 3, [0.0, 0.0], [1.0, 2.0]])
def test_one_instance_is_enough_for_nothing(demand: list[float]) -> None:
    values = np.array(demand)
    front = _front(values, Scenario())
    assert front.violation_fraction.tolist() == [0]
    assert front.cost_usd[0] == pytest.approx(np.isfinite(values).sum() * 0.1 / 60)
    counts = oracle_counts(values, capacity_rps=_CAPACITY_RPS, scenario=Scenario(), first_scored=0)
    assert counts.serving.tolist() == [1] * len(values)
