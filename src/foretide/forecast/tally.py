"""This file knows what forecasts whose time has come were worth, hour by hour."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S
from foretide.forecast.score import pinball
from foretide.forecast.wallclock import local_s
from foretide.model.demand import FloatArray

IntArray = npt.NDArray[np.int64]
# What forecasts are judged by: the middle, and the ends of the interval that misses one in five.
LEVELS = (0.1, 0.5, 0.9)
MISS_FRACTION = 0.2
HOUR_S = 3600
WEEK_H = 168


class Matured(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Forecasts of one series whose time has come.

    Parameters
    ----------
    issued_s, ts_s : ndarray of int, shape (points,)
        When each was issued, and the start of the bucket it spoke of; seconds from the epoch.
    actual : ndarray, shape (points,)
        What came to be; NaN where it was not observed.
    quantiles : ndarray, shape (points, 3)
        What was forecast at the levels .1, .5 and .9.
    """

    issued_s: IntArray
    ts_s: IntArray
    actual: FloatArray
    quantiles: FloatArray


class Tally(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What forecasts up to a day ahead were worth, hour by hour.

    Parameters
    ----------
    first_hour : int
        Hours from the epoch to the first column.
    loss : ndarray, shape (series, hours)
        Sum of the pinball loss of the points in each hour, over the levels.
    missed : ndarray, shape of `loss`
        How many points lay outside the 80 % interval.
    points : ndarray, shape of `loss`
        How many points matured.
    """

    first_hour: int
    loss: FloatArray
    missed: FloatArray
    points: FloatArray


def empty_tally(series: int, *, first_hour: int, hours: int) -> Tally:
    """Return a tally of nothing, to be added to."""
    zeros = [np.zeros((series, hours)) for _ in range(3)]
    return Tally(first_hour=first_hour, loss=zeros[0], missed=zeros[1], points=zeros[2])


def add_matured(tally: Tally, row: int, matured: Matured) -> None:
    """Count the points of one series into its row of `tally`.

    Points a day or more ahead, not observed, or outside the tally's hours are left out.

    Parameters
    ----------
    tally : Tally
        Changed in place.
    row : int
    matured : Matured

    Raises
    ------
    InvalidValueError
        When there is not one actual and three quantiles for each point.
    """
    count = len(matured.ts_s)
    if matured.quantiles.shape != (count, len(LEVELS)) or matured.actual.shape != (count,):
        raise InvalidValueError(
            f"quantiles must be points x {len(LEVELS)}, had {matured.quantiles.shape}"
        )
    hours = matured.ts_s // HOUR_S - tally.first_hour
    lead_s = matured.ts_s - matured.issued_s
    taken = np.isfinite(matured.actual) & (lead_s >= 0) & (lead_s < DAY_S)
    taken &= (hours >= 0) & (hours < tally.loss.shape[1])
    at, actual, quantiles = hours[taken], matured.actual[taken], matured.quantiles[taken]
    losses = pinball(quantiles, LEVELS, actual).mean(axis=1)
    missed = (actual < quantiles[:, 0]) | (actual > quantiles[:, -1])
    for target, weights in ((tally.loss, losses), (tally.missed, missed), (tally.points, None)):
        target[row] += np.bincount(at, weights, minlength=target.shape[1])


def hours_of_week(first_hour: int, hours: int, zone: ZoneInfo) -> IntArray:
    """Return the local hour of the week of each hour from `first_hour` on, 0 ... 167."""
    utc_s = (first_hour + np.arange(hours, dtype=np.int64)) * HOUR_S
    # the epoch was a Thursday: hour 0 is Monday's first
    return (local_s(utc_s, zone) // HOUR_S + 72) % WEEK_H


def share_of(total: FloatArray, count: FloatArray, otherwise: float) -> FloatArray:
    """Return `total` / `count`, and `otherwise` where there is nothing to share."""
    return np.divide(total, count, out=np.full(count.shape, otherwise), where=count > 0)
