"""This file knows what a feature's own past says of its next hour, renewed with every minute.

Kept are means over the last minutes at several speeds, and what is usual at each time of the day
and of the week; usual demand is scaled by how far demand is off it just now. A minute in which
nothing was observed changes nothing. A burst is no habit: it hardly counts, until demand has
stayed up for hours or the same time of both periods before was as high.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from foretide.forecast.path_stage import IntArray
from foretide.model.demand import FloatArray

DAY_MIN, WEEK_MIN = 1440, 7 * 1440
SLOT_MIN = 5
HALF_LIVES_MIN = (2.0, 6.0, 20.0, 60.0)
_LEVEL_AT = 1  # which of them the level is taken from
_DAYS_HALF_LIFE, _WEEKS_HALF_LIFE = 3.0, 1.5
_LEVEL_PRIOR = 0.5  # calls per minute by which a level leans on 1
_LEVEL_BOUND = 50.0
# Beyond this many times what was to be expected, and calls a minute, demand is a burst.
_BURST, _BURST_CALLS = 2.0, 3.0
# Once or twice at a time of the period is chance, and would be missed the day after; how many
# slots off a habit may be.
_HABIT_TIMES, _HABIT_SLOTS = 3, 3
_LASTING_HALF_LIFE_MIN = 240.0


class Usual:
    """What is usual in each five minutes of a day or a week, by series.

    Parameters
    ----------
    period_min : int
        Minutes in the period, a multiple of five.
    count : int
        Series.
    half_life : float
        Periods after which a period counts half.
    """

    def __init__(self, period_min: int, count: int, half_life: float) -> None:
        self._slots = period_min // SLOT_MIN
        self._mean = np.zeros((self._slots, count))
        self._weight = np.zeros((self._slots, 1))
        # Where demand was a burst, in this period and those before, in turn.
        self._high = np.zeros((_HABIT_TIMES, self._slots, count), dtype=np.bool_)
        self._fade = 0.5 ** (1 / half_life)
        self._sum, self._minutes = np.zeros(count), 0

    def add(self, minute: int, values: FloatArray | None, lasting: FloatArray) -> None:
        """Take in a minute.

        Parameters
        ----------
        minute : int
            Since the epoch.
        values : ndarray, shape (series,), optional
            None where nothing was observed.
        lasting : ndarray, shape (series,)
            What demand has been for hours.
        """
        if values is not None:
            self._sum += values
            self._minutes += 1
        if (minute + 1) % SLOT_MIN or not self._minutes:
            return
        period, slot = divmod(minute // SLOT_MIN, self._slots)
        mean = self._sum / self._minutes
        expected = np.maximum(lasting, self._mean[slot])
        is_burst = mean > _BURST * expected + _BURST_CALLS
        near = np.arange(slot - _HABIT_SLOTS, slot + _HABIT_SLOTS + 1) % self._slots
        here = period % _HABIT_TIMES
        before = [other for other in range(_HABIT_TIMES) if other != here]
        is_habit = self._high[before][:, near].any(axis=1).all(axis=0)
        self._high[here, slot] = is_burst
        mean = np.where(is_burst & ~is_habit, expected + _BURST_CALLS, mean)
        weight = self._weight[slot] * self._fade + 1.0
        self._mean[slot] += (mean - self._mean[slot]) / weight
        self._weight[slot] = weight
        self._sum, self._minutes = np.zeros(len(self._sum)), 0

    def at(self, first: int, count: int, otherwise: FloatArray) -> FloatArray:
        """Return what is usual in each of some minutes in a row, smoothed over its neighbours.

        Parameters
        ----------
        first : int
            The first of them, since the epoch.
        count : int
            How many.
        otherwise : ndarray, shape (series,) or (minutes, series)
            For times never seen.

        Returns
        -------
        ndarray, shape (minutes, series)
        """
        triangles = _triangles(first % SLOT_MIN, count)
        slots: IntArray = (
            first // SLOT_MIN - 2 + np.arange(triangles.shape[1], dtype=np.int64)
        ) % self._slots
        weight = triangles @ (self._weight[slots] > 0)
        total = triangles @ self._mean[slots]  # 0 where never seen
        return np.where(weight > 0, total / np.maximum(weight, 1e-9), otherwise)


@lru_cache(maxsize=64)
def _triangles(phase: int, count: int) -> FloatArray:
    # What each slot weighs in each of some minutes, of which the first is the slot's `phase`th:
    # a triangle two slots wide on either side, centred on the minute. The first column is the slot
    # two before that of the first minute.
    place = (phase + np.arange(count) + 0.5) / SLOT_MIN - 0.5
    slot = np.floor(place).astype(np.int64)
    near = place - slot
    found = np.zeros((count, int(slot[-1]) + 5))
    parts = np.stack([1 - near, 2 - near, 1 + near, near], axis=1)
    found[np.arange(count)[:, None], slot[:, None] + np.arange(1, 5)] = parts
    return found


class OwnPast:
    """The recent means and the usual course of several series.

    Parameters
    ----------
    count : int
        Series.
    horizon_min : int
        How many minutes ahead `usual` is asked for at most.
    """

    def __init__(self, count: int, horizon_min: int) -> None:
        self.last = np.zeros(count)
        self.means = np.zeros((len(HALF_LIVES_MIN), count))
        self._lasting = np.zeros(count)
        self._seen = 0
        self._usual_mean = np.zeros((2, count))
        self._paces = 1 - 0.5 ** (1 / np.array(HALF_LIVES_MIN))
        self._day = Usual(DAY_MIN, count, _DAYS_HALF_LIFE)
        self._week = Usual(WEEK_MIN, count, _WEEKS_HALF_LIFE)
        self._span_min = horizon_min + SLOT_MIN
        self._ahead_from = -self._span_min
        self._ahead = np.zeros((2, self._span_min, count))

    def add(self, minute: int, values: FloatArray | None) -> None:
        """Take in the amounts of a minute; None where nothing was observed."""
        if not self._ahead_from <= minute < self._ahead_from + SLOT_MIN:
            self._look_ahead(minute)
        if values is not None:
            self._seen += 1
            paces = np.maximum(self._paces, 1 / self._seen)
            self.last = values
            self.means += paces[:, None] * (values - self.means)
            usual = self._ahead[:, minute - self._ahead_from]
            self._usual_mean += paces[_LEVEL_AT] * (usual - self._usual_mean)
        self._day.add(minute, values, self._lasting)
        self._week.add(minute, values, self._lasting)
        if values is not None:
            pace = max(1 - 0.5 ** (1 / _LASTING_HALF_LIFE_MIN), 1 / self._seen)
            bounded = np.minimum(values, _BURST * self._lasting + _BURST_CALLS)
            self._lasting += pace * (bounded - self._lasting)
        if (minute + 1) % SLOT_MIN == 0:
            self._look_ahead(minute + 1)

    def _look_ahead(self, minute: int) -> None:
        # The tables change once in five minutes, so they are read as seldom.
        self._ahead_from = minute
        self._ahead[0] = self._day.at(minute, self._span_min, self.means[-1])
        self._ahead[1] = self._week.at(minute, self._span_min, self._ahead[0])

    def usual(self, minute: int, count: int) -> FloatArray:
        """Return usual demand by day and by week, each scaled to the present level.

        Parameters
        ----------
        minute : int
            The first one, since the epoch: the one after the last one added.
        count : int
            How many, at most the horizon.

        Returns
        -------
        ndarray, shape (2, count, series)
        """
        level = (self.means[_LEVEL_AT] + _LEVEL_PRIOR) / (self._usual_mean + _LEVEL_PRIOR)
        at = minute - self._ahead_from
        ahead = self._ahead[:, at : at + count]
        return ahead * np.minimum(level, _LEVEL_BOUND)[:, None]
