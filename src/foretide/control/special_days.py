"""This file knows how the minute-by-minute forecast is told of holidays, events and outages.

Once a day, with the fit, the factor of every bucket is learned from what was known by then; until
the next one demand is divided by it as it arrives, and what is issued is multiplied by it. What
the factor gets wrong the last minutes' demand shows, so it widens most before an occasion begins.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.days import BoolArray
from foretide.forecast.factors import factors, multiplied
from foretide.forecast.nowcast import NOWCAST_LEVELS
from foretide.forecast.outages import without_outages
from foretide.forecast.wallclock import IntArray, epoch_s
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray

# An occasion that has run for this long has told most of its factor.
_TOLD_S = 1800.0


class SpecialDays:
    """What a calendar says of a service's buckets, as known when a day's fit is made.

    Parameters
    ----------
    demand : Demand
        The service's, from its very first bucket.
    calendar : Calendar
        What is known beforehand.
    closed : int
        How many buckets are known; later ones are not looked at.
    ahead_count : int
        How many buckets after those will be asked for.
    """

    def __init__(self, demand: Demand, calendar: Calendar, closed: int, ahead_count: int) -> None:
        known = msgspec.structs.replace(demand, values=demand.values[:closed])
        found = factors(known, calendar, ahead_from=known.end, ahead_count=ahead_count)
        self._calendar = calendar
        self._start_s, self._step_s = epoch_s(demand.start), demand.step_s
        self._closed = closed
        self._usual_rps = found.usual / demand.step_s
        self._ahead, self._stray = found.ahead, found.ahead_stray
        is_special = np.concatenate([found.past != 1, found.ahead_stray > 0])
        self._began = _run_starts(is_special)

    def usual_rps(self, rps: FloatArray, count: int) -> FloatArray:
        """Return demand as it would have been on usual days, outages masked.

        Parameters
        ----------
        rps : ndarray, shape (buckets,)
            Demand from the very first bucket, in requests/s; may be longer than `count`.
        count : int
            How many buckets are wanted: at least those known when this was made.

        Returns
        -------
        ndarray, shape (count,)
        """
        since = rps[self._closed : count]
        starts_s = self._start_s + self._step_s * np.arange(
            self._closed, self._closed + len(since), dtype=np.int64
        )
        seen = without_outages(since, starts_s, self._step_s, self._calendar)
        return np.concatenate([self._usual_rps, seen / self._ahead[: len(since)]])

    def moved(self, quantiles: FloatArray, issued: IntArray) -> FloatArray:
        """Return quantiles of usual days as those of the days they are for.

        Parameters
        ----------
        quantiles : ndarray, shape (instants, leads, levels)
            At `NOWCAST_LEVELS`.
        issued : ndarray of int, shape (instants,)
            How many buckets are closed at each instant.

        Returns
        -------
        ndarray, shape of `quantiles`
        """
        leads = np.arange(quantiles.shape[1], dtype=np.int64)
        at = np.minimum(issued[:, None] + leads - self._closed, len(self._ahead) - 1)
        ran_s = np.maximum(issued[:, None] - self._began[at + self._closed], 0) * self._step_s
        stray = self._stray[at] * np.exp(-ran_s / _TOLD_S)
        return multiplied(quantiles, NOWCAST_LEVELS, self._ahead[at], stray)


def _run_starts(is_special: BoolArray) -> IntArray:
    # For every bucket the one with which its occasion began; itself outside of any.
    at = np.arange(len(is_special))
    begins = is_special & ~np.concatenate([[False], is_special[:-1]])
    return np.maximum.accumulate(np.where(begins | ~is_special, at, 0))
