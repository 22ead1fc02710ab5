"""This file knows how today's error tells of tomorrow's.

What the combined forecast missed over the last day is carried forward as far as that has helped on
past origins: a ridge regression per series of the residual ahead on the last day-ahead residual.
Inputs and corrections are bounded, so that one burst cannot throw a whole day.
"""

from __future__ import annotations

import numpy as np

from foretide.forecast.days import Floats

_INPUT_BOUND = 4.0
_CORRECTION_BOUND = 1.5
_RIDGE_ORIGINS = 2.0
_ORIGINS_MIN = 4


def corrected(combined: Floats, actual: Floats, seen: Floats) -> Floats:
    """Return the combined forecast with what its last errors tell added to it.

    Parameters
    ----------
    combined : ndarray, shape (series, origins + 1, days, bins)
        Forecast from every origin; the last one is the present.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where not observed; and 1 where it was.

    Returns
    -------
    ndarray, shape of `combined`
        >= 0; unchanged with fewer than four origins to learn from.
    """
    series, origins, days, per_day = actual.shape
    if origins < _ORIGINS_MIN:
        return combined
    residual = (actual - combined[:, :-1]) * seen
    count = np.maximum(seen.sum(axis=(1, 2, 3)), 1)
    usual = np.sqrt(np.square(residual).sum(axis=(1, 2, 3)) / count)
    usual = np.maximum(usual, 1e-6)[:, None, None]
    inputs = _inputs(residual[:, :, 0] / usual, seen[:, :, 0], days)
    # The first origin has no day before it to learn from, the last (the present) no outcome.
    shape = (series, origins - 1, days * per_day)
    target = (residual[:, 1:].reshape(shape) / usual).reshape(series, 1, -1)
    target = np.clip(target, -_INPUT_BOUND, _INPUT_BOUND)
    weight = seen[:, 1:].reshape(series, 1, -1)
    past = inputs[:, :, :-1].reshape(series, len(inputs[0]), -1)
    gram = np.matmul(past * weight, past.transpose(0, 2, 1)).astype(np.float64)
    moment = np.matmul(past * weight, target.transpose(0, 2, 1)).astype(np.float64)
    ridge = _RIDGE_ORIGINS * days * per_day * np.eye(gram.shape[1])
    slope = np.asarray(np.linalg.solve(gram + ridge, moment), dtype=np.float32)
    ahead = inputs.reshape(series, len(inputs[0]), -1).transpose(0, 2, 1)
    change = np.clip(np.matmul(ahead, slope)[..., 0], -_CORRECTION_BOUND, _CORRECTION_BOUND)
    change = change.reshape(series, origins, days, per_day) * usual[..., None]
    result = combined.copy()
    result[:, 1:] = np.maximum(combined[:, 1:] + change, 0)
    return result


def _inputs(last_day: Floats, seen: Floats, days: int) -> Floats:
    # Six inputs at every origin but the first, shape (series, 6, origins, days x bins).
    series, origins, per_day = last_day.shape
    bounded = np.clip(last_day, -_INPUT_BOUND, _INPUT_BOUND)
    lead_h = (np.arange(days * per_day, dtype=np.float32) + 1) * np.float32(24 / per_day)
    tiled = np.tile(bounded, (1, 1, days))
    mean = _mean(bounded, seen, per_day)
    hour = _mean(bounded, seen, max(per_day // 24, 1))
    hours = _mean(bounded, seen, max(per_day // 8, 1))
    found = np.empty((series, 6, origins, days * per_day), dtype=np.float32)
    slow = np.exp(-lead_h / 48)
    found[:, 0] = tiled * slow
    found[:, 1] = tiled
    found[:, 2] = mean * slow
    found[:, 3] = mean
    found[:, 4] = hour * np.exp(-lead_h / 2)
    found[:, 5] = hours * np.exp(-lead_h / 6)
    return found


def _mean(values: Floats, seen: Floats, last: int) -> Floats:
    # Of the last bins of the day, shape (series, origins, 1).
    total = values[..., -last:].sum(axis=-1, keepdims=True)
    return total / np.maximum(seen[..., -last:].sum(axis=-1, keepdims=True), 1)
