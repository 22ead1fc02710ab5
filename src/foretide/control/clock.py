"""This file knows what time it is; no other reads a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from foretide.errors import InvalidValueError


class WallClock:
    """The time of the machine."""

    speed = 1.0

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


class PacedClock:
    """A time that runs as many times as fast as the machine's, from an instant of its own.

    Parameters
    ----------
    start : datetime
        Its first instant, aware UTC; it stands still there until `begin`.
    speed : float
        Its seconds per second, > 0.
    """

    def __init__(self, start: datetime, speed: float) -> None:
        if not speed > 0:
            raise InvalidValueError(f"speed must be > 0, was {speed}")
        self.speed = speed
        self._start = start
        self._begun_s: float | None = None

    def begin(self) -> None:
        """Let time run from now on."""
        self._begun_s = time.monotonic()

    def now(self) -> datetime:
        """Return the present instant of the paced time."""
        if self._begun_s is None:
            return self._start
        return self._start + timedelta(seconds=self.speed * (time.monotonic() - self._begun_s))
