"""What the product promises on real demand: no dearer than a tuned HPA at the same violation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from foretide.model.demand import Demand
from foretide.simulate.backtest import backtest
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.scenario import Scenario
from foretide.sources.demand_table import read_demand
from foretide.store.journal import MemoryJournal

TARGETS = [round(0.30 + 0.05 * step, 2) for step in range(14)]
PEAK_INSTANCES = 50


def crane(shared_data: Path, series_id: str) -> Demand:
    table = read_demand(shared_data / "demand" / "crane_cloud_1min.parquet", series=[series_id])
    return table.demands[0]


def played(demand: Demand, objective: float) -> SeriesOutcome:
    peak_rps = float(np.nanquantile(demand.values, 0.999)) / demand.step_s
    rules = Scenario(
        objective=objective, boot_s=300, wake_s=20, warm_price_fraction=0.2,
        capacity_rps={demand.series_id: peak_rps / PEAK_INSTANCES},
    )  # fmt: skip
    policies = ["foretide", "oracle", *(f"hpa@{target:g}" for target in TARGETS)]
    return backtest(demand, scenario=rules, policies=policies, journal=MemoryJournal())


def hpa_cost_at(outcome: SeriesOutcome, violation: float) -> float:
    """Return the HPA's cost at a violation, interpolated between its targets."""
    swept = sorted(
        (run.score.violation_fraction, run.score.cost_usd)
        for run in outcome.runs
        if run.policy.startswith("hpa@")
    )
    at, cost = zip(*swept, strict=True)
    return float(np.interp(violation, at, cost))


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "most"), [(0.001, 0.95), (0.01, 1.0)])
@pytest.mark.parametrize("series_id", ["crane-00", "crane-14"])
def test_it_costs_no_more_than_the_hpa_at_its_violation(
    shared_data: Path, series_id: str, objective: float, most: float
) -> None:
    outcome = played(crane(shared_data, series_id), objective)
    own = outcome.runs[0].score
    assert own.cost_usd <= most * hpa_cost_at(outcome, own.violation_fraction)
    assert outcome.front is not None
    for run in outcome.runs:
        limit = front_cost_at(outcome.front, run.score.violation_fraction)
        assert run.score.cost_usd >= limit - 1e-9
