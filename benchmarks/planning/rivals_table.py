"""Measure every rival beside Foretide and the limit, on real traces.

Run `python benchmarks/planning/rivals_table.py --demand FOLDER_OR_FILE --series NAME`. One table
per objective and class of load: cost / the clairvoyant's at max(violation, objective), averaged
over the series, how many of them met the objective, and the worst violation.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from foretide.model.demand import Demand
from foretide.simulate.backtest import backtest
from foretide.simulate.classes import series_class
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.rivals.registry import RIVALS
from foretide.simulate.scenario import Scenario
from foretide.sources.demand_table import read_demand
from foretide.store.journal import Entry

DEMAND = Path(__file__).parents[3] / "shared" / "data" / "demand"
FILES = ("crane_cloud_1min.parquet", "nasa_http_1min.parquet")
OBJECTIVES = (0.001, 0.01)
POLICIES = ("foretide", *(name for name in RIVALS if name != "csv"), "oracle")
PEAK_INSTANCES = 50


class Nowhere:
    """A journal for a world nobody replays."""

    def append(self, entry: Entry) -> None:
        """Forget the entry."""


def scenario_for(demand: Demand, objective: float, warm: float) -> Scenario:
    """Return the rules: the peak takes 50 instances, a boot 5 minutes, warm this share of it."""
    rps = demand.values / demand.step_s
    peak = float(np.quantile(rps[np.isfinite(rps)], 0.999))
    return Scenario(
        objective=objective,
        warm_price_fraction=warm,
        capacity_rps={demand.series_id: peak / PEAK_INSTANCES},
    )


def ratios(outcome: SeriesOutcome, objective: float) -> dict[str, tuple[float, float]]:
    """Return cost / the limit's, and the violation, of every policy."""
    if outcome.front is None:
        raise AssertionError("the oracle leaves a front")
    found = dict[str, tuple[float, float]]()
    for run in outcome.runs:
        violation = run.score.violation_fraction
        limit = front_cost_at(outcome.front, max(violation, objective))
        found[run.policy] = run.score.cost_usd / limit, violation
    return found


def class_of(outcome: SeriesOutcome) -> str:
    """Return the class of load, by the forecast Foretide used."""
    band = next(run.band for run in outcome.runs if run.policy == "foretide")
    return series_class(outcome.demand_rps, band, outcome.capacity_rps).load_class.value


def print_table(title: str, objective: float, rows: list[dict[str, tuple[float, float]]]) -> None:
    """Print one Markdown table of what the series of a class came to."""
    print(f"\n{title}, {len(rows)} series, objective {objective:.1%}\n")
    print("| policy | cost ÷ limit | objective met | worst over capacity |")
    print("|---|---|---|---|")
    for policy in rows[0]:
        cost = np.mean([row[policy][0] for row in rows])
        over = [row[policy][1] for row in rows]
        met = sum(one <= objective * (1 + 1e-9) for one in over)
        print(f"| `{policy}` | {cost:.3f} | {met} of {len(rows)} | {max(over):.3%} |")
    sys.stdout.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demand", type=Path, nargs="*", default=[DEMAND / f for f in FILES])
    parser.add_argument("--series", nargs="*", help="only these")
    parser.add_argument("--warm", type=float, default=0.2, help="price of warm; 1: no warm pool")
    parser.add_argument("--objective", type=float, nargs="*", default=OBJECTIVES)
    chosen = parser.parse_args()
    for objective in chosen.objective:
        by_class = defaultdict[str, list[dict[str, tuple[float, float]]]](list)
        for path in chosen.demand:
            for demand in read_demand(path, series=chosen.series).demands:
                rules = scenario_for(demand, objective, chosen.warm)
                outcome = backtest(demand, scenario=rules, policies=POLICIES, journal=Nowhere())
                by_class[class_of(outcome)].append(ratios(outcome, objective))
                print(f"{demand.series_id} played", file=sys.stderr)
        for title, rows in sorted(by_class.items()):
            print_table(title, objective, rows)


if __name__ == "__main__":
    main()
