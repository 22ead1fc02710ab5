"""This file knows when a series has moved to a new level, and moves the forecast with it.

Weights are learned from weeks, so a level that changed half a day ago would be followed for weeks
only in part. Where the last half day strays from the usual same weekdays by far more than half
days do, and in both its halves, the usual days are scaled to the new level and take over.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.days import Floats, decay

_STRAY_IGNORED, _STRAY_CERTAIN = 3.0, 6.0
_RATIO_BOUND = 8.0
_HALF_LIFE_DAYS = 3.0
_LEAST_STRAY = 0.02
_SEEN_LEAST = 0.4
_ORIGINS_MIN = 4


def relevelled(combined: Floats, usual: Floats, actual: Floats, seen: Floats) -> Floats:
    """Return the combined forecast, moved where the level was found to have shifted.

    Parameters
    ----------
    combined : ndarray, shape (series, origins + 1, days, bins)
        Forecast from every origin; the last one is the present.
    usual : ndarray, shape of `combined`
        An expert slow to follow a new level.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape of `combined`
        Unchanged with fewer than four origins to tell the usual stray by.
    """
    origins, days, per_day = actual.shape[1:]
    if origins < _ORIGINS_MIN or per_day < 4:
        return combined
    quarters = [np.s_[:, :, 0, -per_day // 2 : -per_day // 4], np.s_[:, :, 0, -per_day // 4 :]]
    before = [_roots(usual[:, :-1][part], actual[part], seen[part]) for part in quarters]
    strays = sum(actually - expected for expected, actually in before) / np.float32(2)
    level = before[0][0].mean(axis=1, keepdims=True) + before[1][0].mean(axis=1, keepdims=True)
    typical = 1.48 * np.median(np.abs(strays), axis=1, keepdims=True)
    score = np.abs(strays) / np.maximum(typical + _LEAST_STRAY * level, 1e-6)
    sure = np.clip((score - _STRAY_IGNORED) / (_STRAY_CERTAIN - _STRAY_IGNORED), 0, 1)
    # What resumes after a silence has not settled yet: too little of a day to call it a level.
    sure = sure * (seen[:, :, 0].mean(axis=2) >= _SEEN_LEAST)
    ratio = _ratio(before)
    weight = (sure * (ratio != 1))[:, :, None, None] * decay(days, per_day, _HALF_LIFE_DAYS)
    result = combined.copy()
    moved = usual[:, 1:] * ratio[:, :, None, None]
    result[:, 1:] = combined[:, 1:] + weight * (moved - combined[:, 1:])
    return result


def _roots(expected: Floats, actual: Floats, seen: Floats) -> tuple[Floats, Floats]:
    # Mean roots of what was expected and what came, where observed, shape (series, origins).
    count = np.maximum(seen.sum(axis=2), 1)
    return (
        (np.sqrt(expected) * seen).sum(axis=2) / count,
        np.sqrt(actual).sum(axis=2) / count,
    )


def _ratio(before: list[tuple[Floats, Floats]]) -> Floats:
    # New level / old, by the quarter day that strayed less; 1 where the two disagree.
    early, late = (
        np.clip(
            np.square(actually) / np.maximum(np.square(expected), 1e-6),
            1 / _RATIO_BOUND,
            _RATIO_BOUND,
        )
        for expected, actually in before
    )
    up, down = np.minimum(early, late), np.maximum(early, late)
    return np.where(up > 1, up, np.where(down < 1, down, np.float32(1)))
