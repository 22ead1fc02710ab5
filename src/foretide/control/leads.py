"""This file knows when a measured lead time takes the place of the configured one.

The planner looks as far ahead as a launch takes: a number that moved every minute would move every
plan with it. So nine in ten launches are to be covered, a few must have been measured, and only a
change that matters counts, once an hour at most.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.model.fleet import LeadTimes

COUNT_MIN = 5
_CHANGE_MIN_FRACTION = 0.2
_PAUSE = timedelta(hours=1)
_BOOT_MIN_S, _BOOT_MAX_S = 1.0, 7200.0


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """The lead time of a cold launch a service is planned by.

    Parameters
    ----------
    boot_s : float
        In seconds, > 0.
    changed_at : datetime, optional
        When it was taken from measurements last; None while it is the configured one.
    """

    boot_s: float
    changed_at: datetime | None = None


def considered(before: Lead, measured: LeadTimes, now: datetime) -> Lead:
    """Return the lead time to plan by, after a look at what was measured.

    Parameters
    ----------
    before : Lead
        As planned by so far.
    measured : LeadTimes
        By the platform.
    now : datetime
        Aware UTC.

    Returns
    -------
    Lead
        `before` itself unless five launches or more were measured, their 90 % quantile is a fifth
        or more away from it, and the last change is an hour ago; 1 ... 7200 s.
    """
    if measured.boot_p90_s is None or measured.boot_count < COUNT_MIN:
        return before
    if before.changed_at is not None and now - before.changed_at < _PAUSE:
        return before
    boot_s = round(min(max(measured.boot_p90_s, _BOOT_MIN_S), _BOOT_MAX_S), 1)
    if abs(boot_s - before.boot_s) < _CHANGE_MIN_FRACTION * before.boot_s:
        return before
    return Lead(boot_s=boot_s, changed_at=now)
