"""This file knows what demand does that no forecast knew: crowds, new levels, drift, and gaps.

Pure functions of a trace in requests/s; a bucket takes the mean of what happens within it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray

_DAY_S = 86_400
_GRAIN_S = 60


def flash_crowd(
    rps: FloatArray,
    *,
    step_s: int,
    at: int,
    factor: float = 5.0,
    ramp_s: float = 120.0,
    hold_s: float = 1200.0,
    ebb_s: float = 1800.0,
) -> FloatArray:
    """Return demand with a crowd that comes within minutes, stays, and leaves.

    Parameters
    ----------
    rps : ndarray, shape (buckets,)
        Demand, NaN where not observed.
    step_s : int
        Length of a bucket in seconds, > 0.
    at : int
        Bucket at whose start the crowd begins to come.
    factor : float
        Demand at its height / without it, > 0.
    ramp_s, hold_s, ebb_s : float
        Seconds of its coming, of its stay, and until the last has left, each >= 0.

    Returns
    -------
    ndarray, shape (buckets,)
        As `rps` before `at` and after the last has left.

    Raises
    ------
    InvalidValueError
        When `factor` is not above 0 or a time is below 0.
    """
    if not factor > 0:
        raise InvalidValueError(f"factor of a flash crowd must be > 0, was {factor}")
    if min(ramp_s, hold_s, ebb_s) < 0:
        raise InvalidValueError("ramp_s, hold_s and ebb_s of a flash crowd must be >= 0")
    length = max(0, min(len(rps) - at, -(-int(ramp_s + hold_s + ebb_s) // step_s) + 1))
    grains = max(1, step_s // _GRAIN_S)
    middle_s = (np.arange(length * grains) + 0.5) * step_s / grains
    came = np.clip(middle_s / max(ramp_s, 1e-9), 0.0, 1.0)
    left = np.clip((middle_s - ramp_s - hold_s) / max(ebb_s, 1e-9), 0.0, 1.0)
    grown = 1 + (factor - 1) * (came - left)
    changed = rps.copy()
    changed[at : at + length] *= grown.reshape(length, grains).mean(axis=1)
    return changed


def level_shift(rps: FloatArray, *, at: int, factor: float) -> FloatArray:
    """Return demand that stays at another level from bucket `at` on.

    Parameters
    ----------
    rps : ndarray, shape (buckets,)
    at : int
        First bucket at the new level.
    factor : float
        New level / old, > 0.

    Raises
    ------
    InvalidValueError
        When `factor` is not above 0.
    """
    if not factor > 0:
        raise InvalidValueError(f"factor of a level shift must be > 0, was {factor}")
    changed = rps.copy()
    changed[max(at, 0) :] *= factor
    return changed


def drift(rps: FloatArray, *, step_s: int, fraction_per_day: float, at: int = 0) -> FloatArray:
    """Return demand that grows or shrinks by the same share every day from bucket `at` on.

    Parameters
    ----------
    rps : ndarray, shape (buckets,)
    step_s : int
        Length of a bucket in seconds, > 0.
    fraction_per_day : float
        Growth in a day, > -1; below 0 it shrinks.
    at : int
        First bucket that drifts.

    Raises
    ------
    InvalidValueError
        When `fraction_per_day` is not above -1.
    """
    if not fraction_per_day > -1:
        raise InvalidValueError(f"fraction_per_day must be > -1, was {fraction_per_day}")
    days = np.maximum(np.arange(len(rps)) - at, 0) * step_s / _DAY_S
    return rps * (1 + fraction_per_day) ** days


def metric_gaps(rps: FloatArray, *, gaps: Iterable[tuple[int, int]]) -> FloatArray:
    """Return demand as it is seen by one who misses some of it.

    Parameters
    ----------
    rps : ndarray, shape (buckets,)
    gaps : iterable of (int, int)
        First bucket of each gap, and how many are missing.

    Returns
    -------
    ndarray, shape (buckets,)
        NaN within the gaps: nothing came in, which is not the same as no demand.
    """
    seen = rps.copy()
    for first, count in gaps:
        seen[max(first, 0) : max(first + count, 0)] = np.nan
    return seen
