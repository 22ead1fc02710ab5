"""Measure what faults cost Foretide, beside an HPA at a utilisation of .7 that meets the same.

Run by `python benchmarks/planning/faults.py [--series NAME ...] [--fault NAME ...]`. Demand and its
measurement go wrong in the scored part only, the platform from the first minute on; every policy
decides on what is seen and is scored on what was asked for. Rivals know no slow or failed boots.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

import foretide
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.backtest import trace_for
from foretide.simulate.counts import Counts, Score, score
from foretide.simulate.disturb import Disturbed, disturbed
from foretide.simulate.faults import NAMED_FAULTS, NO_FAULTS, Faults, FlashCrowd
from foretide.simulate.play import Play
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import MINUTE_S, Scenario
from foretide.sources.demand_table import read_demand
from foretide.store.journal import Entry

DEMAND = Path(__file__).parents[3] / "shared" / "data" / "demand"
# forecastable: WAPE one boot ahead of at most 7 %
USUAL = (
    "crane-00", "crane-09", "crane-13", "crane-14",
    "ms-ingress-01", "ms-ingress-05", "ms-mongo-01", "ms-mongo-03",
)  # fmt: skip
OBJECTIVE = 0.001
PEAK_INSTANCES = 50
# one crowd every other day, so that the few scored days of a trace meet some
CLEAN = "clean"
FAULTS: dict[str, Faults] = {
    CLEAN: NO_FAULTS,
    **NAMED_FAULTS,
    "flash-crowd": Faults(flash_crowd=FlashCrowd(per_week=3.5, factor=5)),
}
SHOWN = (
    CLEAN, "flash-crowd", "metric-gaps", "forecast-low", "forecast-high", "level-shift", "drift",
    "slow-boots", "failed-launches", "launch-limit", "instance-losses", "open-buckets",
    "clock-skew", "late-reports",
)  # fmt: skip


class Nowhere:
    """A journal for a world nobody replays."""

    def append(self, entry: Entry) -> None:
        """Forget the entry."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One series under one fault: Foretide's score and the HPA's."""

    series: str
    fault: str
    own: Score
    hpa: Score


def scenario_for(demand: Demand) -> Scenario:
    """Return the rules: a peak of 50 instances, boots of 5 minutes, warm at a fifth."""
    rps = demand.values / demand.step_s
    peak = float(np.quantile(rps[np.isfinite(rps)], 0.999))
    return Scenario(
        objective=OBJECTIVE,
        boot_s=300,
        wake_s=20,
        warm_price_fraction=0.2,
        warmup_days=14,
        capacity_rps={demand.series_id: peak / PEAK_INSTANCES},
    )


def spoiled(demand: Demand, faults: Faults, first: int) -> Disturbed:
    """Return a trace whose buckets from `first` on have the faults in them."""
    clean = demand.values[:first]
    later = msgspec.structs.replace(demand, values=demand.values[first:])
    found = disturbed(later, faults)
    whole = (
        msgspec.structs.replace(demand, values=np.concatenate([clean, part.values]))
        for part in (found.actual, found.seen)
    )
    actual, seen = whole
    return Disturbed(actual=actual, seen=seen)


def minutes_of(demand: Demand) -> FloatArray:
    """Return demand in requests/s, minute by minute."""
    return np.repeat(demand.values / demand.step_s, demand.step_s // MINUTE_S)


def measure(demand: Demand, fault: str, seed: int = 0) -> Row:
    """Play one series under one fault, and let the HPA meet the same demand."""
    faults = msgspec.structs.replace(FAULTS[fault], seed=seed)
    rules = scenario_for(demand)
    trace = trace_for(demand, rules)
    first = trace.first_scored
    found = spoiled(trace.demand, faults, first * MINUTE_S // trace.demand.step_s)
    play = Play(
        found.seen, scenario=rules, capacity_rps=trace.capacity_rps, journal=Nowhere(),
        faults=faults,
    )  # fmt: skip
    for _ in play.moments():
        pass
    hpa = hpa_counts(
        minutes_of(found.seen), capacity_rps=trace.capacity_rps, scenario=rules, target=0.7
    )

    def scored(counts: Counts) -> Score:
        return score(
            counts.from_minute(first),
            minutes_of(found.actual)[first:],
            capacity_rps=trace.capacity_rps,
            warm_price_fraction=rules.warm_price_fraction,
            price_usd_per_hour=rules.price_usd_per_hour,
        )

    return Row(series=demand.series_id, fault=fault, own=scored(play.counts()), hpa=scored(hpa))


def chosen_demands(folder: Path, names: list[str]) -> Iterator[Demand]:
    """Yield the series named, in the order of the files."""
    for path in sorted(folder.glob("*.parquet")):
        yield from (one for one in read_demand(path).demands if one.series_id in names)


def mean_ratio(ratios: list[float]) -> float:
    """Return the geometric mean."""
    return math.exp(math.fsum(math.log(max(one, 1e-9)) for one in ratios) / len(ratios))


def line_of(rows: list[Row], clean: dict[str, Row]) -> str:
    """Return one line of the table: a fault over all series."""
    own = [row.own.violation_fraction for row in rows]
    was = [clean[row.series].own.violation_fraction for row in rows]
    lost = sum(own) / max(sum(row.hpa.violation_fraction for row in rows), 1e-12)
    cost = mean_ratio([row.own.cost_usd / row.hpa.cost_usd for row in rows])
    grown = mean_ratio([row.own.cost_usd / clean[row.series].own.cost_usd for row in rows])
    return (
        f"| {rows[0].fault} | {np.mean(own):.3%} | {max(own):.3%} | "
        f"{sum(own) / max(sum(was), 1e-12):.2f} | {lost:.2f} | {cost:.2f} | {grown:.3f} |"
    )


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demand", type=Path, default=DEMAND)
    parser.add_argument("--series", nargs="*", default=USUAL)
    parser.add_argument("--fault", nargs="*", default=SHOWN, choices=list(FAULTS))
    parser.add_argument("--seed", type=int, nargs="*", default=[0], help="runs of bad luck")
    parser.add_argument("--each", action="store_true", help="a line for each series too")
    chosen = parser.parse_args()
    if not chosen.demand.exists():
        print(f"{chosen.demand} is not on this machine: nothing measured")
        return
    demands = list(chosen_demands(chosen.demand, chosen.series))
    print(f"foretide {foretide.__version__}, {len(demands)} forecastable series, ", end="")
    print(f"objective {OBJECTIVE:.1%}, boot 300 s, wake 20 s, warm at 0.2; HPA at .7\n")
    print("| fault | over capacity | worst | ÷ clean | lost ÷ HPA | cost ÷ HPA | cost ÷ clean |")
    print("|---|---|---|---|---|---|---|")
    clean = dict[str, Row]()
    for fault in [CLEAN, *(name for name in chosen.fault if name != CLEAN)]:
        seeds = chosen.seed if fault != CLEAN else [0]
        rows = [measure(demand, fault, seed) for seed in seeds for demand in demands]
        clean = clean or {row.series: row for row in rows}
        print(line_of(rows, clean))
        if chosen.each:
            for row in rows:
                print("|", line_of([row], clean).replace(f"| {fault}", f" {row.series}", 1))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
