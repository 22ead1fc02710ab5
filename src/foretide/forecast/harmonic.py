"""This file knows smooth days and weeks: a ridge regression on daily and weekly waves.

All series share the waves, so what a regression needs besides demand itself is worked out once
for every length of history and kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from foretide.forecast.days import Floats, kept_share

_DAILY_ORDER, _WEEKLY_ORDER = 8, 20
_RIDGE = 1.0
_KEEP = 0.5 ** (1 / 21)  # of a day's weight, from one day to the next
_WEEK = 7


def harmonic_profile(values: Floats, first: int, days_ahead: int) -> tuple[Floats, Floats]:
    """Return what waves fitted to the past say of the past and of the days after every origin.

    Parameters
    ----------
    values : ndarray, shape (series, rows, bins)
        The past with its gaps filled.
    first : int
        The first origin: a row, >= 1. The last origin is the present.
    days_ahead : int
        Days to forecast.

    Returns
    -------
    tuple of ndarray
        The waves over the day before every origin, shape (series, rows + 1 - first, bins), and
        over the days after it, (series, rows + 1 - first, days_ahead, bins).
    """
    series, rows, bins = values.shape
    weeks = -(-rows // _WEEK)
    padded = np.pad(values, ((0, 0), (0, weeks * _WEEK - rows), (0, 0)))
    by_weekday = padded.reshape(series, weeks, _WEEK, bins).transpose(0, 2, 1, 3)
    # one product per series, never one for all: no series may round another's digits
    told = np.matmul(by_weekday, _waves(bins).reshape(_WEEK, bins, -1))
    told = told.transpose(0, 2, 1, 3).reshape(series, weeks * _WEEK, -1)[:, :rows]
    # of every row, so that what comes out does not depend on how many origins are asked for
    moments = np.matmul(kept_share(rows, _KEEP), told)[:, first:]
    found = np.empty((series, rows + 1 - first, days_ahead + 1, bins), dtype=np.float32)
    for at, solver in enumerate(_solvers(rows, first, bins, days_ahead)):
        found[:, at] = (moments[:, at, None] @ solver).reshape(series, days_ahead + 1, bins)
    return found[:, :, 0], found[:, :, 1:]


@lru_cache(maxsize=8)
def _waves(bins: int) -> Floats:
    at = np.arange(_WEEK * bins) / bins
    daily = min(_DAILY_ORDER, max(bins // 2 - 1, 0))
    turns = [*range(7, 7 * daily + 1, 7), *(k for k in range(1, _WEEKLY_ORDER + 1) if k % 7)]
    phase = 2 * np.pi * np.outer(at, turns) / _WEEK
    waves = np.concatenate([np.ones((len(at), 1)), np.cos(phase), np.sin(phase)], axis=1)
    return waves.astype(np.float32)


@lru_cache(maxsize=16)
def _solvers(rows: int, first: int, bins: int, days_ahead: int) -> list[Floats]:
    # From the moments at an origin to the waves from the day before it on.
    waves = _waves(bins).astype(np.float64)
    by_weekday = waves.reshape(_WEEK, bins, -1)
    gram = np.zeros((waves.shape[1],) * 2)
    ridge = _RIDGE * bins * np.eye(len(gram))
    ridge[0, 0] = 1e-6  # the mean is not shrunk
    solvers: list[Floats] = []
    for origin in range(rows + 1):
        if origin >= first:
            ahead = np.concatenate(
                [by_weekday[day % _WEEK] for day in range(origin - 1, origin + days_ahead)]
            )
            solvers.append(np.linalg.solve(gram + ridge, ahead.T).astype(np.float32))
        gram = _KEEP * gram + by_weekday[origin % _WEEK].T @ by_weekday[origin % _WEEK]
    return solvers
