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


def weights_of(guesses: dict[str, Floats], actual: Floats, seen: Floats) -> Floats:
    """Return each expert's weight by series and day ahead.

    Parameters
    ----------
    guesses : dict of str to ndarray, each of shape (series, origins + 1, days, bins)
        The last origin is the present, whose future is unknown.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where it was not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape (series, experts, days)
        >= 0, sums to 1 over the experts.
    """
    series, origins, days = actual.shape[:3]
    shape = (series, len(guesses), days)
    if origins == 0:
        return np.full(shape, 1 / len(guesses), dtype=np.float32)
    weight = recency(origins, _HALF_LIFE_ORIGINS)
    found = np.einsum("skdb->skd", seen).transpose(0, 2, 1) @ weight
    per_day = np.maximum(found, 1e-6)[:, None]
    errors = np.empty(shape, dtype=np.float32)
    missed = np.empty(actual.shape, dtype=np.float32)
    for number, guess in enumerate(guesses.values()):
        np.abs(np.subtract(guess[:, :-1], actual, out=missed), out=missed)
        errors[:, number] = np.einsum("skdb,skdb->skd", missed, seen).transpose(0, 2, 1) @ weight
    own = errors / per_day
    overall = (errors.sum(axis=2) / per_day.sum(axis=2))[:, :, None]
    is_known = found[:, None] > 0
    loss = np.asarray(np.where(is_known, (own + overall) / 2, overall), dtype=np.float32)
    best = np.maximum(loss.min(axis=1, keepdims=True), 1e-6)
    score = np.exp(-_SHARPNESS * np.minimum(loss / best - 1, 10)).astype(np.float32)
    return score / score.sum(axis=1, keepdims=True)


def combine(guesses: dict[str, Floats], weights: Floats) -> Floats:
    """Return the weighted mean of the experts' guesses from every origin.

    Parameters
    ----------
    guesses : dict of str to ndarray, each of shape (series, origins, days, bins)
    weights : ndarray, shape (series, experts, days)
        In the order of `guesses`.

    Returns
    -------
    ndarray, shape (series, origins, days, bins)
    """
    shape = next(iter(guesses.values())).shape
    flat = (shape[0], shape[1], shape[2] * shape[3])
    # Laid out as the guesses are: a factor that changes with every day is slow to broadcast.
    spread = np.repeat(weights, shape[3], axis=2)
    combined = np.zeros(flat, dtype=np.float32)
    part = np.empty_like(combined)
    for number, guess in enumerate(guesses.values()):
        combined += np.multiply(guess.reshape(flat), spread[:, number, None], out=part)
    return combined.reshape(shape)
