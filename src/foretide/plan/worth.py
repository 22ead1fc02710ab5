"""This file knows what further instances are worth to a service that asks for a shared budget."""

from __future__ import annotations

import math

import numpy as np

from foretide.model.demand import FloatArray
from foretide.model.fleet import Fleet, InstanceState
from foretide.plan.budget import Ask
from foretide.plan.capacity import instances_for
from foretide.plan.compiled import compiled
from foretide.plan.cost import FORMULA_FRACTION
from foretide.plan.memory import Memory, RecentDemand
from foretide.plan.need import TAIL_LEVELS, Need
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import Ledger

_NOTHING = np.empty(0)
# what `draft` lets a surprise ask for at most
MAX_SURGE_FACTOR = 3.0
_LOW, _MEDIAN, _UPPER = 0.05, 0.5, 0.95
_TOLD = (_LOW, _MEDIAN, _UPPER, *TAIL_LEVELS)
_ORDER = np.argsort(_TOLD)
_EDGES = np.array([*sorted(_TOLD), 1.0])
_NO_QUANTILES = np.zeros(len(_EDGES))


def ask_of(
    policy: ServicePolicy,
    need: Need | None,
    demand: RecentDemand,
    memory: Memory,
    *,
    held_count: int,
    priority: int = 0,
) -> Ask:
    """Return what a service asks of a shared budget at one instant.

    It asks for all that its plan may want now: what the forecast asks for, the spend guard while
    it acts, the formula while it stands in for the forecast, and demand that surprises; each
    instance at its own worth. A ceiling of all it asks for changes no plan.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    need : Need, optional
        What its forecast asks for.
    demand : RecentDemand
        What was last seen of its demand.
    memory : Memory
        From the plan before.
    held_count : int
        Instances it has already, ready or on their way, >= 0.
    priority : int
        Between layers of equal worth the higher one wins.

    Returns
    -------
    Ask
        Worth is `rho` times the share of the instance that demand fills one boot ahead, or fills
        already, whichever is more.
    """
    floor = max(policy.min_count, held_count)
    wanted = min(_wanted_count(policy, need, demand, memory), policy.max_count)
    return Ask(
        service=policy.service,
        min_count=policy.min_count,
        held_count=held_count,
        worth=_worth(policy, need, demand, floor, wanted) if wanted > floor else _NOTHING,
        price_usd_per_hour=policy.price_usd_per_hour,
        priority=priority,
    )


def held_count(fleet: Fleet, ledger: Ledger) -> int:
    """Return what a service has or has on its way, launches that no report shows yet included.

    Parameters
    ----------
    fleet : Fleet
        As reported; what drains is not counted.
    ledger : Ledger
        From the plan before: what was asked for since the report before this one.
    """
    if fleet.instances is ledger.instances:
        count = ledger.census.total
    else:
        leaving = sum(one.state is InstanceState.DRAINING for one in fleet.instances)
        count = len(fleet.instances) - leaving
    if not ledger.launched and not ledger.doubted:
        return count
    known = {one.instance_id for one in fleet.instances}
    unseen = {name for name, _ in ledger.launched} | {one.instance_id for one in ledger.doubted}
    return count + len(unseen - known)


def _wanted_count(
    policy: ServicePolicy, need: Need | None, demand: RecentDemand, memory: Memory
) -> int:
    last, previous = demand.last_rps or 0.0, demand.previous_rps or 0.0
    stance = memory.stance
    if need is None or not need.is_sound or stance.fallback_until is not None:
        formula = math.ceil(instances_for(policy.curve, last) / FORMULA_FRACTION)
        if need is None:
            return formula
        return max(formula, need.total_up, stance.floor_total)
    wanted = max(need.total_up, instances_for(policy.curve, max(last, previous)))
    if need.guard is not None and (memory.over_rps > 0 or last > need.predicted_rps):
        wanted = max(wanted, need.guard.total_up)
    if last > need.predicted_rps:
        # a surprise goes on rising as it has risen
        rising = min(max(2 * last - previous, last), MAX_SURGE_FACTOR * last)
        wanted = max(wanted, instances_for(policy.curve, rising))
    return wanted


def _worth(
    policy: ServicePolicy, need: Need | None, demand: RecentDemand, floor: int, wanted: int
) -> FloatArray:
    knob = policy.knob
    rho = need.rho if need is not None and need.rho > 0 else knob.warm_rho or knob.run_rho
    quantiles = _NO_QUANTILES if need is None else _quantiles(need)
    seen = max(demand.last_rps or 0.0, demand.previous_rps or 0.0)
    worth = np.empty(wanted - floor)
    _fill_worth(policy.curve.served_rps, floor, quantiles, _EDGES, seen, rho, worth)
    return worth


def _quantiles(need: Need) -> FloatArray:
    """Return demand one boot ahead at `_EDGES`, rising."""
    told = (need.low_rps, need.predicted_rps, need.upper_rps, *need.tail_rps)
    if not need.tail_rps:
        between = (need.predicted_rps + need.upper_rps) / 2
        told += tuple(between if level < _UPPER else need.upper_rps for level in TAIL_LEVELS)
    rps = np.empty(len(_EDGES))
    rps[:-1] = np.array(told)[_ORDER]
    # as far beyond the last quantile as that lies from the one before
    rps[-1] = 2 * rps[-2] - rps[-3]
    return np.maximum.accumulate(rps)


@compiled
def _fill_worth(  # noqa: PLR0917
    table: FloatArray,
    first: int,
    quantiles: FloatArray,
    levels: FloatArray,
    seen: float,
    rho: float,
    worth: FloatArray,
) -> None:
    low = _served(table, first)
    missed = _missed(quantiles, levels, low)
    for layer in range(len(worth)):
        high = _served(table, first + layer + 1)
        missed_next = _missed(quantiles, levels, high)
        # between two counts demand is as likely at one as at the other
        share = (missed + missed_next) / 2
        now = (seen - low) / max(high - low, 1e-12)
        worth[layer] = rho * max(share, min(max(now, 0.0), 1.0))
        low, missed = high, missed_next


@compiled
def _served(table: FloatArray, count: int) -> float:
    last = len(table) - 1
    if count <= last:
        return table[count]
    return table[last] + (count - last) * (table[last] - table[last - 1])


@compiled
def _missed(quantiles: FloatArray, levels: FloatArray, rps: float) -> float:
    """Return how likely demand is to exceed `rps`."""
    if rps < quantiles[0]:
        return 1.0
    for at in range(1, len(levels)):
        if rps < quantiles[at]:
            gap = quantiles[at] - quantiles[at - 1]
            part = (rps - quantiles[at - 1]) / gap
            return 1.0 - levels[at - 1] - part * (levels[at] - levels[at - 1])
    return 0.0
