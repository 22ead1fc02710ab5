"""This file knows one heartbeat of many services: sense all, divide what they share, then decide.

The budget acts between need and plan. Each service's tick is the one it would have alone, but for
the ceiling, which its journal entry holds, so that replaying any one journal needs no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from foretide.control.tick import Beat, Outlook, Sensed, decide, sense
from foretide.errors import PlatformUnavailableError
from foretide.plan.budget import Ask, Budget, Division, divided
from foretide.plan.memory import Circumstances, RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.plan.worth import ask_of, held_count
from foretide.platforms.base import Platform
from foretide.store.journal import Journal

_NO_CEILING = Budget()
_UNKNOWN = RecentDemand(last_rps=None, previous_rps=None, age_s=None, step_s=60)


class Charge(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One of the services that share a budget.

    Parameters
    ----------
    policy : ServicePolicy
        The service.
    platform : Platform
        Where it runs.
    outlook : Outlook
        Its demand and forecast.
    journal : Journal
        Its own.
    is_acting : bool
        False in shadow; what it plans takes its share of the budget all the same.
    priority : int
        Between layers of equal worth the higher one wins, and it is the first to act.
    """

    policy: ServicePolicy
    platform: Platform
    outlook: Outlook
    journal: Journal
    is_acting: bool = False
    priority: int = 0


class Pulse(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one heartbeat hands to the next.

    Parameters
    ----------
    beats : mapping of str to Beat
        By service.
    division : Division, optional
        How the budget was divided; None before the first heartbeat.
    silent : mapping of str to str
        Services whose platform did not say what runs, and what it said instead: nothing was
        planned for them, and their last known fleet counts.
    """

    beats: Mapping[str, Beat] = {}
    division: Division | None = None
    silent: Mapping[str, str] = {}


def heartbeat(
    now: datetime, charges: Sequence[Charge], *, budget: Budget = _NO_CEILING, before: Pulse
) -> Pulse:
    """Do one heartbeat of several services that share a budget.

    A platform that does not answer stops its own service alone.

    Parameters
    ----------
    now : datetime
        The instant, aware UTC.
    charges : sequence of Charge
        Each service once.
    budget : Budget
        What they may have together; no ceiling by default.
    before : Pulse
        The heartbeat before; `Pulse()` for the first.

    Returns
    -------
    Pulse
        To be handed to the next heartbeat.

    Raises
    ------
    JournalError
        When a plan could not be written down: nothing of it was done.
    """
    ordered = sorted(charges, key=lambda one: (-one.priority, one.policy.service))
    sensed, silent = _sensed(now, ordered, before)
    asks = [_ask(one, sensed.get(one.policy.service), before) for one in ordered]
    division = divided(asks, budget)
    ceilings = {
        share.service: Circumstances(ceiling_count=share.ceiling_count) for share in division.shares
    }
    beats = dict(before.beats)
    for one in ordered:
        name = one.policy.service
        if name not in silent:
            beats[name] = decide(
                now, sensed[name], policy=one.policy, platform=one.platform, journal=one.journal,
                before=before.beats.get(name, Beat()), is_acting=one.is_acting,
                around=None if budget == _NO_CEILING else ceilings[name],
            )  # fmt: skip
    return Pulse(beats=beats, division=division, silent=silent)


def _sensed(
    now: datetime, charges: Sequence[Charge], before: Pulse
) -> tuple[dict[str, Sensed], dict[str, str]]:
    sensed, silent = dict[str, Sensed](), dict[str, str]()
    for one in charges:
        name = one.policy.service
        try:
            sensed[name] = sense(
                now, policy=one.policy, platform=one.platform, outlook=one.outlook,
                before=before.beats.get(name, Beat()),
            )  # fmt: skip
        except PlatformUnavailableError as error:
            silent[name] = str(error)
    return sensed, silent


def _ask(charge: Charge, sensed: Sensed | None, before: Pulse) -> Ask:
    beat = before.beats.get(charge.policy.service, Beat())
    fleet = sensed.fleet if sensed is not None else beat.fleet
    held = held_count(fleet, beat.memory.ledger) if fleet is not None else 0
    need, demand = (sensed.need, sensed.demand) if sensed is not None else (None, _UNKNOWN)
    return ask_of(
        charge.policy, need, demand, beat.memory, held_count=held, priority=charge.priority
    )
