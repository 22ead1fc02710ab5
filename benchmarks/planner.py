"""Measure what Foretide's plans cost against an HPA at every target, and against the limit.

Run by `make bench`, or `python benchmarks/planner.py --demand FOLDER_OR_FILE --series NAME`.
One table per objective: cost / the HPA's, its target swept from .30 to .95 and its cost
interpolated at Foretide's violation; cost / the clairvoyant's at max(violation, objective).
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

import foretide
from foretide.model.demand import Demand
from foretide.simulate.backtest import backtest
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.scenario import Scenario
from foretide.sources.demand_table import read_demand
from foretide.store.journal import Entry

DEMAND = Path(__file__).parents[2] / "shared" / "data" / "demand"
TARGETS = tuple(f"hpa@{target:.2f}" for target in np.arange(0.30, 0.951, 0.05))
OBJECTIVES = (0.001, 0.01)
USUAL = ("crane-00", "crane-09", "crane-13", "crane-14", "nasa-http")
PEAK_INSTANCES = 50


class Nowhere:
    """A journal for a world nobody replays: the time measured is the product's own."""

    def append(self, entry: Entry) -> None:
        """Forget the entry."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One series at one objective."""

    series: str
    objective: float
    violation: float
    over_hpa: float
    over_oracle: float
    cheapest: str
    seconds: float


def scenario_for(demand: Demand, objective: float, warm: float) -> Scenario:
    """Return the rules: the peak takes 50 instances, a boot 5 minutes, warm this share of it."""
    rps = demand.values / demand.step_s
    peak = float(np.quantile(rps[np.isfinite(rps)], 0.999))
    return Scenario(
        objective=objective,
        boot_s=300,
        wake_s=20,
        warm_price_fraction=warm,
        price_usd_per_hour=0.1,
        warmup_days=14,
        capacity_rps={demand.series_id: peak / PEAK_INSTANCES},
    )


def measure(demand: Demand, objective: float, warm: float) -> Row:
    """Play one series and compare."""
    rules = scenario_for(demand, objective, warm)
    began = time.perf_counter()
    own = backtest(demand, scenario=rules, policies=["foretide"], journal=Nowhere())
    seconds = time.perf_counter() - began
    rivals = backtest(demand, scenario=rules, policies=[*TARGETS, "oracle"], journal=Nowhere())
    score = own.runs[0].score
    if rivals.front is None:
        raise AssertionError("the oracle leaves a front")
    limit = front_cost_at(rivals.front, max(score.violation_fraction, objective))
    return Row(
        series=demand.series_id,
        objective=objective,
        violation=score.violation_fraction,
        over_hpa=score.cost_usd / hpa_cost_at(rivals, score.violation_fraction),
        over_oracle=score.cost_usd / limit,
        cheapest=cheapest_hpa(rivals, objective),
        seconds=seconds,
    )


def hpa_cost_at(rivals: SeriesOutcome, violation: float) -> float:
    """Return what an HPA costs at a violation, interpolated between targets."""
    scores = sorted(
        (run.score.violation_fraction, run.score.cost_usd)
        for run in rivals.runs
        if run.policy.startswith("hpa")
    )
    return float(np.interp(violation, [v for v, _ in scores], [c for _, c in scores]))


def cheapest_hpa(rivals: SeriesOutcome, objective: float) -> str:
    """Return the target, best in hindsight, that meets the objective, with its cost / limit."""
    met = [
        run
        for run in rivals.runs
        if run.policy.startswith("hpa") and run.score.violation_fraction <= objective
    ]
    if not met or rivals.front is None:
        return "none"
    best = min(met, key=lambda run: run.score.cost_usd)
    ratio = best.score.cost_usd / front_cost_at(rivals.front, objective)
    return f"{best.policy[4:]} at {ratio:.3f}"


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demand", type=Path, default=DEMAND)
    parser.add_argument("--series", nargs="*", default=USUAL, help="none: every one")
    parser.add_argument("--warm", type=float, default=0.2, help="price of warm; 1: no warm pool")
    chosen = parser.parse_args()
    if not chosen.demand.exists():
        print(f"{chosen.demand} is not on this machine: nothing measured")
        return
    files = sorted(chosen.demand.glob("*.parquet")) if chosen.demand.is_dir() else [chosen.demand]
    print(f"foretide {foretide.__version__}, Python {platform.python_version()}, ", end="")
    print(f"numpy {np.__version__}, polars {pl.__version__}; ", end="")
    print(f"boot 300 s, wake 20 s, warm at {chosen.warm:g}\n")
    print("| series | objective | over capacity | ÷ HPA | ÷ limit | best HPA ÷ limit | play s |")
    print("|---|---|---|---|---|---|---|")
    for path in files:
        for demand in read_demand(path).demands:
            if chosen.series and demand.series_id not in chosen.series:
                continue
            for objective in OBJECTIVES:
                row = measure(demand, objective, chosen.warm)
                print(
                    f"| {row.series} | {row.objective:.1%} | {row.violation:.3%} "
                    f"| {row.over_hpa:.3f} | {row.over_oracle:.3f} | {row.cheapest} "
                    f"| {row.seconds:.1f} |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
