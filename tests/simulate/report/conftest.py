"""Small outcomes to report on, played by simple policies so that every number can be checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts, score
from foretide.simulate.oracle import oracle_counts, oracle_front
from foretide.simulate.outcome import Band, PolicyRun, SeriesOutcome
from foretide.simulate.scenario import Scenario

Play = Callable[..., SeriesOutcome]
_START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return Scenario(objective=0.01, warm_price_fraction=0.2, price_usd_per_hour=0.5)


@pytest.fixture(scope="session")
def daily() -> FloatArray:
    """Two days of noisy demand with a gap, in requests/s; an instance serves 10."""
    rng = np.random.default_rng(5)
    minutes = np.arange(2 * 1440)
    demand = (60 - 50 * np.cos(2 * np.pi * minutes / 1440)) * rng.lognormal(0, 0.03, len(minutes))
    demand[100:130] = np.nan
    return demand


@pytest.fixture(scope="session")
def play(scenario: Scenario) -> Play:
    """Return a function that plays policies on a demand and returns the outcome."""

    def played(
        demand_rps: FloatArray,
        policies: Sequence[str] = ("foretide", "hpa", "oracle"),
        *,
        series_id: str = "web",
    ) -> SeriesOutcome:
        runs = tuple(_run(policy, demand_rps, scenario) for policy in policies)
        front = None
        if "oracle" in policies:
            front = oracle_front(demand_rps, capacity_rps=10.0, scenario=scenario, first_scored=0)
        return SeriesOutcome(
            series_id=series_id,
            start=_START,
            demand_rps=demand_rps,
            capacity_rps=10.0,
            runs=runs,
            front=front,
        )

    return played


def _run(policy: str, demand_rps: FloatArray, scenario: Scenario) -> PolicyRun:
    known = np.where(np.isfinite(demand_rps), demand_rps, 0.0)
    if policy == "oracle":
        counts = oracle_counts(demand_rps, capacity_rps=10.0, scenario=scenario, first_scored=0)
    else:
        headroom = {"foretide": 1.1, "hpa": 1.4}.get(policy, 1.0)
        serving = np.maximum(np.ceil(headroom * known / 10.0), 1).astype(np.int64)
        warm = serving // 4 if policy == "foretide" else np.zeros_like(serving)
        counts = Counts(serving=serving, warm=warm, booting=np.zeros_like(serving))
    return PolicyRun(
        policy=policy,
        counts=counts,
        score=score(
            counts,
            demand_rps,
            capacity_rps=10.0,
            warm_price_fraction=scenario.warm_price_fraction,
            price_usd_per_hour=scenario.price_usd_per_hour,
        ),
        band=Band(low_rps=0.9 * known, median_rps=known, high_rps=1.1 * known)
        if policy == "foretide"
        else None,
    )
