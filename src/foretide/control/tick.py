"""This file knows one heartbeat: observe, foresee, plan, write down, act.

The same tick runs live, in shadow and in simulation: they differ in the clock that says `now`, in
the platform, and in where demand comes from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from foretide.model.fleet import Fleet
from foretide.model.plan import Plan
from foretide.plan.need import Need
from foretide.plan.planner import Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Platform, Receipt
from foretide.store.journal import Entry, Journal, fleet_change


class Outlook(Protocol):
    """Tells a tick what is known of demand, and what it will ask for."""

    def recent(self, now: datetime) -> RecentDemand:
        """Return the last closed buckets."""
        ...

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast asks for; None while there is no forecast."""
        ...


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What one tick hands to the next.

    Parameters
    ----------
    fleet : Fleet, optional
        As observed; None before the first tick.
    memory : Memory
        The planner's.
    plan : Plan, optional
        What was decided; None before the first tick.
    receipts : tuple of Receipt
        The platform's answers; empty in shadow.
    """

    fleet: Fleet | None = None
    memory: Memory = Memory()
    plan: Plan | None = None
    receipts: tuple[Receipt, ...] = ()


def tick(
    now: datetime,
    *,
    policy: ServicePolicy,
    platform: Platform,
    outlook: Outlook,
    journal: Journal,
    before: Beat,
    is_acting: bool,
) -> Beat:
    """Do one heartbeat of one service.

    Parameters
    ----------
    now : datetime
        The instant, aware UTC.
    policy : ServicePolicy
        The service.
    platform : Platform
        Where it runs.
    outlook : Outlook
        Its demand and forecast.
    journal : Journal
        Written before anything is done.
    before : Beat
        The tick before; `Beat()` for the first.
    is_acting : bool
        False in shadow: everything but the acting is done.

    Returns
    -------
    Beat
        To be handed to the next tick.

    Raises
    ------
    PlatformUnavailableError
        When the platform did not answer; the same action ids are safe to send again.
    JournalError
        When the plan could not be written down: nothing was done.
    """
    fleet = platform.observe(policy.service)
    demand, need = outlook.recent(now), outlook.need(now)
    decided, memory = plan(
        now=now, fleet=fleet, demand=demand, need=need, policy=policy, memory=before.memory
    )
    changed, gone = fleet_change(before.fleet, fleet)
    entry = Entry(
        at=now, changed=changed, gone=gone, demand=demand, need=need, plan=decided,
        is_start=before.fleet is None,
    )  # fmt: skip
    journal.append(entry)
    receipts = tuple(platform.apply(action) for action in decided.actions) if is_acting else ()
    return Beat(fleet=fleet, memory=memory, plan=decided, receipts=receipts)
