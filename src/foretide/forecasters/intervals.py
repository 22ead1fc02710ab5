"""This file knows how every plug-in gets our intervals: by what it missed from earlier origins.

A plug-in says what it would have forecast from some past days (the origins), having learned from
nothing later. How far reality strayed from that becomes the spread around its present forecast,
by the same rules as the engine's own (`forecast/conformal`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from foretide.forecast.conformal import moved, spread_of, wander_of
from foretide.forecast.days import Floats, mean_level
from foretide.forecast.issue import Past

_SPAN_DAYS = 28


def backtest_days(whole_days: int) -> int:
    """Return how many of the last days are kept from a model that is being tested on them."""
    return min(_SPAN_DAYS, whole_days // 2)


def origin_rows(whole_days: int, count: int) -> list[int]:
    """Return up to `count` days from which to test a model, evenly spread over the last weeks.

    Parameters
    ----------
    whole_days : int
        Days of history, > 0.
    count : int
        Days wanted, > 0.

    Returns
    -------
    list of int
        Rising rows of the past; empty with less than two days of history.
    """
    span = backtest_days(whole_days)
    return sorted({whole_days - span + at * span // count for at in range(count)}) if span else []


def calibrated(
    past: Past,
    centre: Floats,
    guesses: Mapping[int, Floats],
    levels: tuple[float, ...],
) -> Floats:
    """Return quantiles around a forecast, as wide as its earlier ones were wrong.

    Parameters
    ----------
    past : Past
        Of one series.
    centre : ndarray, shape (days ahead, bins)
        The present forecast, relative as the past is.
    guesses : mapping of int to ndarray, each of shape (days ahead, bins)
        What was, or would have been, forecast from some rows of the past.
    levels : tuple of float
        Quantile levels, rising.

    Returns
    -------
    ndarray of float32, shape (1, days ahead, bins, levels)
        Finite, >= 0, rising along the levels.
    """
    rows, per_day = past.days.values.shape[1:]
    days_ahead = len(centre)
    strays = np.zeros((1, max(len(guesses), 1), days_ahead, per_day), dtype=np.float32)
    seen = np.zeros_like(strays)
    for place, row in enumerate(sorted(guesses)):
        known = min(days_ahead, rows - row)
        actual = past.sampled.values[0, row : row + known]
        stray = np.sqrt(actual) - np.sqrt(np.maximum(guesses[row][:known], 0))
        seen[0, place, :known] = past.sampled.seen[0, row : row + known]
        strays[0, place, :known] = stray * seen[0, place, :known]
    spread = spread_of(strays, seen, np.sqrt(mean_level(past.days)), wander_of(past.days))
    return moved(np.maximum(centre, 0)[None].astype(np.float32), spread, levels)
