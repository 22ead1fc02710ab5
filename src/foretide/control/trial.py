"""This file knows how a champion and a challenger are compared, by what happened meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from foretide.forecast.score import pinball
from foretide.forecast.tally import LEVELS, Matured
from foretide.forecast.wallclock import epoch_s

_HALF_DAY = timedelta(hours=12)
# A trial is replayed from at most so many instants, and what happened a day ago counts half.
_ORIGINS_MAX, _ORIGIN_MIN = 28, timedelta(hours=6)
_TRIAL_HALF_LIFE_S = 86_400.0
_SPREAD_MIN = 0.5


def twice_daily(since: datetime, now: datetime) -> list[datetime]:
    """Return the instants from `since` to before `now`, 12 h apart."""
    return [since + at * _HALF_DAY for at in range(-(-(now - since) // _HALF_DAY))]


def often(since: datetime, now: datetime) -> list[datetime]:
    """Return the instants from `since` to before `now`, 6 h or more apart, at most 28."""
    step = max(_ORIGIN_MIN, (now - since) / _ORIGINS_MAX)
    return [since + at * step for at in range(-(-(now - since) // step))]


def trial_ratio(champion: Matured, challenger: Matured, now: datetime) -> float:
    """Return a challenger's pinball loss over its champion's, weighted to now.

    Parameters
    ----------
    champion, challenger : Matured
        What each said of the same buckets of one series.
    now : datetime
        What happened a day before counts half.

    Returns
    -------
    float
        1 where nothing can be compared.
    """
    seen = np.isfinite(champion.actual)
    weight = np.exp2((champion.ts_s[seen] - epoch_s(now)) / _TRIAL_HALF_LIFE_S)
    before, after = (
        float(pinball(one.quantiles[seen], LEVELS, one.actual[seen]).mean(axis=1) @ weight)
        for one in (champion, challenger)
    )
    return after / before if before > 0 else 1.0


def needed_spread(found: Sequence[Matured]) -> float:
    """Return the factor at which intervals would just have held their share.

    Parameters
    ----------
    found : sequence of Matured
        Forecasts whose intervals held too much.

    Returns
    -------
    float
        Width to leave, in square roots; .5 ... 1.
    """
    strays: list[float] = []
    for one in found:
        seen = np.isfinite(one.actual)
        roots = np.sqrt(one.quantiles[seen])
        gap = np.sqrt(one.actual[seen]) - roots[:, 1]
        width = np.where(gap < 0, roots[:, 1] - roots[:, 0], roots[:, 2] - roots[:, 1])
        strays += (np.abs(gap) / np.maximum(width, 1e-9)).tolist()
    needed = float(np.quantile(strays, 1 - 2 * LEVELS[0])) if strays else 1.0
    return min(max(needed, _SPREAD_MIN), 1.0)
