"""What is played: every trace of a folder, by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from foretide.model.demand import Demand
from foretide.simulate.scenario import Scenario
from foretide.sources.demand_table import read_demand

DEMAND = Path(__file__).parents[3] / "shared" / "data" / "demand"
OBJECTIVES = (0.001, 0.01)
PEAK_INSTANCES = 50
MAX_STEP_S = 300


def scenario_for(demand: Demand, objective: float, warm_price_fraction: float = 0.2) -> Scenario:
    """Return the rules: the peak takes 50 instances, a boot 5 minutes, warm this share of it."""
    rps = demand.values / demand.step_s
    peak = float(np.quantile(rps[np.isfinite(rps)], 0.999))
    return Scenario(
        objective=objective,
        boot_s=300,
        wake_s=20,
        warm_price_fraction=warm_price_fraction,
        price_usd_per_hour=0.1,
        warmup_days=14,
        capacity_rps={demand.series_id: peak / PEAK_INSTANCES},
    )


def files_of(where: Path) -> list[Path]:
    """Return the files of demand in a folder, or the one given."""
    return sorted(where.glob("*.parquet")) if where.is_dir() else [where]


def demands_of(where: Path, names: list[str]) -> Iterator[tuple[Path, Demand]]:
    """Yield the series in buckets of at most five minutes, with the file each is in."""
    for path in files_of(where):
        for demand in read_demand(path).demands:
            if demand.step_s <= MAX_STEP_S and (not names or demand.series_id in names):
                yield path, demand
