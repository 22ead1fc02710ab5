"""This file knows what time it is; no other reads a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class WallClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(tz=UTC)


class VirtualClock:
    """A time that moves when told to.

    Parameters
    ----------
    start : datetime
        The first instant, aware UTC.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the present instant of the made world."""
        return self._now

    def advance(self, step_s: float) -> None:
        """Let `step_s` seconds pass."""
        self._now += timedelta(seconds=step_s)
