"""This file knows what the live loop tells of itself after every heartbeat: frozen, for all views.

It is published as one value, so that whoever shows it never sees half of one heartbeat and half of
the next.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.fleet import Fleet, LeadTimes
from foretide.model.plan import Plan
from foretide.platforms.base import Receipt

Mode = Literal["shadow", "live"]


class DemandTail(msgspec.Struct, frozen=True, kw_only=True):
    """The last buckets of a service's demand.

    Parameters
    ----------
    start : datetime
        Start of the first bucket, aware UTC.
    step_s : int
        Length of a bucket in seconds.
    rps : tuple of (float or None)
        Requests/s in each bucket, newest last; None where it was not observed.
    """

    start: datetime
    step_s: int
    rps: tuple[float | None, ...]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What the forecast expects of the next minutes.

    Parameters
    ----------
    start : datetime
        Start of the first of them, aware UTC.
    step_s : int
        Their length in seconds.
    low_rps, median_rps, high_rps : tuple of float
        The 5, 50 and 95 % quantiles of each, in requests/s.
    """

    start: datetime
    step_s: int
    low_rps: tuple[float, ...]
    median_rps: tuple[float, ...]
    high_rps: tuple[float, ...]


class ServiceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One service as it stands after a heartbeat.

    Parameters
    ----------
    service : str
        Its name.
    mode : {"shadow", "live"}
        Whether its plans are acted upon.
    is_paused : bool
        Whether acting was suspended by a person.
    version : str
        What new instances run.
    boot_s : float
        Lead time of a cold launch the planner goes by, in seconds.
    at : datetime, optional
        Of the last plan; None before the first.
    fleet : Fleet, optional
        As last observed, after acting where the platform answered.
    plan : Plan, optional
        What was decided last.
    receipts : tuple of Receipt
        The platform's answers to its actions.
    unanswered_count : int
        Actions it did not answer: asked for again by the next heartbeat.
    tail : DemandTail, optional
        Demand of the last hours.
    course : Course, optional
        What is expected; None while there is no forecast.
    lead_times : LeadTimes
        As measured on the platform.
    silent : str
        What the platform said instead of telling what runs; empty when it told.
    unwritten : str
        Why the plan could not be journaled, so that nothing was done; empty when it could.
    unheard : str
        Why demand could not be read; empty when it could.
    """

    service: str
    mode: Mode
    is_paused: bool = False
    version: str = ""
    boot_s: float = 0.0
    at: datetime | None = None
    fleet: Fleet | None = None
    plan: Plan | None = None
    receipts: tuple[Receipt, ...] = ()
    unanswered_count: int = 0
    tail: DemandTail | None = None
    course: Course | None = None
    lead_times: LeadTimes = LeadTimes()
    silent: str = ""
    unwritten: str = ""
    unheard: str = ""


class LoopState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The live loop as it stands after a heartbeat.

    Parameters
    ----------
    at : datetime
        When it was told, aware UTC, by the loop's clock.
    beat_count : int
        Heartbeats since it began.
    services : tuple of ServiceState
        In the order of the configuration.
    held : str
        Why no heartbeat is made just now; empty when they are.
    """

    at: datetime
    beat_count: int
    services: tuple[ServiceState, ...]
    held: str = ""

    def of(self, service: str) -> ServiceState:
        """Return the state of one service.

        Raises
        ------
        InvalidValueError
            When the loop has none of that name.
        """
        for one in self.services:
            if one.service == service:
                return one
        known = ", ".join(one.service for one in self.services)
        raise InvalidValueError(f"service must be one of {known}, was {service!r}")
