"""This file knows what an instant is: an aware UTC datetime, and who may say what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from foretide.errors import InvalidValueError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time: the wall clock when live, a virtual one in simulation and tests."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...


def require_utc(field: str, value: datetime) -> datetime:
    """Return `value` in UTC.

    Raises
    ------
    InvalidValueError
        When `value` carries no time zone: a naive time is ambiguous by up to a day.
    """
    if value.tzinfo is None:
        raise InvalidValueError(f"{field} must carry a time zone, was {value.isoformat()}; add Z")
    return value.astimezone(UTC)


def parse_instant(field: str, text: str) -> datetime:
    """Return the instant written in `text` as ISO 8601 with a zone, in UTC.

    Raises
    ------
    InvalidValueError
        When `text` is no ISO 8601 instant or has no zone.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(
            f"{field} must be an ISO 8601 instant such as 2026-01-31T08:00:00Z, was {text!r}"
        ) from None
    return require_utc(field, value)


def bucket_floor(instant: datetime, step_s: int) -> datetime:
    """Return the start of the bucket of `step_s` seconds, counted from the epoch, that holds it."""
    return instant - (instant - EPOCH) % timedelta(seconds=step_s)
