"""This file knows the limit: the least cost at which any policy could miss so few requests.

The clairvoyant knows all demand. For a price per missed request (`lagrange`) the least cost is
exact, layer by layer (`simulate/oracle_layers`). Each such least cost draws a line, cost = least -
lagrange x missed, below which no policy can lie; the front is the highest of these lines at each
violation, so it is a proven bound everywhere, not only at the lagranges that were tried.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.oracle_layers import LayeredFleet, layer_count, layered_fleet, least_costs
from foretide.simulate.outcome import Front
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario

_LEAST_LAGRANGE = 1.01  # at 1, running a layer costs what it can save at best
_USUAL_LAGRANGE = 3e3  # beyond it only a few lines are needed: the front is all but vertical
_REFINED = 20  # lines added where the front is loosest, and as many around the objective
_LEAST_STEP_FRACTION = 1e-7  # lines closer than this meet where rounding says
_NEGLIGIBLE_LOAD = 1e-9  # of an instance; below it lies the rounding of demand / capacity


class _Problem(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # The observed minutes of the scored part; `at` is where they lie in the whole trace. `load` is
    # what the largest fleet can serve of it, `beyond_load` the sum of what nobody can.
    at: npt.NDArray[np.int64]
    load: FloatArray
    beyond_load: float
    launch_cost: FloatArray
    scenario: Scenario

    @property
    def total_load(self) -> float:
        return float(self.load.sum()) + self.beyond_load


class _Lines(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # Lagranges, rising from 0, and the least cost at each (the first instance left out).
    lagrange: FloatArray
    least_cost: FloatArray

    def missed(self) -> FloatArray:
        """Return where each line meets the next: falls between what the two optima miss."""
        return np.diff(self.least_cost) / np.diff(self.lagrange)


def oracle_front(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, first_scored: int
) -> Front:
    """Return the least cost of any policy by the share of requests it misses.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute of the whole trace, NaN where it was not observed.
    capacity_rps : float
        Requests/s one instance serves.
    scenario : Scenario
        Lead time and prices; the front is drawn most finely around its objective.
    first_scored : int
        First minute that is scored; what boots before it is free, as is the fleet it starts with.

    Returns
    -------
    Front
        From the least violation there can be, where its cost is exact, to that of one instance.
    """
    problem = _problem(demand_rps, capacity_rps, scenario, first_scored)
    lines = _lines(problem)
    missed = np.concatenate(([0.0], lines.missed()[::-1]))
    cost = lines.least_cost[::-1] - lines.lagrange[::-1] * missed
    total = problem.total_load
    violation = (missed + problem.beyond_load) / total if total > 0 else missed
    keep = _falling(violation, cost)
    return Front(
        violation_fraction=violation[keep],
        cost_usd=(cost[keep] + len(problem.load)) * scenario.price_usd_per_hour * MINUTE_S / 3600,
    )


def oracle_counts(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, first_scored: int
) -> Counts:
    """Return the cheapest fleet on the front that meets the scenario's objective.

    Parameters
    ----------
    demand_rps, capacity_rps, scenario, first_scored
        As for `oracle_front`.

    Returns
    -------
    Counts
        One entry per minute of the whole trace. Before the first scored minute the fleet is the
        one it starts with; minutes not observed repeat the one before.
    """
    problem = _problem(demand_rps, capacity_rps, scenario, first_scored)
    lines = _lines(problem)
    enough = np.flatnonzero(lines.missed() <= _allowed(problem))
    tight = int(enough[0]) + 1 if len(enough) else len(lines.lagrange) - 1
    serving, warm = _mixed_fleet(
        problem, loose=lines.lagrange[max(tight - 1, 0)], tight=lines.lagrange[tight]
    )
    return _whole_trace(problem, serving, warm, len(demand_rps))


def front_cost_at(front: Front, violation_fraction: float) -> float:
    """Return the front's cost in USD at a violation, held level beyond its ends."""
    return float(np.interp(violation_fraction, front.violation_fraction, front.cost_usd))


def _problem(
    demand_rps: FloatArray, capacity_rps: float, scenario: Scenario, first_scored: int
) -> _Problem:
    is_scored = np.isfinite(demand_rps)
    is_scored[:first_scored] = False
    at = np.flatnonzero(is_scored)
    load = demand_rps[at] / capacity_rps
    whole = np.floor(load)
    load = np.where((load - whole < _NEGLIGIBLE_LOAD) & (whole > 0), whole, load)
    billed = np.concatenate(([0], np.cumsum(is_scored)))
    launch_cost = billed[at] - billed[np.maximum(at - scenario.boot_minutes, 0)]
    served = np.minimum(load, FLEET_MAX_COUNT)
    return _Problem(
        at=at,
        load=served,
        beyond_load=float((load - served).sum()),
        launch_cost=launch_cost.astype(np.float64),
        scenario=scenario,
    )


def _lines(problem: _Problem) -> _Lines:
    # A coarse fan over all lagranges, then more of it where it is loose and at the objective.
    lines = _Lines(lagrange=np.zeros(1), least_cost=np.zeros(1))
    if layer_count(problem.load) == 0:
        return lines
    lines = _with_lines(problem, lines, _coarse_fan(problem))
    lines = _with_lines(problem, lines, _between_loosest(problem, lines))
    return _with_lines(problem, lines, _around_objective(problem, lines))


def _coarse_fan(problem: _Problem) -> FloatArray:
    # At the last lagrange the least missed load is worth a launch of its own: nothing is missed.
    above = problem.load[problem.load > 1]
    part = above - np.floor(above)
    least_missed = float(part[part > 0].min(initial=1.0))
    last = (problem.scenario.boot_minutes + 2) / least_missed
    usual = min(last, _USUAL_LAGRANGE)
    fan = _geometric(_LEAST_LAGRANGE, usual, 32)
    return np.concatenate((fan, _geometric(usual, last, 8)[1:])) if last > usual else fan


def _geometric(first: float, last: float, count: int) -> FloatArray:
    return first * (last / first) ** np.linspace(0.0, 1.0, count)


def _between_loosest(problem: _Problem, lines: _Lines) -> FloatArray:
    # Between two lines the least cost can rise above them by about gap x change of what is missed.
    missed = np.concatenate(([_missed_by_one(problem)], lines.missed(), [0.0]))
    slack = np.diff(lines.lagrange) * (missed[:-2] - missed[2:])
    loosest = np.argsort(slack[1:])[-_REFINED:] + 1  # below the first, nothing is worth running
    return np.sqrt(lines.lagrange[loosest] * lines.lagrange[loosest + 1])


def _around_objective(problem: _Problem, lines: _Lines) -> FloatArray:
    beyond = np.flatnonzero(lines.missed() > _allowed(problem))
    if len(beyond) == 0:
        return np.empty(0)
    left = max(int(beyond[-1]), 1)
    right = min(int(beyond[-1]) + 2, len(lines.lagrange) - 1)
    return _geometric(lines.lagrange[left], lines.lagrange[right], _REFINED + 2)[1:-1]


def _with_lines(problem: _Problem, lines: _Lines, lagrange: FloatArray) -> _Lines:
    cost = least_costs(
        problem.load,
        problem.launch_cost,
        warm_fraction=problem.scenario.warm_price_fraction,
        lagrange=lagrange,
    )
    every = np.concatenate((lines.lagrange, lagrange))
    order = np.argsort(every)
    every, cost = every[order], np.concatenate((lines.least_cost, cost))[order]
    apart = np.diff(every, prepend=-1.0) > every * _LEAST_STEP_FRACTION
    return _Lines(lagrange=every[apart], least_cost=cost[apart])


def _mixed_fleet(
    problem: _Problem, *, loose: float, tight: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    # Between two neighbouring lagranges lie fleets that live their lower layers by the tight one
    # and the others by the loose one. The fewest tight layers that miss no more than allowed.
    prices = np.empty(layer_count(problem.load))
    by_loose, by_tight = (_fleet(problem, np.full_like(prices, p)) for p in (loose, tight))
    saved = np.concatenate(([0.0], np.cumsum(by_loose.missed - by_tight.missed)))
    enough = np.flatnonzero(by_loose.missed.sum() - saved <= _allowed(problem))
    tight_count = int(enough[0]) if len(enough) else len(prices)
    prices[:tight_count], prices[tight_count:] = tight, loose
    fleet = _fleet(problem, prices)
    return fleet.serving, fleet.warm


def _fleet(problem: _Problem, lagrange: FloatArray) -> LayeredFleet:
    return layered_fleet(
        problem.load,
        problem.launch_cost,
        warm_fraction=problem.scenario.warm_price_fraction,
        lagrange=lagrange,
    )


def _allowed(problem: _Problem) -> float:
    return max(problem.scenario.objective * problem.total_load - problem.beyond_load, 0.0)


def _missed_by_one(problem: _Problem) -> float:
    return float(np.maximum(problem.load - 1.0, 0.0).sum())


def _falling(violation: FloatArray, cost: FloatArray) -> npt.NDArray[np.int64]:
    # Indices of the points that go on to a higher violation and a lower cost: lines that meet in
    # one point would give it twice, apart by rounding only.
    kept = [0]
    for point in range(1, len(violation)):
        last = kept[-1]
        if violation[point] > violation[last] * (1 + 1e-9) and cost[point] < cost[last]:
            kept.append(point)
    return np.array(kept, dtype=np.int64)


def _whole_trace(
    problem: _Problem,
    serving: npt.NDArray[np.int64],
    warm: npt.NDArray[np.int64],
    minute_count: int,
) -> Counts:
    at = problem.at
    if len(at) == 0:
        one = np.ones(minute_count, dtype=np.int64)
        return Counts(serving=one, warm=np.zeros_like(one), booting=np.zeros_like(one))
    latest = np.searchsorted(at, np.arange(minute_count), side="right") - 1
    latest = np.maximum(latest, 0)
    launched = np.maximum(np.diff(serving + warm, prepend=serving[0] + warm[0]), 0)
    change = np.zeros(minute_count, dtype=np.int64)
    np.add.at(change, np.maximum(at - problem.scenario.boot_minutes, 0), launched)
    np.subtract.at(change, at, launched)
    return Counts(serving=serving[latest], warm=warm[latest], booting=np.cumsum(change))
