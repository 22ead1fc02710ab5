"""Measure how many one-minute buckets a second each rival plays on one core.

Run `python benchmarks/planning/rival_speed.py`; `speed()` is the same for other measurements. What
is compiled is compiled, or read from the disk's cache, before the clock starts.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np

from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import score
from foretide.simulate.rivals.registry import RIVALS, rival_counts
from foretide.simulate.scenario import Scenario

DAY = 1440
RULES = Scenario(warm_price_fraction=0.2)


def trace(days: int) -> FloatArray:
    """Return a daily rhythm of 20 to 50 instances of one request/s, with noise and jumps."""
    rng = np.random.default_rng(1)
    at = np.arange(days * DAY)
    rate = (35 - 15 * np.cos(2 * np.pi * at / DAY)) * np.exp(rng.normal(0, 0.03, len(at)))
    for jump in rng.integers(0, len(at), days):
        rate[jump : jump + 15] *= 1.5
    return rate


def speed(days: int = 140) -> dict[str, float]:
    """Return one-minute buckets/s of every rival, scored; `plain` includes its forecasts."""
    return {name: _speed_of(name, days) for name in RIVALS if name != "csv"}


def _speed_of(name: str, days: int) -> float:
    rates = trace(min(days, 21) if name == "plain" else days)  # whose forecasts take their time
    _played(name, rates[:DAY])
    began = time.perf_counter()
    _played(name, rates)
    return len(rates) / (time.perf_counter() - began)


def _played(name: str, rates: FloatArray) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    demand = Demand(series_id="web", start=start, step_s=60, values=rates * 60)
    counts = rival_counts(
        name, demand=demand, minutes_rps=rates, scenario=RULES, capacity_rps=1.0, first_scored=0
    )
    score(
        counts, rates, capacity_rps=1.0, warm_price_fraction=RULES.warm_price_fraction,
        price_usd_per_hour=RULES.price_usd_per_hour,
    )  # fmt: skip


def main() -> None:
    """Print one Markdown table."""
    print("| rival | one-minute buckets/s | s a night |")
    print("|---|---|---|")
    for name, buckets in speed().items():
        print(f"| `{name}` | {buckets:,.0f} | {DAY / buckets:.4f} |")


if __name__ == "__main__":
    main()
