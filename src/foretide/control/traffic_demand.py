"""This file knows how a counter of requests, read now and then, becomes demand in buckets.

What was counted between two readings is shared among the buckets it spans by time. A bucket is
observed when readings span all of it, the counter stayed the same one, and no two of them are more
than two buckets apart; else it is missing, which is neither zero nor negative.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.model.demand import Demand
from foretide.model.instant import EPOCH, require_utc
from foretide.platforms.local.traffic.base import Counted

_APART_MAX_BUCKETS = 2.0
_BUCKETS_KEPT = 2880
_ROUNDING_S = 1e-3


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A counter as it stood at an instant.

    Parameters
    ----------
    at : datetime
        When, aware UTC.
    counter_id : str
        Which counter.
    request_count : int
        What it said.
    """

    at: datetime
    counter_id: str
    request_count: int

    def __post_init__(self) -> None:
        require_utc("at", self.at)


class TrafficDemand:
    """The demand of one series as a counter tells it.

    Parameters
    ----------
    series_id : str
        Whose demand it is.
    step_s : int
        Length of a bucket in seconds, 1 ... 86400.
    last : Reading, optional
        The last reading of a process before this one, from which counting goes on.
    """

    def __init__(self, series_id: str, *, step_s: int = 60, last: Reading | None = None) -> None:
        self._series_id, self._step_s = series_id, step_s
        self._last = last
        self._until_s = self._first_s = None if last is None else _epoch_s(last.at)
        # of each bucket since the epoch: what was counted in it, and how much of it is spanned
        self._amounts = dict[int, float]()
        self._spanned_s = dict[int, float]()

    @property
    def last(self) -> Reading | None:
        """The last reading, to be handed to the next process."""
        return self._last

    def read(self, now: datetime, counted: Counted | None) -> None:
        """Note what the counter says.

        Parameters
        ----------
        now : datetime
            When it was read, aware UTC; a reading that is not later than the last is left out.
        counted : Counted, optional
            What it said; None where nobody counts.
        """
        now_s = _epoch_s(now)
        if self._until_s is not None and now_s <= self._until_s:
            return
        self._first_s = now_s if self._first_s is None else self._first_s
        self._until_s = now_s
        if counted is None:
            self._last = None
            return
        reading = Reading(
            at=now, counter_id=counted.counter_id, request_count=counted.request_count
        )
        if self._last is not None and self._is_next(self._last, reading):
            increase = reading.request_count - self._last.request_count
            self._share(_epoch_s(self._last.at), now_s, increase)
        self._last = reading

    def demand(self) -> Demand | None:
        """Return all buckets that are over, two days of them at most; None before there is one.

        Returns
        -------
        Demand
            Requests in each bucket, NaN where not observed.
        """
        if self._first_s is None or self._until_s is None:
            return None
        end = int(self._until_s // self._step_s)
        start = max(int(self._first_s // self._step_s), end - _BUCKETS_KEPT)
        if start >= end:
            return None
        values = np.array([self._amount(bucket) for bucket in range(start, end)], np.float64)
        begin = EPOCH + timedelta(seconds=start * self._step_s)
        return Demand(series_id=self._series_id, start=begin, step_s=self._step_s, values=values)

    def _is_next(self, before: Reading, reading: Reading) -> bool:
        apart_s = (reading.at - before.at).total_seconds()
        return (
            before.counter_id == reading.counter_id
            and before.request_count <= reading.request_count
            and apart_s <= _APART_MAX_BUCKETS * self._step_s
        )

    def _share(self, begin_s: float, end_s: float, count: int) -> None:
        for bucket in range(int(begin_s // self._step_s), int(end_s // self._step_s) + 1):
            opens_s = bucket * self._step_s
            spanned_s = min(end_s, opens_s + self._step_s) - max(begin_s, opens_s)
            amount = count * spanned_s / (end_s - begin_s)
            self._amounts[bucket] = self._amounts.get(bucket, 0.0) + amount
            self._spanned_s[bucket] = self._spanned_s.get(bucket, 0.0) + spanned_s
        for old in [at for at in self._amounts if at < end_s // self._step_s - _BUCKETS_KEPT]:
            del self._amounts[old], self._spanned_s[old]

    def _amount(self, bucket: int) -> float:
        is_observed = self._spanned_s.get(bucket, 0.0) >= self._step_s - _ROUNDING_S
        return self._amounts[bucket] if is_observed else np.nan


def _epoch_s(instant: datetime) -> float:
    return (instant - EPOCH).total_seconds()
