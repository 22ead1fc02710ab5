"""This file knows how readings of demand go wrong between a source and the one who plans."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from foretide.control import tick
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.simulate.faults import Faults


class Outlook(tick.Outlook, Protocol):
    """An outlook that also tells what its need rests on."""

    def band(self, now: datetime) -> tuple[float, float, float]:
        """Return the 5, 50 and 95 % quantiles one boot ahead, in requests/s."""
        ...


class Feed:
    """An outlook whose last bucket may still be open, and whose source may be late.

    Parameters
    ----------
    outlook : Outlook
        What would be known without the faults.
    faults : Faults
        `open_buckets`, and a `clock_skew` below 0; the others are not a reading's.
    service : str
        Whose readings they are.
    """

    def __init__(self, outlook: Outlook, *, faults: Faults, service: str) -> None:
        self._outlook = outlook
        self._open = faults.open_buckets
        self._rng = faults.generator("open_buckets", service)
        skew = faults.clock_skew
        self._late = timedelta(seconds=max(0.0, -skew.skew_s) if skew is not None else 0.0)

    def recent(self, now: datetime) -> RecentDemand:
        """Return the last buckets as they are read; to be asked once an instant, in order."""
        seen = self._outlook.recent(now - self._late)
        if self._late and seen.age_s is not None:
            # what the source calls now is a while ago
            seen = msgspec.structs.replace(seen, age_s=seen.age_s + self._late.total_seconds())
        if self._open is None or seen.last_rps is None:
            return seen
        if self._rng.random() >= self._open.fraction:
            return seen
        return msgspec.structs.replace(seen, last_rps=seen.last_rps * self._open.counted_fraction)

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast of the last known instant asks for."""
        return self._outlook.need(now - self._late)

    def band(self, now: datetime) -> tuple[float, float, float]:
        """Return the quantiles that `need` rests on."""
        return self._outlook.band(now - self._late)
