"""This file knows when a series has moved to a new level, and moves the forecast with it.

Weights are learned from weeks, so a level that changed half a day ago would be followed for weeks
only in part. Where the last half day strays from the usual same weekdays by far more than half
days do, and in both its halves, the usual days are scaled to the new level and take over.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.days import Floats, decay

_STRAY_IGNORED, _STRAY_CERTAIN = 2.0, 3.5
_RATIO_BOUND = 8.0
_HALF_LIFE_DAYS = 60.0
_LEAST_STRAY = 0.02
_SEEN_LEAST = 0.4
# Origins by which what is usual is doubted once more.
_FEW = 2.0
_BINS_MIN = 4


def threshold_of(usual: Floats, actual: Floats, seen: Floats) -> Floats:
    """Learn from past origins how far half days stray when nothing has shifted.

    Parameters
    ----------
    usual : ndarray, shape (series, origins + 1, days, bins)
        An expert slow to follow a new level, from every origin.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape (series,)
        In square roots; infinite without an origin to tell it by, doubtful with few.
    """
    series, origins, _, per_day = actual.shape
    if origins < 1 or per_day < _BINS_MIN:
        return np.ones(series, dtype=np.float32) * np.float32(np.inf)
    early, late = _halves(usual, actual, seen)
    stray = np.abs(_stray(early, late))
    typical = np.asarray(1.48 * np.median(stray, axis=1), dtype=np.float32)
    level = early[0].mean(axis=1) + late[0].mean(axis=1)
    few = np.float32(1 + _FEW / origins)
    found: Floats = np.maximum(few * typical + _LEAST_STRAY * level, np.float32(1e-6))
    return found


def relevelled(
    combined: Floats, usual: Floats, actual: Floats, seen: Floats, threshold: Floats
) -> tuple[Floats, Floats]:
    """Return the combined forecast, moved where the level was found to have shifted.

    Parameters
    ----------
    combined, usual : ndarray, shape (series, origins + 1, days, bins)
        Forecast, and an expert slow to follow a new level, from every origin.
    actual, seen : ndarray, shape (series, origins, days or 1, bins)
        What came to be, 0 where not observed; and 1 where it was. Only the first day is looked at.
    threshold : ndarray, shape (series,)
        From `threshold_of`.

    Returns
    -------
    tuple of ndarray
        The forecast, shape of `combined`; and the new level / the old at the last origin, shape
        (series,), 1 where it has not shifted.
    """
    days, per_day = combined.shape[2:]
    if per_day < _BINS_MIN or not actual.shape[1]:
        return combined, np.ones(len(combined), dtype=np.float32)
    before = _halves(usual, actual, seen)
    score = np.abs(_stray(*before)) / threshold[:, None]
    sure = np.clip((score - _STRAY_IGNORED) / (_STRAY_CERTAIN - _STRAY_IGNORED), 0, 1)
    # What resumes after a silence has not settled yet: too little of a day to call it a level.
    sure = sure * (np.einsum("skb->sk", seen[:, :, 0]) >= _SEEN_LEAST * per_day)
    ratio = _ratio(*before)
    at = np.nonzero((sure > 0) & (ratio != 1))
    result = combined.copy()
    later = (at[0], at[1] + 1)
    weight = sure[at][:, None, None] * decay(days, per_day, _HALF_LIFE_DAYS)
    moved = usual[later] * ratio[at][:, None, None]
    result[later] += weight * (moved - result[later])
    return result, 1 + sure[:, -1] * (ratio[:, -1] - 1)


def _halves(
    usual: Floats, actual: Floats, seen: Floats
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    # What was expected of the last two quarter days before every origin, and what came.
    half, quarter = actual.shape[3] // 2, actual.shape[3] // 4
    early, late = np.s_[:, :, 0, -half:-quarter], np.s_[:, :, 0, -quarter:]
    return (
        _roots(usual[:, :-1][early], actual[early], seen[early]),
        _roots(usual[:, :-1][late], actual[late], seen[late]),
    )


def _stray(early: tuple[Floats, Floats], late: tuple[Floats, Floats]) -> Floats:
    return (early[1] - early[0] + late[1] - late[0]) / np.float32(2)


def _roots(expected: Floats, actual: Floats, seen: Floats) -> tuple[Floats, Floats]:
    # Mean roots of what was expected and what came, where observed, shape (series, origins).
    count = np.maximum(np.einsum("skb->sk", seen), 1)
    return (
        np.einsum("skb->sk", np.sqrt(expected) * seen) / count,
        np.einsum("skb->sk", np.sqrt(actual)) / count,
    )


def _ratio(*before: tuple[Floats, Floats]) -> Floats:
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
