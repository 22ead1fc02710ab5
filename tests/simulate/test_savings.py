"""A saving is what the costs say, and its interval holds what other days would have made of it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts, IntArray, score
from foretide.simulate.outcome import PolicyRun, SeriesOutcome, Sweep
from foretide.simulate.savings import cheapest_within, savings
from foretide.simulate.scenario import Scenario

START = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
RULES = Scenario(price_usd_per_hour=0.5, warm_price_fraction=0.2)
DAY = 1440


def run(policy: str, serving: IntArray, demand: FloatArray) -> PolicyRun:
    none = np.zeros_like(serving)
    counts = Counts(serving=serving, warm=none, booting=none)
    return PolicyRun(
        policy=policy,
        counts=counts,
        score=score(
            counts, demand, capacity_rps=1.0, warm_price_fraction=0.2, price_usd_per_hour=0.5
        ),
    )


def outcome(demand: FloatArray, **fleets: IntArray) -> SeriesOutcome:
    runs = tuple(run(name, serving, demand) for name, serving in fleets.items())
    return SeriesOutcome(
        series_id="web", start=START, demand_rps=demand, capacity_rps=1.0, runs=runs
    )


@settings(deadline=None, max_examples=50)
@given(
    days=st.integers(1, 20),
    share=st.floats(0.2, 1.8),
    noise=st.floats(0, 0.5),
    seed=st.integers(0, 99),
)
def test_a_saving_is_the_difference_of_costs_and_lies_in_its_interval(
    days: int, share: float, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    demand = np.full(days * DAY, 5.0)
    demand[::7] = np.nan
    rival = np.repeat(rng.integers(80, 120, days), DAY)
    own = np.rint(rival * share * np.repeat(rng.lognormal(0, noise, days), DAY)).astype(np.int64)
    found = savings([outcome(demand, own=own, hpa=rival)], "own", "hpa", RULES)
    seen = np.isfinite(demand)
    saved = 1 - own[seen].sum() / rival[seen].sum()
    assert found.saved_fraction == pytest.approx(saved)
    a_month = (rival[seen].mean() - own[seen].mean()) * 0.5 * 730
    assert found.saved_usd_per_month == pytest.approx(a_month)
    assert found.saved_usd_per_year == pytest.approx(12 * a_month)
    assert found.low_fraction <= found.saved_fraction <= found.high_fraction
    assert found.day_count == seen.sum() // DAY
    if noise == 0:
        assert found.high_fraction - found.low_fraction < 0.02  # days that are alike


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(100):
        rival = np.repeat(np.full(14, 1000), DAY)
        own = np.repeat(rng.integers(600, 1001, 14), DAY)  # saves a fifth of it on average
        found = savings([outcome(np.ones(14 * DAY), own=own, hpa=rival)], "own", "hpa", RULES)
        held += found.low_fraction <= 0.2 <= found.high_fraction
    assert 75 <= held <= 99


def test_series_add_up_and_those_that_lack_a_policy_are_left_out() -> None:
    demand = np.full(3 * DAY, 5.0)
    ten, twenty = np.full(3 * DAY, 10), np.full(3 * DAY, 20)
    both = outcome(demand, own=ten, hpa=twenty)
    alone = savings([both], "own", "hpa", RULES)
    twice = savings([both, both, outcome(demand, own=ten)], "own", "hpa", RULES)
    assert twice.saved_usd_per_month == pytest.approx(2 * alone.saved_usd_per_month)
    assert twice.saved_fraction == alone.saved_fraction == 0.5
    assert savings([], "own", "hpa", RULES).saved_usd_per_month == 0


def test_a_longer_history_weighs_no_more_than_a_shorter_one() -> None:
    long, short = np.full(6 * DAY, 5.0), np.full(2 * DAY, 5.0)
    outcomes = [
        outcome(long, own=np.full(6 * DAY, 10), hpa=np.full(6 * DAY, 10)),
        outcome(short, own=np.full(2 * DAY, 10), hpa=np.full(2 * DAY, 20)),
    ]
    found = savings(outcomes, "own", "hpa", RULES)
    assert found.saved_usd_per_month == pytest.approx(10 * 0.5 * 730)
    assert found.saved_fraction == pytest.approx(10 / 30)


def test_the_cheapest_setting_that_misses_no_more_is_found() -> None:
    sweep = Sweep(
        name="hpa",
        settings=("hpa@0.3", "hpa@0.5", "hpa@0.7"),
        violation_fraction=np.array([0.0001, 0.001, 0.01]),
        cost_usd=np.array([30.0, 20.0, 10.0]),
    )
    assert cheapest_within(sweep, 0.002) == ("hpa@0.5", 20.0)
    assert cheapest_within(sweep, 0.00001) is None
