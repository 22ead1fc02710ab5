"""This file knows how today's error tells of tomorrow's.

What the combined forecast missed over the last day is carried forward as far as that has helped on
past origins: a ridge regression per series of the residual ahead on the last day-ahead residual.
Inputs and corrections are bounded, so that one burst cannot throw a whole day.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.days import Floats

_INPUT_BOUND = 4.0
_CORRECTION_BOUND = 1.5
_RIDGE_ORIGINS = 4.0
_ORIGINS_MIN = 4


class Carry(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How much of the last day's error stays.

    Parameters
    ----------
    slope : ndarray, shape (series, 6)
        Weight of each input; all 0 where there were too few origins to learn from.
    usual : ndarray, shape (series,)
        Root mean square of past errors, > 0: the unit of inputs and corrections.
    """

    slope: Floats
    usual: Floats


class _Inputs(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What is known at every origin but the first, by origin, and how each fades with the lead.
    last_day: Floats  # (series, origins, bins)
    means: Floats  # (3, series, origins): of the last day, its last hour, its last three hours
    slow: Floats  # (days x bins,)
    hour: Floats
    hours: Floats


def carry_of(combined: Floats, actual: Floats, seen: Floats) -> Carry:
    """Learn from past origins how much of the last day's error stays.

    Parameters
    ----------
    combined : ndarray, shape (series, origins + 1, days, bins)
        Forecast from every origin; the last one is the present.
    actual, seen : ndarray, shape (series, origins, days, bins)
        What came to be, 0 where not observed; and 1 where it was.

    Returns
    -------
    Carry
    """
    series, origins, days, per_day = actual.shape
    residual = np.subtract(actual, combined[:, :-1])
    residual *= seen
    count = np.maximum(np.einsum("skdb->s", seen), 1)
    # In two steps: one sum over everything would be split otherwise for one series than for many.
    square = np.einsum("skdb,skdb->skd", residual, residual).sum(axis=(1, 2))
    usual = np.sqrt(square / count)
    usual = np.maximum(usual, 1e-6).astype(np.float32)
    if origins < _ORIGINS_MIN:
        return Carry(slope=np.zeros((series, 6), dtype=np.float32), usual=usual)
    inputs = _inputs(residual[:, :, 0], usual, days)
    # The first origin has no day before it to learn from, the last (the present) no outcome. A
    # stride that divides no day meets every time of day: a few leads of each day tell enough.
    chosen = np.s_[:, :, :: _stride(per_day)]
    shape = (len(seen), origins - 1, days * per_day)
    target = residual[:, 1:].reshape(series, *shape[1:])[chosen] / usual[:, None, None]
    np.clip(target, -_INPUT_BOUND, _INPUT_BOUND, out=target)
    past = _spread(inputs)[:, :, :-1][:, :, :, :: _stride(per_day)].reshape(series, 6, -1)
    weighed = past * seen[:, 1:].reshape(shape)[chosen].reshape(len(seen), 1, -1)
    gram = np.matmul(weighed, past.transpose(0, 2, 1)).astype(np.float64)
    moment = np.matmul(weighed, target.reshape(series, -1, 1)).astype(np.float64)
    ridge = _RIDGE_ORIGINS * target.shape[2] * np.eye(6)
    slope = np.asarray(np.linalg.solve(gram + ridge, moment), dtype=np.float32)[..., 0]
    return Carry(slope=slope, usual=usual)


def corrected(combined: Floats, actual: Floats, seen: Floats, carry: Carry) -> Floats:
    """Return the combined forecast with what its last errors tell added to it.

    Parameters
    ----------
    combined : ndarray, shape (series, origins + 1, days, bins)
        Forecast from every origin; the last one is the present.
    actual, seen : ndarray, shape (series, origins, days or 1, bins)
        What came to be, 0 where not observed; and 1 where it was. Only the first day is looked at.
    carry : Carry
        How much of the last day's error stays.

    Returns
    -------
    ndarray, shape of `combined`
        >= 0; the first origin is as it was.
    """
    days, per_day = combined.shape[2:]
    residual = (actual[:, :, 0] - combined[:, :-1, 0]) * seen[:, :, 0]
    inputs = _inputs(residual, carry.usual, days)
    slope = carry.slope[:, :, None]
    # Sums in a fixed order, one series like the next: what a series gets is its own affair.
    fading = (slope[:, 0] * inputs.slow + slope[:, 1])[:, None].reshape(-1, 1, days, per_day)
    change = fading * inputs.last_day[:, :, None]
    change += _faded(slope[:, 2] * inputs.slow + slope[:, 3], inputs.means[0], days)
    change += _faded(slope[:, 4] * inputs.hour, inputs.means[1], days)
    change += _faded(slope[:, 5] * inputs.hours, inputs.means[2], days)
    np.clip(change, -_CORRECTION_BOUND, _CORRECTION_BOUND, out=change)
    change *= carry.usual[:, None, None, None]
    change += combined[:, 1:]
    result = np.empty_like(combined)
    result[:, 0] = combined[:, 0]
    np.maximum(change, 0, out=result[:, 1:])
    return result


def _faded(by_lead: Floats, by_origin: Floats, days: int) -> Floats:
    product = by_lead[:, None] * by_origin[:, :, None]
    return product.reshape(*by_origin.shape, days, -1)


def _inputs(last_day: Floats, usual: Floats, days: int) -> _Inputs:
    per_day = last_day.shape[2]
    bounded = np.clip(last_day / usual[:, None, None], -_INPUT_BOUND, _INPUT_BOUND)
    lead_h = (np.arange(days * per_day, dtype=np.float32) + 1) * np.float32(24 / per_day)
    spans = (per_day, max(per_day // 24, 1), max(per_day // 8, 1))
    return _Inputs(
        last_day=bounded,
        means=np.stack([_mean(bounded, span) for span in spans]),
        slow=np.exp(-lead_h / 48),
        hour=np.exp(-lead_h / 2),
        hours=np.exp(-lead_h / 6),
    )


def _spread(inputs: _Inputs) -> Floats:
    # Each input at every origin and lead, shape (series, 6, origins, days x bins).
    series, origins, per_day = inputs.last_day.shape
    leads = len(inputs.slow)
    found = np.empty((series, 6, origins, leads), dtype=np.float32)
    tiled = found[:, 1].reshape(series, origins, leads // per_day, per_day)
    tiled[:] = inputs.last_day[:, :, None]
    np.multiply(found[:, 1], inputs.slow, out=found[:, 0])
    found[:, 3] = inputs.means[0, :, :, None]
    for at, mean, fade in ((2, 0, inputs.slow), (4, 1, inputs.hour), (5, 2, inputs.hours)):
        np.multiply(inputs.means[mean, :, :, None], fade, out=found[:, at])
    return found


def _stride(per_day: int) -> int:
    return 1 if per_day < 24 else per_day // 24 * 5 | 1


def _mean(values: Floats, last: int) -> Floats:
    # Of the last bins of the day, shape (series, origins); what was not observed says nothing.
    return np.einsum("skb->sk", values[..., -last:]) / np.float32(last)
