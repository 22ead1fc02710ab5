"""This file knows what the live loop knows of one service's demand, from heartbeat to heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from foretide.control.leads import Lead
from foretide.control.state import Course, DemandTail
from foretide.errors import InputError, SourceError, StoreError
from foretide.model.demand import Demand, FloatArray
from foretide.model.instant import bucket_floor
from foretide.plan.memory import RecentDemand
from foretide.plan.need import Need
from foretide.plan.policy import MINUTE_S, ServicePolicy

_TAIL_COUNT = 180


class Foresight(Protocol):
    """An outlook that takes in demand as it comes, and shows what it expects."""

    def see(self, demand: Demand) -> None:
        """Take in the demand as it is known now."""
        ...

    def recent(self, now: datetime) -> RecentDemand:
        """Return the last closed buckets."""
        ...

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast asks for; None while there is no forecast."""
        ...

    def course(self, now: datetime) -> FloatArray:
        """Return the 5, 50 and 95 % quantiles of the minutes from `now` on."""
        ...


class DemandFeed(Protocol):
    """Where the demand of one service comes from."""

    def demand(self, now: datetime) -> Demand | None:
        """Return all that is known by `now`, always from the same first bucket on.

        None while nothing is known.

        Raises
        ------
        SourceError, StoreError, InputError
            When it could not be read: what was known before goes on counting.
        """
        ...


Relearned = Callable[[ServicePolicy, Demand], Foresight]


class Reading:
    """The demand of one service as it was heard last, and what is expected of it.

    Parameters
    ----------
    outlook : Foresight
        Forecasts it.
    feed : DemandFeed
        Tells it.
    lead : Lead
        The lead time the outlook goes by.
    """

    def __init__(self, outlook: Foresight, feed: DemandFeed, lead: Lead) -> None:
        self.outlook, self.lead = outlook, lead
        self.unheard = ""
        self._feed = feed
        self._demand: Demand | None = None

    def hear(self, now: datetime) -> None:
        """Take in what is known by `now`; a source that cannot be read leaves all as it was."""
        try:
            demand = self._feed.demand(now)
        except (SourceError, StoreError, InputError) as error:
            self.unheard = str(error)
            return
        self.unheard = ""
        if demand is not None:
            self._demand = demand
            self.outlook.see(demand)

    def relearn(self, lead: Lead, policy: ServicePolicy, relearned: Relearned) -> None:
        """Go by another lead time from now on; only what was heard can be learned from."""
        if self._demand is not None:
            self.outlook, self.lead = relearned(policy, self._demand), lead

    def tail(self, now: datetime) -> DemandTail | None:
        """Return the demand of the last hours; None while there is none."""
        if self._demand is None:
            return None
        known = self._demand.until(now)
        first = max(0, len(known.values) - _TAIL_COUNT)
        rps = known.values[first:] / known.step_s
        return DemandTail(
            start=known.start + timedelta(seconds=first * known.step_s),
            step_s=known.step_s,
            rps=tuple(float(one) if np.isfinite(one) else None for one in rps),
        )

    def course(self, now: datetime) -> Course | None:
        """Return what is expected of the next minutes; None while there is no forecast."""
        ahead = self.outlook.course(now)
        if not len(ahead):
            return None
        low, median, high = (tuple(column) for column in ahead.T.tolist())
        return Course(
            start=bucket_floor(now, MINUTE_S), step_s=MINUTE_S,
            low_rps=low, median_rps=median, high_rps=high,
        )  # fmt: skip
