"""What every rival keeps to: bounds, causality, the limit; and what is said of unknown ones."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import Counts, IntArray, score
from foretide.simulate.oracle import front_cost_at, oracle_front
from foretide.simulate.rivals.registry import RIVALS, check_rival, rival_counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario
from foretide.sources.demand_table import read_demand

NAMES = (*(name for name in RIVALS if name != "csv"), "hpa@0.95", "hpa-warm@0.9+2", "keda@1.2")
DAY = 1440


def trace(seed: int, minutes: int) -> FloatArray:
    """Return days with noise, jumps, a new level and gaps, in requests/s of instances of one."""
    rng = np.random.default_rng(seed)
    at = np.arange(minutes)
    rate = rng.uniform(1, 30) * (1.2 - np.cos(2 * np.pi * at / DAY))
    rate *= np.exp(np.cumsum(rng.normal(0, 0.02, minutes)) * rng.choice([0, 0.3]))
    for jump in rng.integers(0, minutes, 4):
        rate[jump : jump + rng.integers(1, 60)] *= rng.uniform(0, 6)
    rate[rng.integers(0, minutes) :] *= rng.uniform(0.5, 2)
    rate[rng.random(minutes) < rng.choice([0, 0.05])] = math.nan
    begin = rng.integers(0, minutes)
    rate[begin : begin + rng.integers(0, 90)] = math.nan
    return rate


def played(
    name: str, rates: FloatArray, rules: Scenario, first_scored: int, step: int = 1
) -> Counts:
    demand = Demand(
        series_id="web", start=datetime(2026, 3, 2, 5, 20, tzinfo=UTC), step_s=60 * step,
        values=rates[::step] * 60 * step,
    )  # fmt: skip
    return rival_counts(
        name,
        demand=demand,
        minutes_rps=np.repeat(demand.values / demand.step_s, step),
        scenario=rules,
        capacity_rps=1.0,
        first_scored=first_scored,
    )


def rows(counts: Counts) -> IntArray:
    return np.stack([counts.serving, counts.warm, counts.booting])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    boot_s=st.sampled_from([60, 300, 720]),
    warm=st.sampled_from([0.1, 0.5, 1.0]),
    minutes=st.sampled_from([1, 7, 300, 1900]),
)
def test_no_rival_lies_below_the_limit(
    name: str, seed: int, boot_s: int, warm: float, minutes: int
) -> None:
    rates = trace(seed, minutes)
    rules = Scenario(boot_s=boot_s, warm_price_fraction=warm, objective=0.01)
    first = minutes // 2
    counts = played(name, rates, rules, first)
    assert rows(counts).shape == (3, minutes)
    assert counts.serving.min() >= 1
    assert rows(counts).min() >= 0
    assert rows(counts).max() <= FLEET_MAX_COUNT
    front = oracle_front(rates, capacity_rps=1.0, scenario=rules, first_scored=first)
    got = score(
        counts.from_minute(first), rates[first:], capacity_rps=1.0, warm_price_fraction=warm,
        price_usd_per_hour=rules.price_usd_per_hour,
    )  # fmt: skip
    limit = front_cost_at(front, got.violation_fraction)
    assert got.cost_usd >= limit * (1 - 1e-9)


@pytest.mark.parametrize("series_id", ["crane-10", "crane-13"])
def test_no_rival_lies_below_the_limit_of_a_real_trace(shared_data: Path, series_id: str) -> None:
    table = read_demand(shared_data / "demand" / "crane_cloud_1min.parquet", series=[series_id])
    rates = table.demands[0].values / 60
    rates = rates / np.nanquantile(rates, 0.999) * 50
    rules = Scenario(warm_price_fraction=0.2)
    first = len(rates) // 2
    front = oracle_front(rates, capacity_rps=1.0, scenario=rules, first_scored=first)
    for name in NAMES:
        got = score(
            played(name, rates, rules, first).from_minute(first), rates[first:], capacity_rps=1.0,
            warm_price_fraction=0.2, price_usd_per_hour=rules.price_usd_per_hour,
        )  # fmt: skip
        assert got.cost_usd >= front_cost_at(front, got.violation_fraction) * (1 - 1e-9), name


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    at=st.integers(1, 2399),
    wrong=st.sampled_from([0.0, 500.0, math.nan]),
    step=st.sampled_from([1, 5]),
)
def test_nothing_depends_on_the_future(
    name: str, seed: int, at: int, wrong: float, step: int
) -> None:
    rates = trace(seed, 2400)
    changed = rates.copy()
    bucket = at // step * step
    changed[bucket:] = wrong
    truth, other = (rows(played(name, given, Scenario(), 1200, step)) for given in (rates, changed))
    np.testing.assert_array_equal(truth[:, : bucket + 1], other[:, : bucket + 1])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), boot=st.integers(1, 12))
def test_nothing_is_ready_that_was_not_there_a_boot_before(name: str, seed: int, boot: int) -> None:
    rates = trace(seed, 1900)
    counts = played(name, rates, Scenario(boot_s=boot * 60), 950)
    ready = counts.serving + counts.warm
    total = ready + counts.booting
    # the fleet it begins with is there at once
    begun = 950 if name == "static-peak" else int(np.flatnonzero(np.isfinite(rates))[0]) + 1
    for ago in range(boot + 1):
        assert (ready[begun + ago :] <= total[begun : len(total) - ago]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_nobody_saw_keeps_one_instance(name: str) -> None:
    counts = played(name, np.full(60, math.nan), Scenario(), 30)
    assert counts.serving.tolist() == [1] * 60


@pytest.mark.parametrize("name", NAMES)
def test_wild_numbers_ask_for_no_more_than_can_be_played(name: str) -> None:
    rates = np.full(3000, 5.0)
    rates[1600:1640] = 1e12
    counts = played(name, rates, Scenario(), 1500)
    assert rows(counts).min() >= 0
    assert counts.serving.min() >= 1
    assert (counts.serving + counts.booting).max() <= FLEET_MAX_COUNT + 64


def test_a_trace_can_begin_at_any_time_with_any_gap() -> None:
    rates = np.concatenate([np.full(1500, math.nan), trace(4, 1500)])
    for name in NAMES:
        assert played(name, rates, Scenario(), 100).serving.min() >= 1


def test_capacities_are_played_and_checked_by_name(tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    file.write_text("series_id,ts,capacity\nweb,2026-03-02T05:20Z,4\n")
    name = f"csv:{file}"
    check_rival(name)
    assert played(name, np.ones(5), Scenario(), 0).serving.tolist() == [4] * 5
    other = Demand(
        series_id="api", start=datetime(2026, 3, 2, tzinfo=UTC), step_s=60, values=np.ones(3)
    )
    with pytest.raises(InputError, match="no capacity for series api"):
        check_rival(name, [other])


@pytest.mark.parametrize("name", [*NAMES, "warm-pool@0.5", "plain@1", "hpa-warm@0.5", "hpa@2"])
def test_a_known_rival_is_let_through(name: str) -> None:
    check_rival(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vpa", "not known; give one of foretide, oracle, hpa, "),
        ("", "not known"),
        ("HPA", "not known"),
        ("csv", "not known; .*csv:FILE"),
        ("csv:", "not known; .*csv:FILE"),
        ("csv@0.5", "not known"),
        ("hpa:0.5", "not known"),
        ("csv:absent.csv", "give an existing file"),
        ("hpa@", r"its target must lie in \(0, 2\]; write hpa@0.5"),
        ("hpa@0", "its target must"),
        ("hpa@-1", "its target must"),
        ("hpa@70", "its target must"),
        ("hpa@nan", "its target must"),
        ("hpa@inf", "its target must"),
        ("hpa@70%", "its target must"),
        ("hpa@0.7+4", r"\+4 stands behind hpa-warm alone"),
        ("hpa-warm@0.7+", "its warm pool must be 0 ... 10000 instances; write hpa-warm@0.7[+]4"),
        ("hpa-warm@0.7+-1", "its warm pool must"),
        ("hpa-warm@0.7+1.5", "its warm pool must"),
        ("hpa-warm@0.7+20000", "its warm pool must"),
        ("hpa-warm@+4", "its target must"),
        ("hpa-tuned@0.5", "hpa-tuned takes no target; leave @0.5 out"),
        ("static-peak@", "static-peak takes no target; leave @ out"),
    ],
)
def test_an_unknown_rival_is_refused(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        check_rival(name)
    assert str(refused.value).startswith(f"--policy {name}")
    assert "\n" not in str(refused.value)
