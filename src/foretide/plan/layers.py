"""This file knows the measured core: which layers of capacity are worth having, and when.

Layer k is the (k+1)-th instance, and serves the demand between D(k) and D(k+1). It fills only once
the layers below it are full, so it is never worth more than they are, and each is decided alone.
Hour by hour a layer that is on pays its price 1 and earns `rho` times the share of it that demand
fills; turning it on costs `launch_cost` and takes `lead` minutes. Two value functions, walked
backwards over the horizon, say when that pays: V for a layer that is on, W for one that is off.

Because the layers are nested the last one that pays is found by halving, in about six walks for
sixty layers. Many instants and many prices are taken in one pass, each as if it were alone.

References
----------
Ours; the separation by layers is that of Lu, Chen and Andrew, "Simple and effective dynamic
provisioning for power-proportional data centers", IEEE TPDS 24 (2013).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray
from foretide.plan.compiled import compiled

IntArray = npt.NDArray[np.int64]


@functools.lru_cache(maxsize=64)
def quantile_weights(levels: tuple[float, ...]) -> FloatArray:
    """Return the probability each quantile stands for: half-way to its neighbours.

    Parameters
    ----------
    levels : tuple of float
        Rising levels in (0, 1).

    Returns
    -------
    ndarray, shape (levels,)
        Sums to 1, read-only; the last one carries the whole upper tail.
    """
    edges = np.concatenate([[0.0], (np.array(levels[1:]) + np.array(levels[:-1])) / 2, [1.0]])
    weights = np.diff(edges)
    weights.flags.writeable = False
    return weights


def filled_fraction(
    quantiles_rps: FloatArray, weights: FloatArray, table_rps: FloatArray
) -> FloatArray:
    """Return the expected share of each layer that demand fills.

    Parameters
    ----------
    quantiles_rps : ndarray, shape (instants, minutes, levels)
        Demand in each coming minute, quantiles rising.
    weights : ndarray, shape (levels,)
        From `quantile_weights`.
    table_rps : ndarray, shape (counts,)
        Requests/s served at each of `layer_counts`.

    Returns
    -------
    ndarray, shape (instants, minutes, counts - 1)
        E[clip(d - D(k), 0, D(k+1) - D(k))] / (D(k+1) - D(k)) for layer k, in [0, 1].
    """
    instants, minutes, _ = quantiles_rps.shape
    filled = np.empty((instants, minutes, len(table_rps) - 1))
    for instant in range(instants):
        _fill(np.ascontiguousarray(quantiles_rps[instant]), weights, table_rps, filled[instant])
    return filled


def band(
    filled: FloatArray,
    *,
    rho: float,
    lead_minutes: int,
    launch_cost_minutes: float,
    min_count: int,
) -> tuple[IntArray, IntArray]:
    """Return how many layers are worth launching now, and how many are worth keeping.

    Parameters
    ----------
    filled : ndarray, shape (instants, minutes, layers)
        From `filled_fraction`; never rising with the layer.
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
    found = np.full((len(filled), 2), min_count)
    off = np.zeros(filled.shape[1] + lead_minutes + 2)
    for instant in range(len(filled)):
        _band_of(
            filled[instant], rho, lead_minutes, launch_cost_minutes, min_count, off, found[instant]
        )
    return found[:, 0], found[:, 1]


def bands(
    quantiles_rps: FloatArray,
    weights: FloatArray,
    table_rps: FloatArray,
    prices: FloatArray,
    min_count: int,
) -> IntArray:
    """Return `band` of `filled_fraction` for several prices at once.

    Parameters
    ----------
    quantiles_rps, weights, table_rps
        As for `filled_fraction`.
    prices : ndarray, shape (prices, 3)
        In each row `rho`, `lead_minutes` and `launch_cost_minutes` as for `band`; a row of rho 0
        asks for nothing beyond `min_count`.
    min_count : int
        Layers that are always on, >= 0.

    Returns
    -------
    ndarray of int, shape (instants, prices, 2)
        Layers: up and low.
    """
    found = np.empty((len(quantiles_rps), len(prices), 2), np.int64)
    # one memory layout: each other one would be compiled anew
    _all_bands(np.ascontiguousarray(quantiles_rps), weights, table_rps, prices, min_count, found)
    return found


@compiled
def _all_bands(  # noqa: PLR0917
    quantiles: FloatArray,
    weights: FloatArray,
    table: FloatArray,
    prices: FloatArray,
    min_count: int,
    found: IntArray,
) -> None:
    minutes = quantiles.shape[1]
    filled = np.empty((minutes, len(table) - 1))
    off = np.zeros(minutes + int(prices[:, 1].max()) + 2)
    found[:1] = min_count
    for instant in range(len(quantiles)):
        _fill(quantiles[instant], weights, table, filled)
        before = max(0, instant - 1)  # what was wanted a minute ago is where to begin to look
        for row in range(len(prices)):
            rho, lead, cost = prices[row, 0], int(prices[row, 1]), prices[row, 2]
            if rho > 0:
                found[instant, row] = found[before, row]
                _band_of(filled, rho, lead, cost, min_count, off, found[instant, row])
            else:
                found[instant, row] = min_count


@compiled
def _fill(
    quantiles: FloatArray, weights: FloatArray, table: FloatArray, filled: FloatArray
) -> None:
    """Walk up the layers and the quantiles together, from the highest of both downwards."""
    layers, levels = len(table) - 1, len(weights)
    for minute in range(len(quantiles)):
        above = 0.0  # the weight of the quantiles that fill the layer whole
        level = levels - 1
        for layer in range(layers - 1, -1, -1):
            low, high = table[layer], table[layer + 1]
            while level >= 0 and quantiles[minute, level] >= high:
                above += weights[level]
                level -= 1
            share = above
            part = level
            while part >= 0 and quantiles[minute, part] > low:
                share += weights[part] * (quantiles[minute, part] - low) / (high - low)
                part -= 1
            filled[minute, layer] = share


@compiled
def _band_of(  # noqa: PLR0917
    filled: FloatArray,
    rho: float,
    lead: int,
    cost: float,
    min_count: int,
    off: FloatArray,
    found: IntArray,
) -> None:
    off[len(filled) :] = 0.0
    # where a launch costs less than its lead, layers may be wanted above one that is not: the
    # first that is not ends the band, as it does where they are nested
    is_nested = cost >= lead
    up = _wanted(filled, rho, lead, cost, min_count, found[0], off, 0, is_nested)
    low = _wanted(filled, rho, lead, cost, up, found[1], off, 1, is_nested)
    found[0], found[1] = up, low


@compiled
def _wanted(  # noqa: PLR0917
    filled: FloatArray,
    rho: float,
    lead: int,
    cost: float,
    first: int,
    guess: int,
    off: FloatArray,
    is_kept: int,
    is_nested: bool,
) -> int:
    """Return the first layer from `first` on that is not wanted, soonest where it is the guess."""
    end = filled.shape[1]
    if not is_nested:
        layer = first
        while layer < end and _pays(filled, layer, rho, lead, cost, off, is_kept):
            layer += 1
        return layer
    # all below `low` are wanted, none from `high` on
    low, high, step = first, end, 1
    middle = min(max(guess, first), end - 1)
    while low < high:
        if _pays(filled, middle, rho, lead, cost, off, is_kept):
            low = middle + 1
            middle = low + step - 1
        else:
            high = middle
            middle = high - step
        step *= 2
        if not low <= middle < high:
            middle = (low + high) // 2
    return low


@compiled
def _pays(  # noqa: PLR0917
    filled: FloatArray,
    layer: int,
    rho: float,
    lead: int,
    cost: float,
    off: FloatArray,
    is_kept: int,
) -> bool:
    """Return whether a layer is launched now, or kept where it is on."""
    last = len(filled) - 1
    on = cost if rho * filled[last, layer] > 1 else 0.0
    at_lead = on
    for minute in range(last, -1, -1):
        on = rho * filled[minute, layer] - 1.0 + max(on, off[minute + 1 + lead])
        off[minute] = max(off[minute + 1], on - cost)
        if minute == lead:
            at_lead = on
    if at_lead - cost > max(0.0, off[lead + 1]):
        return True
    return is_kept == 1 and on > off[lead]
