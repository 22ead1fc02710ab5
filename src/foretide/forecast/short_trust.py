"""This file knows how far each of several forecasts of the next two hours is trusted.

By what each would have lost of late: pinball loss at past instants, of which the largest are
damped, because a shock that nobody foresaw tells no forecast from another. And by how it stands
among the others now: one that lies further from the rest than it usually does is asked something
unlike all that it was tried on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foretide.forecast.days import Floats
from foretide.model.demand import FloatArray

SCORED = np.array((0.1, 0.5, 0.9, 0.95, 0.99))
_DAMPED = 0.7  # the power that losses are averaged in
_SHARPNESS = 6.0
_ASTRAY = 4.0  # times the usual distance from the rest, beyond which trust is lost


def lost_by(centre: Floats, stray: Floats, shape: FloatArray, came: Floats) -> Floats:
    """Return the pinball loss at past instants, damped.

    Parameters
    ----------
    centre, stray : ndarray, shape (series, leads, instants)
        What was said, in square roots, and how far it may stray.
    shape : ndarray, shape (series, leads, levels)
        Quantiles of its errors over `stray` at `SCORED`.
    came : ndarray, shape of `centre`
        What came, in amounts.

    Returns
    -------
    ndarray, shape of `centre`
    """
    total = np.zeros(came.shape, dtype=np.float32)
    for at, level in enumerate(SCORED.astype(np.float32)):
        guess = stray * shape[..., [at]].astype(np.float32)
        guess += centre
        np.maximum(guess, 0, out=guess)
        guess *= guess
        over = np.subtract(came, guess, out=guess)
        # level x over where it is positive, (level - 1) x over where it is not
        lost = np.maximum(over, 0)
        lost -= (1 - level) * over
        total += lost
    return np.maximum(total, 0) ** np.float32(_DAMPED)


def losses_of(lost: Sequence[Floats], weight: Floats) -> FloatArray:
    """Return what each forecast lost of late.

    Parameters
    ----------
    lost : sequence of ndarray, each of shape (series, leads, instants)
        From `lost_by`, of every forecast.
    weight : ndarray, shape (series, leads, instants)
        What the instants count.

    Returns
    -------
    ndarray, shape (series, leads, forecasts)
    """
    total = np.maximum(weight.sum(axis=2, dtype=np.float64), 1e-9)
    means = [(one * weight).sum(axis=2, dtype=np.float64) / total for one in lost]
    return np.stack(means, axis=2) ** (1 / _DAMPED)


def weights_of(losses: FloatArray) -> FloatArray:
    """Return how far each forecast is trusted by its loss, shape of `losses`, summing to 1."""
    best = np.maximum(losses.min(axis=2, keepdims=True), 1e-12)
    score = np.exp(-_SHARPNESS * np.minimum(losses / best - 1, 10))
    return np.asarray(score / score.sum(axis=2, keepdims=True), dtype=np.float64)


def astray(
    said: Sequence[Floats], now: Sequence[Floats], weights: FloatArray, seen: Floats
) -> tuple[FloatArray, FloatArray]:
    """Return how far each forecast lies from what the others say, now, and may as usual.

    Parameters
    ----------
    said : sequence of ndarray, each of shape (series, leads, instants)
        What every forecast said at past instants.
    now : sequence of ndarray, each of shape (series, leads)
        What it says now.
    weights : ndarray, shape (series, leads, forecasts)
        How far they are trusted, summing to 1.
    seen : ndarray, shape (series, leads, instants)
        1 where an instant tells, else 0.

    Returns
    -------
    tuple of two ndarray of shape (series, leads, forecasts)
    """
    narrow = weights.astype(np.float32)
    count = np.maximum(seen.sum(axis=2, dtype=np.float64), 1)
    middle = np.zeros_like(said[0])
    for at, one in enumerate(said):
        middle += narrow[..., [at]] * one
    middle_now = sum((weights[..., at] * one for at, one in enumerate(now)), np.zeros(count.shape))
    off = [np.square((one - middle) * seen).sum(axis=2, dtype=np.float64) / count for one in said]
    # The middle holds the forecast itself: what the others say lies further off by its share.
    others = np.maximum(1 - weights, 1e-6)
    usual = _ASTRAY * np.sqrt(np.stack(off, axis=2)) / others
    off_now = np.abs(np.stack([one - middle_now for one in now], axis=2)) / others
    return np.asarray(off_now), np.asarray(usual)
