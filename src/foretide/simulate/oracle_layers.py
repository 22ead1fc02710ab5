"""This file knows the cheapest life of each layer of a fleet when all demand is known beforehand.

Layer k (k = 1, 2 ...) is the instance beyond the first k. Each minute it is off, warm or running;
it misses clip(load - k, 0, 1) unless it runs, and pays `lagrange` for what it misses. Promote and
park cost nothing, so while a layer is on, each minute takes the cheaper of running and warm; that
leaves two states and one number to carry from minute to minute:

    lead = least cost so far ending off - least cost so far ending on
    lead' = clip(lead, -launch, 0) + max(lagrange * missed - 1, -warm_fraction)

Costs are in instance-minutes, load in instances. Every minute here is an observed one.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

_BLOCK = 64  # minutes between two looks at which layers are at rest
_GROUP = 128  # layers traced at once: bounds the memory of a trace with a high peak


def layer_count(load: FloatArray) -> int:
    """Return how many layers above the first instance the highest load reaches into."""
    return max(math.ceil(load.max(initial=0.0)) - 1, 0)


def least_costs(
    load: FloatArray,
    launch_cost: FloatArray,
    *,
    warm_fraction: float,
    lagrange: FloatArray,
) -> FloatArray:
    """Return the least cost + lagrange x missed of all layers together.

    Only layers near the present load are stepped: one that has long been idle, or long been fully
    used, has come to rest at a known lead and is left there until the load comes back to it.

    Parameters
    ----------
    load : ndarray, shape (minutes,)
        Demand in instances, finite, >= 0.
    launch_cost : ndarray, shape (minutes,)
        Instance-minutes billed while an instance boots that is on from this minute on.
    warm_fraction : float
        Price of a warm minute / price of a running one, in (0, 1]; 1 = no warm pool.
    lagrange : ndarray, shape (lagranges,)
        Price of a missed instance-minute of load, each > 1 (at 1 nothing is worth running).

    Returns
    -------
    ndarray, shape (lagranges,)
        Instance-minutes, the first instance's own not included.
    """
    layers = layer_count(load)
    lead = np.zeros((layers, len(lagrange)))
    cost = np.zeros_like(lead)  # of ending on; of a layer at rest: beyond the rest's own
    idle_lead, idle_cost = _idle_path(launch_cost, warm_fraction)
    used_lead = np.maximum(lagrange - 1.0, -warm_fraction)
    low = high = 0  # rows below `low` rest fully used, rows from `high` on rest idle
    for start in range(0, len(load), _BLOCK):
        block = load[start : start + _BLOCK]
        reached = layer_count(block)
        filled = max(math.floor(block.min()) - 1, 0)
        if reached > high:
            lead[high:reached] = idle_lead[start]
            cost[high:reached] += idle_cost[start]
            high = reached
        if filled < low:
            lead[filled:low] = used_lead
            cost[filled:low] += start
            low = filled
        if low < high:
            missed = np.clip(block[:, None] - np.arange(low + 1, high + 1), 0.0, 1.0)
            _step_block(
                lead[low:high],
                cost[low:high],
                missed[:, :, None] * lagrange,
                launch_cost[start : start + _BLOCK],
                warm_fraction,
            )
        end = start + len(block)
        while low < high and (lead[high - 1] == idle_lead[end]).all():
            high -= 1
            cost[high] -= idle_cost[end]
        while low < high and (lead[low] == used_lead).all():
            cost[low] -= end
            low += 1
    lead[:low], lead[high:] = used_lead, idle_lead[-1]
    cost[:low] += len(load)
    cost[high:] += idle_cost[-1]
    return (cost + np.minimum(lead, 0.0)).sum(axis=0)


def _step_block(
    lead: FloatArray,
    cost: FloatArray,
    price_missed: FloatArray,
    launch_cost: FloatArray,
    warm_fraction: float,
) -> None:
    # Steps `lead` and `cost` (layers x lagranges) in place, minute by minute.
    gain = np.maximum(price_missed - 1.0, -warm_fraction)
    floor = np.empty_like(lead)
    for minute, launch in enumerate(launch_cost.tolist()):
        np.maximum(lead, -launch, out=floor)
        np.subtract(lead, floor, out=lead)
        np.add(cost, lead, out=cost)  # a launch, where it beats having stayed on
        np.minimum(floor, 0.0, out=lead)
        np.add(lead, gain[minute], out=lead)
    cost += np.minimum(price_missed + warm_fraction, 1.0).sum(axis=0)


def _idle_path(launch_cost: FloatArray, warm_fraction: float) -> tuple[FloatArray, FloatArray]:
    # Lead and cost of a layer that misses nothing, before each minute and after the last.
    leads, costs = [0.0], [0.0]
    lead = cost = 0.0
    for launch in launch_cost.tolist():
        floor = max(lead, -launch)
        cost += lead - floor + warm_fraction
        lead = min(floor, 0.0) + max(-1.0, -warm_fraction)
        leads.append(lead)
        costs.append(cost)
    return np.array(leads), np.array(costs)


class LayerStates(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """When each of some layers is on and when it runs.

    Parameters
    ----------
    minutes : ndarray of int, shape (kept,)
        The minutes told of, rising; in all others the layers are off.
    is_on, is_running : ndarray of bool, shape (kept, layers)
        Running implies on; a higher layer is on (running) only where the lower ones are.
    missed : ndarray, shape (layers,)
        Instance-minutes of load that each layer misses.
    """

    minutes: IntArray
    is_on: BoolArray
    is_running: BoolArray
    missed: FloatArray


def layer_states(
    load: FloatArray,
    launch_cost: FloatArray,
    *,
    warm_fraction: float,
    lagrange: FloatArray,
    first_layer: int = 1,
) -> LayerStates:
    """Return how some layers live at the least cost.

    Parameters
    ----------
    load, launch_cost, warm_fraction
        As for `least_costs`.
    lagrange : ndarray, shape (layers,)
        Price of a missed instance-minute of load, >= 0, for each layer from `first_layer` on;
        never rising from layer to layer.
    first_layer : int
        The lowest layer wanted, >= 1.

    Returns
    -------
    LayerStates
        Only of the minutes in which one of these layers may be on.
    """
    layers = np.arange(first_layer, first_layer + len(lagrange))
    minutes = _minutes_not_at_rest(load, launch_cost, first_layer, warm_fraction)
    stays_on = np.empty((len(minutes), len(lagrange)), dtype=np.bool_)
    goes_off = np.empty_like(stays_on)
    is_worth_running = np.empty_like(stays_on)
    missed = np.empty((len(minutes), len(lagrange)))
    lead = np.zeros(len(lagrange))
    for start in range(0, len(minutes), _BLOCK):
        block = slice(start, start + _BLOCK)
        missed[block] = np.clip(load[minutes[block], None] - layers, 0.0, 1.0)
        price_missed = missed[block] * lagrange
        is_worth_running[block] = price_missed - 1.0 >= -warm_fraction
        gain = np.maximum(price_missed - 1.0, -warm_fraction)
        for step, launch in enumerate(launch_cost[minutes[block]].tolist()):
            np.greater_equal(lead, -launch, out=stays_on[start + step])
            np.greater(lead, 0.0, out=goes_off[start + step])
            lead = np.minimum(np.maximum(lead, -launch), 0.0) + gain[step]
    is_on = _traced_back(lead > 0, stays_on, goes_off)
    is_running = is_on & is_worth_running
    return LayerStates(
        minutes=minutes,
        is_on=is_on,
        is_running=is_running,
        missed=np.where(is_running, 0.0, missed).sum(axis=0),
    )


def _minutes_not_at_rest(
    load: FloatArray, launch_cost: FloatArray, first_layer: int, warm_fraction: float
) -> IntArray:
    # Having missed nothing for so long, a layer is off until it is launched anew, and its lead
    # stays what it is. Where a launch is cheap (at the start, after a gap) an idle layer may have
    # been on: that is no rest.
    is_active = (load > first_layer) | (launch_cost < launch_cost.max(initial=0.0))
    is_active[:1] = True
    settling = math.ceil(launch_cost.max(initial=0.0) / warm_fraction) + 2
    since = np.cumsum(is_active)
    return np.flatnonzero(since > np.concatenate((np.zeros(settling), since))[: len(since)])


def _traced_back(state: BoolArray, stays_on: BoolArray, goes_off: BoolArray) -> BoolArray:
    # From the best last state back: on came from on, or from a launch; off from off, or from on.
    is_on: BoolArray = np.empty_like(stays_on)
    for minute in range(len(stays_on) - 1, -1, -1):
        is_on[minute] = state
        state = (state & stays_on[minute]) | (~state & goes_off[minute])
    return is_on


class LayeredFleet(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The cheapest lives of all layers, as a fleet.

    Parameters
    ----------
    serving, warm : ndarray of int, shape (minutes,)
        Running and warm instances, the first one, which always runs, included.
    missed : ndarray, shape (layers,)
        Instance-minutes of load that each layer above the first instance misses.
    """

    serving: IntArray
    warm: IntArray
    missed: FloatArray


def layered_fleet(
    load: FloatArray, launch_cost: FloatArray, *, warm_fraction: float, lagrange: FloatArray
) -> LayeredFleet:
    """Return the fleet in which every layer lives as cheaply as it can.

    Parameters
    ----------
    load, launch_cost, warm_fraction
        As for `least_costs`.
    lagrange : ndarray, shape (layers,)
        As for `layer_states`, for all layers of `load`.

    Returns
    -------
    LayeredFleet
        One entry per minute, and what each layer misses.
    """
    serving = np.ones(len(load), dtype=np.int64)
    present = serving.copy()
    missed = np.empty(len(lagrange))
    for start in range(0, len(lagrange), _GROUP):
        states = layer_states(
            load,
            launch_cost,
            warm_fraction=warm_fraction,
            lagrange=lagrange[start : start + _GROUP],
            first_layer=start + 1,
        )
        serving[states.minutes] += states.is_running.sum(axis=1)
        present[states.minutes] += states.is_on.sum(axis=1)
        missed[start : start + _GROUP] = states.missed
    return LayeredFleet(serving=serving, warm=present - serving, missed=missed)
