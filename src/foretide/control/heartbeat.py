"""This file knows one heartbeat of many services: sense all, divide what they share, then decide.

The budget acts between need and plan. Each service's tick is the one it would have alone, but for
the ceiling, which its journal entry holds, so that replaying any one journal needs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from foretide.control.tick import Beat, Outlook, Places, Sensed, decide, sense
from foretide.errors import JournalError, PlatformUnavailableError
from foretide.plan.budget import Ask, Budget, Division, divided
from foretide.plan.memory import Circumstances, RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.plan.worth import ask_of, held_count
from foretide.platforms.base import Platform
from foretide.store.journal import Journal

_NO_CEILING = Budget()
_CALM = Circumstances()
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
    around : Circumstances
        What else its plan is to heed; the budget's ceiling is added to it.
    places : Places, optional
        Where its instances may go; without it the platform chooses.
    """

    policy: ServicePolicy
    platform: Platform
    outlook: Outlook
    journal: Journal
    is_acting: bool = False
    priority: int = 0
    around: Circumstances = _CALM
    places: Places | None = None


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
    unwritten : mapping of str to str
        Services whose plan could not be journaled, and why: nothing of it was done.
    """

    beats: Mapping[str, Beat] = {}
    division: Division | None = None
    silent: Mapping[str, str] = {}
    unwritten: Mapping[str, str] = {}


class _Done(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What became of one service in one half of a heartbeat, or why nothing did.
    service: str
    sensed: Sensed | None = None
    beat: Beat | None = None
    trouble: str = ""


_Group = Sequence[Charge]
_Half = Callable[[_Group], list[_Done]]
_Mapped = Callable[[_Half, Iterable[_Group]], Iterable[list[_Done]]]


def heartbeat(
    now: datetime,
    charges: Sequence[Charge],
    *,
    budget: Budget = _NO_CEILING,
    before: Pulse,
    mapped: _Mapped = map,
) -> Pulse:
    """Do one heartbeat of several services that share a budget.

    A platform that does not answer stops its own service alone, and so does a journal that cannot
    be written.

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
    mapped : callable
        Does one half of the heartbeat for the services of each platform, in order, as `map` does;
        that of threads lets no platform wait for another.

    Returns
    -------
    Pulse
        To be handed to the next heartbeat.
    """
    ordered = sorted(charges, key=lambda one: (-one.priority, one.policy.service))
    groups = _by_platform(ordered)
    looked = _joined(mapped(lambda group: [_sensed(now, one, before) for one in group], groups))
    sensed = {name: one.sensed for name, one in looked.items() if one.sensed is not None}
    division = divided(
        [_ask(one, sensed.get(one.policy.service), before) for one in ordered], budget
    )
    ceilings = {
        share.service: None if budget == _NO_CEILING else share.ceiling_count
        for share in division.shares
    }
    decided = _joined(
        mapped(
            lambda group: [
                _decided(now, one, sensed[one.policy.service], ceilings, before)
                for one in group
                if one.policy.service in sensed
            ],
            groups,
        )
    )
    beats = {name: one.beat for name, one in decided.items() if one.beat is not None}
    return Pulse(
        beats={**before.beats, **beats},
        division=division,
        silent={name: one.trouble for name, one in looked.items() if one.trouble},
        unwritten={name: one.trouble for name, one in decided.items() if one.trouble},
    )


def _by_platform(charges: Sequence[Charge]) -> list[list[Charge]]:
    groups: dict[int, list[Charge]] = {}
    for one in charges:
        groups.setdefault(id(one.platform), []).append(one)
    return list(groups.values())


def _joined(parts: Iterable[list[_Done]]) -> dict[str, _Done]:
    return {one.service: one for part in parts for one in part}


def _sensed(now: datetime, charge: Charge, before: Pulse) -> _Done:
    name = charge.policy.service
    try:
        sensed = sense(
            now, policy=charge.policy, platform=charge.platform, outlook=charge.outlook,
            before=before.beats.get(name, Beat()),
        )  # fmt: skip
    except PlatformUnavailableError as error:
        return _Done(service=name, trouble=str(error))
    return _Done(service=name, sensed=sensed)


def _decided(
    now: datetime,
    charge: Charge,
    sensed: Sensed,
    ceilings: Mapping[str, int | None],
    before: Pulse,
) -> _Done:
    name, around = charge.policy.service, charge.around
    if ceilings[name] is not None:
        around = msgspec.structs.replace(around, ceiling_count=ceilings[name])
    try:
        beat = decide(
            now, sensed, policy=charge.policy, platform=charge.platform, journal=charge.journal,
            before=before.beats.get(name, Beat()), is_acting=charge.is_acting, around=around,
            places=charge.places,
        )  # fmt: skip
    except JournalError as error:
        return _Done(service=name, trouble=str(error))
    return _Done(service=name, beat=beat)


def _ask(charge: Charge, sensed: Sensed | None, before: Pulse) -> Ask:
    beat = before.beats.get(charge.policy.service, Beat())
    fleet = sensed.fleet if sensed is not None else beat.fleet
    held = held_count(fleet, beat.memory.ledger) if fleet is not None else 0
    need, demand = (sensed.need, sensed.demand) if sensed is not None else (None, _UNKNOWN)
    return ask_of(
        charge.policy, need, demand, beat.memory, held_count=held, priority=charge.priority
    )
