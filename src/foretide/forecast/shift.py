"""This file knows when a series has moved to a new level, and moves the forecast with it.

Weights are learned from weeks, so a level that changed half a day ago would be followed for weeks
only in part. Where the last half day strays from what was expected of it by far more than half
days do, and both before and after half of it was due, the usual days are scaled to the new level
and take over.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.forecast.days import Floats, decay

_STRAY_IGNORED, _STRAY_CERTAIN = 2.0, 4.0
_RATIO_BOUND = 8.0
_HALF_LIFE_DAYS = 60.0
_LEAST_STRAY = 0.01
# A stray so many times the middle one counts no more: few wild ones shall not hide a new level.
_WILD = 3.0
# Share of the fullest day so far that a day must be observed for, to tell a level.
_SEEN_LEAST = 0.4
# Origins by which what is usual is doubted once more.
_FEW = 2.0
_BINS_MIN = 4


class _HalfDays(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # Sums of roots over the half day before every origin but the first, each of shape (series,
    # origins): of what was expected and what came, and of both until half of it was due.
    expected: Floats
    came: Floats
    expected_early: Floats
    came_early: Floats
    count: Floats

    def strays(self) -> Floats:
        # By bin: what came too much or, < 0, too little.
        return (self.came - self.expected) / self.count


def threshold_of(expected: Sequence[Floats], actual: Floats, seen: Floats) -> Floats:
    """Learn from past origins how far half days stray when nothing has shifted.

    Parameters
    ----------
    expected : sequence of ndarray, each of shape (series, origins + 1, days, bins)
        Ways to foresee a day, from every origin.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where it was not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape (series, len(expected))
        In square roots; infinite without an origin to tell it by, doubtful with few.
    """
    series, origins, _, per_day = actual.shape
    if origins < 1 or per_day < _BINS_MIN:
        return np.full((series, len(expected)), np.inf, dtype=np.float32)
    found = [_usual_stray(_half_days(one, actual, seen)) for one in expected]
    return np.stack(found, axis=1)


def relevelled(
    combined: Floats,
    expected: Sequence[Floats],
    actual: Floats,
    seen: Floats,
    *,
    threshold: Floats,
    fullest: Floats,
) -> tuple[Floats, Floats]:
    """Return the combined forecast, moved where the level was found to have shifted.

    Parameters
    ----------
    combined : ndarray, shape (series, origins + 1, days, bins)
        Forecast from every origin.
    expected : sequence of ndarray, each of that shape
        Ways to foresee a day, of which one that was far enough off will do; the first, which must
        be slow to follow a new level, is what will be scaled to it.
    actual, seen : ndarray, shape (series, origins, days or 1, bins)
        What came to be, 0 where not observed; and 1 where it was. Only the first day is looked at.
    threshold : ndarray, shape (series, len(expected))
        From `threshold_of`.
    fullest : ndarray, shape (series or 1,)
        Bins observed on the day that had the most.

    Returns
    -------
    tuple of ndarray
        The forecast, shape of `combined`; and the new level / the old at the last origin, shape
        (series,), 1 where it has not shifted.
    """
    days, per_day = combined.shape[2:]
    if per_day < _BINS_MIN or not actual.shape[1]:
        return combined, np.ones(len(combined), dtype=np.float32)
    halves = [_half_days(one, actual, seen) for one in expected]
    score = np.abs(halves[0].strays()) / threshold[:, :1]
    for number, one in enumerate(halves[1:], start=1):
        np.maximum(score, np.abs(one.strays()) / threshold[:, number, None], out=score)
    sure = np.clip((score - _STRAY_IGNORED) / (_STRAY_CERTAIN - _STRAY_IGNORED), 0, 1)
    # What resumes after a silence has not settled yet: too little of a day to call it a level.
    observed = np.einsum("skb->sk", seen[:, :, 0])
    sure = sure * (observed >= _SEEN_LEAST * fullest[:, None])
    ratio = _ratio(halves[0])
    at = np.nonzero((sure > 0) & (ratio != 1))
    result = combined.copy()
    later = (at[0], at[1] + 1)
    weight = sure[at][:, None, None] * decay(days, per_day, _HALF_LIFE_DAYS)
    moved = expected[0][later] * ratio[at][:, None, None]
    result[later] += weight * (moved - result[later])
    return result, 1 + sure[:, -1] * (ratio[:, -1] - 1)


def _half_days(expected: Floats, actual: Floats, seen: Floats) -> _HalfDays:
    last = np.s_[:, :, 0, -(actual.shape[3] // 2) :]
    due = np.sqrt(expected[:, :-1][last]) * seen[last]
    came = np.sqrt(actual[last])
    so_far = np.cumsum(due, axis=2)
    # Halved by what was due, not by the clock: a night in which nothing is due tells nothing.
    early = (so_far - due / 2 <= so_far[:, :, -1:] / 2).astype(np.float32)
    return _HalfDays(
        expected=so_far[:, :, -1],
        came=np.einsum("skb->sk", came),
        expected_early=np.einsum("skb,skb->sk", due, early),
        came_early=np.einsum("skb,skb->sk", came, early),
        count=np.maximum(np.einsum("skb->sk", seen[last]), 1),
    )


def _usual_stray(halves: _HalfDays) -> Floats:
    # Between what the middle and what the mean square tells of strays, in square roots.
    stray = np.abs(halves.strays())
    middle = np.float32(1.48) * np.median(stray, axis=1)
    bounded = np.minimum(stray, _WILD * middle[:, None])
    mean = np.maximum(np.sqrt(np.einsum("sk,sk->s", bounded, bounded) / stray.shape[1]), middle)
    level = 2 * (halves.expected / halves.count).mean(axis=1)
    few = np.float32(1 + _FEW / stray.shape[1])
    found: Floats = np.maximum(few * np.sqrt(middle * mean) + _LEAST_STRAY * level, 1e-6)
    return found.astype(np.float32)


def _ratio(halves: _HalfDays) -> Floats:
    # New level / old, by the half that strayed less; 1 where the two disagree or nothing was due.
    due = halves.expected_early, halves.expected - halves.expected_early
    came = halves.came_early, halves.came - halves.came_early
    early, late = (
        np.clip(np.square(c / np.maximum(d, 1e-6)), 1 / _RATIO_BOUND, _RATIO_BOUND)
        for c, d in zip(came, due, strict=True)
    )
    up, down = np.minimum(early, late), np.maximum(early, late)
    ratio = np.where(up > 1, up, np.where(down < 1, down, np.float32(1)))
    return np.where(np.minimum(*due) > 1e-6, ratio, np.float32(1))
