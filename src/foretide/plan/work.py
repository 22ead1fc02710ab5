"""This file knows how long a call of each feature keeps an instance busy, learned from both.

Busy seconds per second of a service are the sum over features of rate times busy seconds per call.
They are found by least squares with no number below 0, old minutes counting less, and minutes that
fit badly (a backup, a crawler) counting little.

References
----------
Lawson and Hanson, "Solving Least Squares Problems" (1974), chapter 23; Huber, "Robust Estimation
of a Location Parameter", Annals of Mathematical Statistics 35 (1964).
"""

from __future__ import annotations

import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray

_HALF_LIFE_MINUTES = 24 * 60.0
_ROUNDS = 8
_HUBER = 1.345  # of robust standard deviations: 95 % as efficient as squares on normal errors


def busy_seconds(
    busy_s: FloatArray, rates_rps: FloatArray, *, half_life_minutes: float = _HALF_LIFE_MINUTES
) -> FloatArray:
    """Return the busy seconds per call of each feature, for each service.

    Parameters
    ----------
    busy_s : ndarray, shape (minutes, services)
        Seconds that instances of each service were busy, per second; NaN where not measured.
    rates_rps : ndarray, shape (minutes, features)
        Calls per second of each feature; NaN where not observed.
    half_life_minutes : float
        Age at which a minute counts half, > 0.

    Returns
    -------
    ndarray, shape (services, features)
        All >= 0; NaN for a service or feature without a minute to learn from.

    Raises
    ------
    InvalidValueError
        When the minutes of the two do not agree.
    """
    if busy_s.ndim != 2 or rates_rps.ndim != 2 or len(busy_s) != len(rates_rps):
        raise InvalidValueError(
            f"busy_s and rates_rps must hold the same minutes, had {busy_s.shape} and "
            f"{rates_rps.shape}"
        )
    age = np.arange(len(busy_s))[::-1]
    fading = 0.5 ** (age / half_life_minutes)
    learned = np.full((busy_s.shape[1], rates_rps.shape[1]), np.nan)
    is_called = (np.nan_to_num(rates_rps) > 0).any(axis=0)
    for service, busy in enumerate(busy_s.T):
        is_seen = np.isfinite(busy) & np.isfinite(rates_rps).all(axis=1)
        if is_seen.any() and is_called.any():
            rates = rates_rps[is_seen][:, is_called]
            learned[service, is_called] = _robust(rates, busy[is_seen], fading[is_seen])
    return learned


def _robust(rates: FloatArray, busy: FloatArray, fading: FloatArray) -> FloatArray:
    weight = fading
    found = np.zeros(rates.shape[1])
    for _ in range(_ROUNDS):
        found = nonnegative(rates * weight[:, None] ** 0.5, busy * weight**0.5)
        off = np.abs(busy - rates @ found)
        scale = 1.4826 * float(np.median(off))
        if scale <= 1e-12 * max(float(np.abs(busy).max()), 1e-300):
            break
        weight = fading * np.minimum(1.0, _HUBER * scale / np.maximum(off, 1e-300))
    return found


def nonnegative(matrix: FloatArray, target: FloatArray) -> FloatArray:
    """Return the x >= 0 for which `matrix @ x` comes nearest to `target`.

    Parameters
    ----------
    matrix : ndarray, shape (rows, columns)
    target : ndarray, shape (rows,)

    Returns
    -------
    ndarray, shape (columns,)
    """
    gram, pull = matrix.T @ matrix, matrix.T @ target
    count = len(pull)
    found = np.zeros(count)
    is_free = np.zeros(count, bool)
    slack = 1e-10 * max(float(np.abs(pull).max(initial=0.0)), 1e-300)
    for _ in range(3 * count + 10):
        gradient = pull - gram @ found
        gradient[is_free] = -np.inf
        best = int(np.argmax(gradient))
        if gradient[best] <= slack:
            break
        is_free[best] = True
        found = _walked_back(gram, pull, found, is_free)
    return found


def _walked_back(
    gram: FloatArray,
    pull: FloatArray,
    found: FloatArray,
    is_free: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> FloatArray:
    """Return the least squares of what is free, what would fall below 0 bound again."""
    while is_free.any():
        trial = np.zeros(len(found))
        trial[is_free] = np.linalg.lstsq(gram[np.ix_(is_free, is_free)], pull[is_free], rcond=None)[
            0
        ]
        if (trial[is_free] > 0).all():
            return trial
        falls = is_free & (trial <= 0)
        step = (found[falls] / np.maximum(found[falls] - trial[falls], 1e-300)).min()
        found = found + step * (trial - found)
        is_free &= ~(falls & (found <= 1e-15 * max(float(found.max()), 1e-300)))
        found[~is_free] = 0.0
    return found
