"""This file knows how what was unusual in yesterday's behaviour is carried over to the days ahead.

A straight line for each day ahead, the same for all series: trees and networks are slow to learn a
line, and few weeks teach no more than that of behaviour that leads demand by a day.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foretide.forecast.days import Floats
from foretide.forecasters.features import AHEAD_DAYS, mean_of, usual

_BOUND = np.float32(2.0)  # in roots relative to the mean
_RIDGE = 0.02
_PRIOR_BINS = 24.0


def unusual(behaviour: Sequence[Floats], rows: Sequence[int], per_day: int) -> Floats:
    """Return how behaviour on the day before each of some days differed from what was usual.

    Parameters
    ----------
    behaviour : sequence of ndarray, each of shape (days, bins)
        What was observed beside a series, NaN where nothing was.
    rows : sequence of int
        Days, each > 0.
    per_day : int
        Bins in a day.

    Returns
    -------
    ndarray of float32, shape (rows, bins, 2 x behaviour)
        By bin and in the mean, of each; 0 where not known.
    """
    before = np.asarray(rows, dtype=np.int64) - 1
    told = np.zeros((len(rows), per_day, 2 * len(behaviour)), dtype=np.float32)
    for place, values in enumerate(behaviour):
        missed = values[before] - usual(values, before.tolist(), 1)[:, 0]
        told[..., 2 * place] = missed
        told[..., 2 * place + 1] = mean_of(missed, axis=1)[:, None]
    return np.clip(np.nan_to_num(told), -_BOUND, _BOUND)


def slopes(lessons: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Return the line of each day ahead that fits best, by ridge regression.

    Parameters
    ----------
    lessons : sequence of two ndarray
        Of each series what was unusual, from `unusual`, and by how much the outcome differed
        from the usual, shape (rows, AHEAD_DAYS, bins); NaN where it was not observed.

    Returns
    -------
    ndarray of float32, shape (AHEAD_DAYS, 2 x behaviour)
    """
    size = lessons[0][0].shape[-1]
    if not size:
        return np.zeros((AHEAD_DAYS, 0), dtype=np.float32)
    gram = np.zeros((AHEAD_DAYS, size, size))
    moment = np.zeros((AHEAD_DAYS, size))
    for known, change in lessons:
        for day in range(AHEAD_DAYS):
            is_seen = np.isfinite(change[:, day])
            inputs = known[is_seen].astype(np.float64)
            outcome = np.clip(change[:, day][is_seen], -_BOUND, _BOUND).astype(np.float64)
            # each series counts alike, whatever its noise and length
            weight = 1 / (_PRIOR_BINS + np.square(outcome).sum())
            gram[day] += weight * inputs.T @ inputs
            moment[day] += weight * inputs.T @ outcome
    scale = np.trace(gram, axis1=1, axis2=2) / size
    ridge = (_RIDGE * scale + 1e-9)[:, None, None] * np.eye(size)
    return np.asarray(np.linalg.solve(gram + ridge, moment[..., None])[..., 0], dtype=np.float32)


def carried(lines: Floats, known: Floats, days_ahead: int) -> Floats:
    """Return what is carried over to the days ahead, shape (rows, days_ahead, bins)."""
    # summed in one order whatever the number of rows, so that equal days say the same
    total = np.zeros((len(known), days_ahead, known.shape[1]), dtype=np.float32)
    for place in range(known.shape[-1]):
        total += lines[:days_ahead, place, None] * known[:, None, :, place]
    return total
