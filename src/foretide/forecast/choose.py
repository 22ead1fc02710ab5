"""This file knows how much each expert is to be believed, by how it did on past origins.

The weights are a softmax of each expert's recent mean error, per series and day ahead: an expert
a tenth worse than the best still has nearly half its weight, for averaging beats choosing.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.days import Floats

_SHARPNESS = 4.0
_HALF_LIFE_ORIGINS = 10.0


def recency(count: int, half_life: float) -> Floats:
    """Return weights that halve every `half_life` origins back, oldest first, shape (count,)."""
    return (0.5 ** (np.arange(count - 1, -1, -1) / half_life)).astype(np.float32)


def combine(guesses: dict[str, Floats], actual: Floats, seen: Floats) -> Floats:
    """Return the weighted mean of the experts' guesses from every origin, the present too.

    Parameters
    ----------
    guesses : dict of str to ndarray, each of shape (series, origins + 1, days, bins)
        The last origin is the present, whose future is unknown.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where it was not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape (series, origins + 1, days, bins)
    """
    experts = list(guesses.values())
    weights = _weights(experts, actual, seen)
    combined = np.zeros(experts[0].shape, dtype=np.float32)
    part = np.empty_like(combined)
    for number, guess in enumerate(experts):
        combined += np.multiply(guess, weights[number][:, None, :, None], out=part)
    return combined


def _weights(experts: list[Floats], actual: Floats, seen: Floats) -> Floats:
    # Shape (experts, series, days).
    origins = actual.shape[1]
    if origins == 0:
        return np.full(
            (len(experts), len(actual), actual.shape[2]), 1 / len(experts), dtype=np.float32
        )
    weight = recency(origins, _HALF_LIFE_ORIGINS)[:, None] * np.ones(
        actual.shape[2], dtype=np.float32
    )
    found = seen.sum(axis=3)
    per_day = np.maximum((found * weight).sum(axis=1), 1e-6)
    errors = np.empty((len(experts), len(actual), actual.shape[2]), dtype=np.float32)
    missed = np.empty(actual.shape, dtype=np.float32)
    for number, guess in enumerate(experts):
        np.abs(np.subtract(guess[:, :-1], actual, out=missed), out=missed)
        missed *= seen
        errors[number] = (missed.sum(axis=3) * weight).sum(axis=1)
    own = errors / per_day
    overall = (errors.sum(axis=2) / per_day.sum(axis=1))[:, :, None]
    is_known = (found.sum(axis=1) > 0)[None]
    loss = np.asarray(np.where(is_known, (own + overall) / 2, overall), dtype=np.float32)
    best = np.maximum(loss.min(axis=0, keepdims=True), 1e-6)
    score = np.exp(-_SHARPNESS * np.minimum(loss / best - 1, 10))
    return score / score.sum(axis=0, keepdims=True)
