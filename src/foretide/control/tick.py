"""This file knows one heartbeat: observe, foresee, plan, place, write down, act.

The same tick runs live, in shadow and in simulation: they differ in the clock that says `now`, in
the platform, and in where demand comes from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from foretide.errors import InputError, PlatformUnavailableError
from foretide.model.fleet import Fleet
from foretide.model.placement import Rooms
from foretide.model.plan import Action, Launch, Plan
from foretide.plan.confidence import trigger_moves
from foretide.plan.need import Need
from foretide.plan.place import placed
from foretide.plan.planner import Circumstances, Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Outcome, Platform, Receipt
from foretide.store.journal import Entry, Journal, fleet_change

_CALM = Circumstances()


class Outlook(Protocol):
    """Tells a tick what is known of demand, and what it will ask for."""

    def recent(self, now: datetime) -> RecentDemand:
        """Return the last closed buckets."""
        ...

    def need(self, now: datetime) -> Need | None:
        """Return what the forecast asks for; None while there is no forecast."""
        ...


class Places(Protocol):
    """Tells a tick where instances may go; `control/links.py` has the one that looks ahead."""

    def rooms(self, now: datetime, service: str, version: str) -> Rooms:
        """Return what one more instance takes and what each node has free for it.

        Raises
        ------
        PlatformUnavailableError
            When the platform does not say so.
        InputError
            When it has no such version.
        """
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
    unanswered : tuple of Action
        What it did not answer, and what was to come after it: asked for again by the next tick,
        under the same ids.
    unplaced : tuple of str
        Instances that were to be launched and for which no node has room: never asked for.
    """

    fleet: Fleet | None = None
    memory: Memory = Memory()
    plan: Plan | None = None
    receipts: tuple[Receipt, ...] = ()
    unanswered: tuple[Action, ...] = ()
    unplaced: tuple[str, ...] = ()


class Sensed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one tick rests on: the fleet as reported, the last demand, and what the forecast asks.

    Parameters
    ----------
    fleet : Fleet
    demand : RecentDemand
    need : Need, optional
        None while there is no forecast.
    """

    fleet: Fleet
    demand: RecentDemand
    need: Need | None


def tick(
    now: datetime,
    *,
    policy: ServicePolicy,
    platform: Platform,
    outlook: Outlook,
    journal: Journal,
    before: Beat,
    is_acting: bool,
    around: Circumstances | None = None,
    places: Places | None = None,
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
    around : Circumstances, optional
        What else is to be heeded: a budget's ceiling, an update in flight, lost skill. What was
        refused of the plan before and whether this one is acted upon is known here.
    places : Places, optional
        Where instances may go; without it the platform chooses.

    Returns
    -------
    Beat
        To be handed to the next tick.

    Raises
    ------
    PlatformUnavailableError
        When the platform did not say what runs.
    JournalError
        When the plan could not be written down: nothing was done.
    """
    sensed = sense(now, policy=policy, platform=platform, outlook=outlook, before=before)
    return decide(
        now, sensed, policy=policy, platform=platform, journal=journal, before=before,
        is_acting=is_acting, around=around, places=places,
    )  # fmt: skip


def sense(
    now: datetime,
    *,
    policy: ServicePolicy,
    platform: Platform,
    outlook: Outlook,
    before: Beat,
) -> Sensed:
    """Return what a tick rests on; the first half of `tick`, with its arguments.

    Raises
    ------
    PlatformUnavailableError
        When the platform did not say what runs.
    """
    # once: what is not answered again is planned anew, from what the platform then reports
    acted(platform, before.unanswered)
    fleet = platform.observe(policy.service)
    return Sensed(fleet=fleet, demand=outlook.recent(now), need=outlook.need(now))


def decide(
    now: datetime,
    sensed: Sensed,
    *,
    policy: ServicePolicy,
    platform: Platform,
    journal: Journal,
    before: Beat,
    is_acting: bool,
    around: Circumstances | None = None,
    places: Places | None = None,
) -> Beat:
    """Plan from what was sensed, place it, write it down, and act; the second half of `tick`.

    Between the two halves a budget may be divided among services: see `control/heartbeat`.

    Raises
    ------
    JournalError
        When the plan could not be written down: nothing was done.
    """
    fleet, demand, need = sensed.fleet, sensed.demand, sensed.need
    around = _completed(around or _CALM, before, is_acting=is_acting)
    decided, memory = plan(
        now=now, fleet=fleet, demand=demand, need=need, policy=policy, memory=before.memory,
        around=around,
    )  # fmt: skip
    rooms = _rooms(now, decided, policy, places)
    decided, unplaced = (decided, ()) if rooms is None else placed(decided, rooms)
    changed, gone = fleet_change(before.fleet, fleet)
    entry = Entry(
        at=now, changed=changed, gone=gone, demand=demand, need=need, plan=decided, around=around,
        moves=trigger_moves(before.memory.stance.confidence, memory.stance.confidence),
        observed_at=None if fleet.observed_at == now else fleet.observed_at,
        is_start=before.fleet is None, rooms=rooms,
    )  # fmt: skip
    journal.append(entry)
    receipts = acted(platform, decided.actions) if is_acting else ()
    return Beat(
        fleet=fleet, memory=memory, plan=decided, receipts=receipts,
        unanswered=decided.actions[len(receipts) :] if is_acting else (),
        unplaced=unplaced if is_acting else (),
    )  # fmt: skip


def _rooms(
    now: datetime, decided: Plan, policy: ServicePolicy, places: Places | None
) -> Rooms | None:
    """Return where a plan's launches may go; None where it has none or the platform chooses."""
    if places is None or not any(isinstance(action, Launch) for action in decided.actions):
        return None
    try:
        return places.rooms(now, policy.service, policy.version)
    except (PlatformUnavailableError, InputError):
        # the platform answers each launch itself, and says why where it cannot
        return None


def acted(platform: Platform, actions: tuple[Action, ...]) -> tuple[Receipt, ...]:
    """Ask for actions in their order, and return the answers up to the first there was none to.

    Also the start-up path: what the last journal entry asked for may have been done or not; asked
    for again under the same ids it is done once, whatever became of it before.

    Parameters
    ----------
    platform : Platform
        Where they are done.
    actions : tuple of Action
        Of one plan.

    Returns
    -------
    tuple of Receipt
        Fewer than there are actions when one was not answered: what comes after it may rest on it.
    """
    receipts = list[Receipt]()
    for action in actions:
        try:
            receipts.append(platform.apply(action))
        except PlatformUnavailableError:
            break
    return tuple(receipts)


def _completed(around: Circumstances, before: Beat, *, is_acting: bool) -> Circumstances:
    refused = _refused(before)
    if is_acting and not refused:
        return around
    return msgspec.structs.replace(around, is_acting=is_acting, refused=refused)


def _refused(before: Beat) -> tuple[str, ...]:
    """Return the instances that were to be launched and that have no room or were refused."""
    if before.plan is None or not before.receipts:
        return before.unplaced
    refused = {one.action_id for one in before.receipts if one.outcome is Outcome.REFUSED}
    return before.unplaced + tuple(
        action.instance_id
        for action in before.plan.actions
        if isinstance(action, Launch) and action.action_id in refused
    )
