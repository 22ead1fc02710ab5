"""This file knows the measured core: which layers of capacity are worth having, and when.

Layer k is the (k+1)-th instance, and serves the demand between D(k) and D(k+1). It fills only once
the layers below it are full, so it is never worth more than they are, and each is decided alone.
Hour by hour a layer that is on pays its price 1 and earns `rho` times the share of it that demand
fills; turning it on costs `launch_cost` and takes `lead` minutes. Two value functions, walked
backwards over the horizon, say when that pays: V for a layer that is on, W for one that is off.

Everything is computed for many instants at once, and for each of them as if it were alone.

References
----------
Ours; the separation by layers is that of Lu, Chen and Andrew, "Simple and effective dynamic
provisioning for power-proportional data centers", IEEE TPDS 24 (2013).
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

IntArray = npt.NDArray[np.int64]
SingleArray = npt.NDArray[np.float32]


def quantile_weights(levels: tuple[float, ...]) -> FloatArray:
    """Return the probability each quantile stands for: half-way to its neighbours.

    Parameters
    ----------
    levels : tuple of float
        Rising levels in (0, 1).

    Returns
    -------
    ndarray, shape (levels,)
        Sums to 1; the last one carries the whole upper tail.
    """
    edges = np.concatenate([[0.0], (np.array(levels[1:]) + np.array(levels[:-1])) / 2, [1.0]])
    return np.diff(edges)


def filled_fraction(
    quantiles_rps: FloatArray, weights: FloatArray, table_rps: FloatArray
) -> SingleArray:
    """Return the expected share of each layer that demand fills.

    Parameters
    ----------
    quantiles_rps : ndarray, shape (instants, minutes, levels)
        Demand in each coming minute.
    weights : ndarray, shape (levels,)
        From `quantile_weights`.
    table_rps : ndarray, shape (counts,)
        Requests/s served at each of `layer_counts`.

    Returns
    -------
    ndarray of float32, shape (counts - 1, instants, minutes)
        E[clip(d - D(k), 0, D(k+1) - D(k))] / (D(k+1) - D(k)) for layer k, in [0, 1].
    """
    demand = quantiles_rps.astype(np.float32)
    weight = weights.astype(np.float32)
    layers = np.zeros((len(table_rps) - 1, *demand.shape[:2]), np.float32)
    scratch = np.empty_like(demand)
    for layer, (low, high) in enumerate(itertools.pairwise(table_rps)):
        np.subtract(demand, np.float32(low), out=scratch)
        np.multiply(scratch, np.float32(1.0 / max(high - low, 1e-12)), out=scratch)
        np.clip(scratch, 0.0, 1.0, out=scratch)
        # summed level by level: a matrix product may add up in another order for another size
        for level, share in enumerate(weight):
            layers[layer] += share * scratch[:, :, level]
    return layers


def band(
    filled: SingleArray,
    *,
    rho: float,
    lead_minutes: int,
    launch_cost_minutes: float,
    min_count: int,
) -> tuple[IntArray, IntArray]:
    """Return how many layers are worth launching now, and how many are worth keeping.

    Parameters
    ----------
    filled : ndarray, shape (layers, instants, minutes)
        From `filled_fraction`.
    rho : float
        What an hour of one wholly unmet layer costs / the price of the layer, > 0.
    lead_minutes : int
        Minutes from the decision to the layer serving, >= 0.
    launch_cost_minutes : float
        Price of turning a layer on, in minutes of its price, >= 0. Below `lead_minutes` more
        demand may mean fewer layers: a second peak may make it better to wait for that one.
    min_count : int
        Layers that are always on, >= 0.

    Returns
    -------
    up, low : ndarray of int, shape (instants,)
        Grow to `up`; shrink to no less than `low`; up <= low.
    """
    benefit = np.float32(rho) * filled[min_count:] - np.float32(1.0)
    layer_count, instant_count, minutes = benefit.shape
    cost = np.float32(launch_cost_minutes)
    off = np.zeros((minutes + lead_minutes + 2, layer_count, instant_count), np.float32)
    on = np.where(benefit[:, :, -1] > 0, cost, np.float32(0.0))
    on_at_lead = on
    for minute in range(minutes - 1, -1, -1):
        on = benefit[:, :, minute] + np.maximum(on, off[minute + 1 + lead_minutes])
        off[minute] = np.maximum(off[minute + 1], on - cost)
        if minute == lead_minutes:
            on_at_lead = on
    launched = on_at_lead - cost > np.maximum(0.0, off[lead_minutes + 1])
    kept = launched | (on > off[lead_minutes])
    up, low = _unbroken(launched), _unbroken(kept)
    return min_count + up, min_count + np.maximum(up, low)


def _unbroken(wanted: npt.NDArray[np.bool_]) -> IntArray:
    """Return how many layers from the lowest on are wanted before the first that is not."""
    return np.logical_and.accumulate(wanted, axis=0).sum(axis=0, dtype=np.int64)
