"""This file knows how counts in fine buckets become demand in coarser ones.

A coarse bucket is observed when its source was alive in at least three quarters of it; its amount
is then what was counted, never scaled up.
"""

from __future__ import annotations

import numpy as np

from foretide.demand.gaps import BoolArray, IntArray
from foretide.model.demand import FloatArray

OBSERVED_FRACTION = 0.75


def on_grid(buckets: IntArray, amounts: FloatArray, *, first: int, count: int) -> FloatArray:
    """Return amounts laid on a grid, zero where none was given.

    Parameters
    ----------
    buckets : ndarray of int, shape (n,)
        Distinct bucket numbers since the epoch.
    amounts : ndarray, shape (n,)
        What each holds.
    first, count : int
        First bucket of the grid and how many it has; what lies outside is left out.
    """
    values = np.zeros(count)
    place = buckets - first
    inside = (place >= 0) & (place < count)
    values[place[inside]] = amounts[inside]
    return values


def coarser(values: FloatArray, *, factor: int, offset: int) -> FloatArray:
    """Return sums over `factor` successive buckets, NaN where too few of them were observed.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Amounts, NaN where not observed.
    factor : int
        Fine buckets in a coarse one, >= 1.
    offset : int
        Fine buckets between the begin of the first coarse bucket and that of the first fine one,
        in [0, factor).

    Returns
    -------
    ndarray, shape (ceil((offset + n) / factor),)
    """
    if factor == 1:
        return values
    count = -(-(offset + len(values)) // factor)
    padded = np.full(count * factor, np.nan)
    padded[offset : offset + len(values)] = values
    rows = padded.reshape(count, factor)
    observed = ~np.isnan(rows)
    sums = np.where(observed, rows, 0.0).sum(axis=1)
    return np.where(observed.sum(axis=1) >= OBSERVED_FRACTION * factor, sums, np.nan)


def observed_only(values: FloatArray, alive: BoolArray) -> FloatArray:
    """Return `values` with NaN where the source was not alive."""
    return np.where(alive, values, np.nan)
