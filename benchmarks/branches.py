"""Measure what the planner's branches cost against each other: strict, soft, and the cost factor.

Run by `python benchmarks/branches.py [--series NAME ...] [--objective O ...] [--days N]`.
Every forecast is made once and played by each branch. `strict` without the cost factor is the
yardstick; a factor "harms" where it costs more without losing less, or loses more for no less.
"""

from __future__ import annotations

import argparse
import math
import sys
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from planning.cases import DEMAND, OBJECTIVES, demands_of, scenario_for

from foretide.control.lookahead import Lookahead
from foretide.control.tick import Beat, tick
from foretide.model.demand import Demand
from foretide.model.fleet import InstanceState
from foretide.model.plan import Reason
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.simulate.play import policy_for
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import MemoryJournal

_S = InstanceState
MINUTE = timedelta(minutes=1)
DAY_MINUTES = 1440
BRANCHES: dict[str, dict[str, bool]] = {
    "strict": {"is_soft": False, "is_cost_weighed": False},
    "strict + cost factor": {"is_soft": False, "is_cost_weighed": True},
    "soft": {"is_soft": True, "is_cost_weighed": False},
    "soft + cost factor": {"is_soft": True, "is_cost_weighed": True},
}


class Told:
    """What was known at every minute of a trace, asked for once."""

    def __init__(self, demand: Demand, policy: ServicePolicy, minute_count: int) -> None:
        outlook = Lookahead(policy, demand, block_minutes=240)
        instants = [demand.start + minute * MINUTE for minute in range(minute_count)]
        self._start = demand.start
        self._told = [(outlook.recent(now), outlook.need(now)) for now in instants]

    def recent(self, now: datetime) -> RecentDemand:
        """Return the last closed buckets."""
        return self._told[(now - self._start) // MINUTE][0]

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast asks for."""
        return self._told[(now - self._start) // MINUTE][1]


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one branch.

    Parameters
    ----------
    over_fraction : float
        Requests over capacity / all, in the scored part.
    billed_count : float
        Mean instances paid for, in serving ones.
    chosen_fraction : float
        Minutes in which another plan than the forecast's acted.
    largest_bytes, mean_bytes : float
        Of a decision as journaled.
    """

    over_fraction: float
    billed_count: float
    chosen_fraction: float
    largest_bytes: int
    mean_bytes: float


def played(demand: Demand, told: Told, policy: ServicePolicy, minute_count: int) -> Played:
    """Play one branch."""
    per_bucket = demand.step_s // 60
    rps = np.repeat(demand.values / demand.step_s, per_bucket)[:minute_count]
    first = min(14 * DAY_MINUTES, minute_count // 2)
    platform = SimulatedPlatform("web", start=demand.start, boot_s=policy.boot_s)
    beat, over, billed, scored, asked, chosen = Beat(), 0.0, 0.0, 0, 0.0, 0
    sizes = list[int]()
    for minute in range(minute_count):
        now = demand.start + minute * MINUTE
        platform.advance(now)
        journal = MemoryJournal()
        beat = tick(
            now, policy=policy, platform=platform, outlook=told, journal=journal, before=beat,
            is_acting=True,
        )  # fmt: skip
        if minute < first or not math.isfinite(rps[minute]):
            continue
        decision = journal.entries[0].plan.decision
        sizes.append(len(msgspec.json.encode(decision)))
        chosen += Reason.COST_FACTOR in decision.reasons
        fleet = platform.observe("web")
        serving, booting = fleet.count(_S.SERVING), fleet.count(_S.BOOTING)
        over += max(0.0, rps[minute] - serving * policy.curve.served_rps[1])
        asked += rps[minute]
        warm = len(fleet.instances) - serving - booting
        billed += serving + booting + policy.warm_price_fraction * warm
        scored += 1
    return Played(
        over_fraction=over / asked,
        billed_count=billed / scored,
        chosen_fraction=chosen / scored,
        largest_bytes=max(sizes),
        mean_bytes=float(np.mean(sizes)),
    )


def row(demand: Demand, objective: float, days: float) -> dict[str, Played]:
    """Return what came of every branch for one trace at one objective."""
    rules = scenario_for(demand, objective)
    usual = policy_for("web", rules, rules.capacity_rps[demand.series_id])
    minute_count = min(len(demand.values) * demand.step_s // 60, int(days * DAY_MINUTES))
    told = Told(demand, usual, minute_count)
    return {
        name: played(demand, told, msgspec.structs.replace(usual, **changed), minute_count)
        for name, changed in BRANCHES.items()
    }


def is_harmed(before: Played, after: Played, objective: float) -> bool:
    """Return whether a branch is worse than the yardstick in a way that its owner would see."""
    is_dearer = after.billed_count > 1.001 * before.billed_count
    loses_more = after.over_fraction > max(1.02 * before.over_fraction, 0.02 * objective)
    breaks = before.over_fraction <= objective < after.over_fraction
    saves = after.billed_count < 0.999 * before.billed_count
    loses_less = after.over_fraction < 0.98 * before.over_fraction
    return breaks or (is_dearer and not loses_less) or (loses_more and not saves)


def main() -> None:
    """Print one Markdown table per objective, and the geometric means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demand", type=Path, default=DEMAND)
    parser.add_argument("--series", nargs="*", default=[])
    parser.add_argument("--objective", nargs="*", type=float, default=list(OBJECTIVES))
    parser.add_argument("--days", type=float, default=28.0, help="of each trace, from its start")
    chosen = parser.parse_args()
    if not chosen.demand.exists():
        print(f"{chosen.demand} is not on this machine: nothing measured")
        return
    for objective in chosen.objective:
        print(f"\n### {objective:.1%} of requests may come over capacity\n")
        names = list(BRANCHES)[1:]
        print("| series | strict | " + " | ".join(names) + " | other plan acted | decision bytes |")
        print("|---|---|" + "---|" * len(names) + "---|---|")
        ratios: dict[str, list[float]] = {name: [] for name in names}
        harmed: dict[str, list[str]] = {name: [] for name in names}
        for _, demand in demands_of(chosen.demand, chosen.series):
            found = row(demand, objective, chosen.days)
            base = found["strict"]
            cells = [f"{base.billed_count:.2f} at {base.over_fraction:.3%}"]
            for name in names:
                one = found[name]
                ratio = one.billed_count / base.billed_count
                ratios[name].append(ratio)
                is_worse = is_harmed(base, one, objective)
                harmed[name] += [demand.series_id] if is_worse else []
                cells.append(f"{ratio:.3f} at {one.over_fraction:.3%}{' !' if is_worse else ''}")
            weighed = found["strict + cost factor"]
            cells.append(f"{weighed.chosen_fraction:.1%}")
            cells.append(f"{weighed.mean_bytes:.0f}, at most {weighed.largest_bytes}")
            print(f"| {demand.series_id} | {' | '.join(cells)} |", flush=True)
        for name in names:
            mean = math.exp(float(np.mean(np.log(ratios[name]))))
            print(f"\n{name}: cost x {mean:.4f}; harmed: {', '.join(harmed[name]) or 'none'}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
