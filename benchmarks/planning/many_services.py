"""Measure how long it takes to plan many services at once from prepared quantiles, on one core.

Run by `python benchmarks/planning/many_services.py [--services 10000]`. Each service has its own
capacity and level and the fleet it was planned a minute before, 50 on average; quantiles for the
coming half hour are given. *Cold*: every service begins with too few instances and launches a
dozen. The budget leaves a hundredth more than what all have. CPU seconds, the middle of five
rounds; what is compiled is compiled, or read from the disk's cache, before.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from foretide.forecast.nowcast import NOWCAST_LEVELS
from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Plan
from foretide.plan.budget import Budget
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.many import Asked, Standing, needs_of_many, plans_of_many, standing_of
from foretide.plan.memory import Memory, RecentDemand
from foretide.plan.need import Need
from foretide.plan.policy import ServicePolicy

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTES = 31
OBJECTIVE = 0.001


class Case(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Many services at one instant."""

    standings: list[Standing]
    quantiles_rps: FloatArray
    asked: list[Asked]


def policy_of(name: str, instance_rps: float) -> ServicePolicy:
    """Return a service with a warm pool and a boot of five minutes."""
    return ServicePolicy(
        service=name,
        version="v1",
        curve=linear_curve(instance_rps),
        knob=knob_for_objective(OBJECTIVE, has_warm_pool=True),
        guard_knob=knob_for_objective(OBJECTIVE, has_warm_pool=True, is_guard=True),
        objective_fraction=OBJECTIVE,
        boot_s=300,
        has_warm_pool=True,
    )


def fleet_of(name: str, serving: int, warm: int) -> Fleet:
    """Return a fleet in which some serve and some are held warm."""
    states = [InstanceState.SERVING] * serving + [InstanceState.WARM] * warm
    instances = tuple(
        Instance(instance_id=f"{name}-{n}", service=name, version="v1", state=state, since=NOW)
        for n, state in enumerate(states)
    )
    return Fleet(service=name, observed_at=NOW, instances=instances)


def case_of(count: int) -> Case:
    """Return services of 10 to 60 serving instances, demand rising or falling by a fifth."""
    rng = np.random.default_rng(1)
    rps = rng.uniform(1, 100, count)
    used = rng.uniform(10, 60, count)
    slope = rng.uniform(-0.2, 0.2, count)[:, None] * np.linspace(0, 1, MINUTES)
    normal = np.sort(rng.standard_normal((count, 400)), axis=1)
    spread = np.quantile(normal, NOWCAST_LEVELS, axis=1).T * rng.uniform(0.02, 0.2, count)[:, None]
    level = (rps * used)[:, None] * (1 + slope)
    quantiles = level[:, :, None] * np.exp(spread)[:, None, :]
    names = [f"service-{at}" for at in range(count)]
    standings = [
        standing_of(policy_of(name, own), peak_rps=own * 60, top_rps=own * 200)
        for name, own in zip(names, rps.tolist(), strict=True)
    ]
    asked = [
        Asked(
            fleet=fleet_of(name, int(need) + 1, 3),
            demand=RecentDemand(last_rps=now, previous_rps=now, age_s=0.0, step_s=60),
        )
        for name, need, now in zip(names, used.tolist(), level[:, 0].tolist(), strict=True)
    ]
    return Case(standings=standings, quantiles_rps=quantiles, asked=asked)


def settled(case: Case) -> Case:
    """Return the same services a minute after they were planned, with their memory of it."""
    fleets = [
        fleet_of(one.policy.service, plan.serving_count, plan.warm_count)
        for one, (plan, _) in zip(case.standings, planned(case, NOW), strict=True)
    ]
    calm = [
        msgspec.structs.replace(one, fleet=fleet)
        for one, fleet in zip(case.asked, fleets, strict=True)
    ]
    again = Case(standings=case.standings, quantiles_rps=case.quantiles_rps, asked=calm)
    known = [
        msgspec.structs.replace(one, memory=memory)
        for one, (_, memory) in zip(calm, planned(again, NOW), strict=True)
    ]
    return Case(standings=case.standings, quantiles_rps=1.002 * case.quantiles_rps, asked=known)


def needs_of(case: Case) -> list[Need]:
    """Return what every service's forecast asks for."""
    return needs_of_many(
        case.standings, case.quantiles_rps, NOWCAST_LEVELS, forecast_id="prepared",
        width_max_fraction=np.full(len(case.standings), 0.5),
    )  # fmt: skip


def planned(case: Case, now: datetime) -> list[tuple[Plan, Memory]]:
    """Return the plans of all services at an instant, without a budget."""
    return plans_of_many(now, case.standings, needs_of(case), case.asked)[0]


def round_s(case: Case) -> tuple[float, float, float]:
    """Return CPU seconds of needs, of plans without a budget, and of plans within one."""
    now = NOW + timedelta(minutes=1)
    budget = Budget(
        instance_count=round(1.01 * sum(len(one.fleet.instances) for one in case.asked))
    )
    marks = [time.process_time()]
    needs = needs_of(case)
    marks.append(time.process_time())
    plans_of_many(now, case.standings, needs, case.asked)
    marks.append(time.process_time())
    plans_of_many(now, case.standings, needs, case.asked, budget=budget)
    marks.append(time.process_time())
    first, second, third = (after - before for before, after in itertools.pairwise(marks))
    return first, second, third


def measured(case: Case) -> dict[str, float]:
    """Return seconds by part; the middle of five rounds."""
    rounds = [round_s(case) for _ in range(5)]
    needs, free, within = (statistics.median(part) for part in zip(*rounds, strict=True))
    return {
        "needs": needs,
        "plans": free,
        "plans within a budget": within,
        "in all": needs + free,
        "in all, within a budget": needs + within,
    }


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    chosen = parser.parse_args()
    round_s(case_of(20))
    cold = case_of(chosen.services)
    calm, hard = measured(settled(cold)), measured(cold)
    sys.stdout.write(
        f"{chosen.services} services, one core\n\n| part | s | µs a service | cold s |\n"
    )
    sys.stdout.write("|---|---|---|---|\n")
    for part, spent_s in calm.items():
        each = spent_s / chosen.services * 1e6
        sys.stdout.write(f"| {part} | {spent_s:.2f} | {each:.1f} | {hard[part]:.2f} |\n")


if __name__ == "__main__":
    main()
