"""This file knows how a warm instance of an old version gives way to one of the new.

One at a time, the new one first: it is launched beside the pool and counts for nothing until it is
warm; then the old one ends. So the pool is never smaller for it, and the planner, which does not
see the new one meanwhile, has nothing to remove. Nothing is begun while anything else moves, and a
surge takes both.

What serves users is not touched here: that is an update's.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.ids import action_id
from foretide.model.plan import Action, Launch, Plan, Promote, Reason, Terminate
from foretide.plan.act import instance_name
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import Ledger

_S = InstanceState
_ARRIVING = (_S.REQUESTED, _S.BOOTING)
# A launch no report shows after this long has failed; so long a version that does not start rests.
_UNSEEN, _REST = timedelta(seconds=120), timedelta(minutes=10)
_PRESSING = frozenset({Reason.REACTIVE_PROMOTE, Reason.SURPRISE, Reason.SPEND_GUARD})
_UNSURE = frozenset({
    Reason.DATA_STALE, Reason.INSTANCES_MISSING, Reason.INSTANCES_UNKNOWN, Reason.LAUNCH_UNSEEN,
    Reason.REPORT_LATE, Reason.UPDATE_IN_FLIGHT,
})  # fmt: skip


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """A replacement under way, or how long there is to be none.

    Parameters
    ----------
    fresh_id, old_id : str
        The instance launched to take the place of the other; empty when none is under way.
    begun_at : datetime, optional
        When it was launched.
    rests_until : datetime, optional
        When the next may begin, after one that failed.
    """

    fresh_id: str = ""
    old_id: str = ""
    begun_at: datetime | None = None
    rests_until: datetime | None = None


def counted(fleet: Fleet, refresh: Refresh) -> Fleet:
    """Return the fleet without the instance that is to take another's place."""
    if not refresh.fresh_id:
        return fleet
    left = tuple(one for one in fleet.instances if one.instance_id != refresh.fresh_id)
    return msgspec.structs.replace(fleet, instances=left)


def is_given_up(fleet: Fleet, refresh: Refresh, decided: Plan) -> bool:
    """Return whether a replacement under way is to count at once, and its old one to stay.

    So it is when more capacity is wanted, and when the old one has gone its own way meanwhile.

    Parameters
    ----------
    fleet : Fleet
        All that is reported.
    refresh : Refresh
        Under way.
    decided : Plan
        What would be done if the new one did not count.
    """
    if any(isinstance(one, Promote | Launch) for one in decided.actions):
        return True
    if not _PRESSING.isdisjoint(decided.decision.reasons):
        return True
    return not any(
        one.instance_id == refresh.old_id and one.state is _S.WARM for one in fleet.instances
    )


def joined(ledger: Ledger, refresh: Refresh, now: datetime) -> Ledger:
    """Return the ledger that awaits the new instance: from now on it counts."""
    return msgspec.structs.replace(
        ledger, launched=(*ledger.launched, (refresh.fresh_id, refresh.begun_at or now))
    )


def refreshed(
    now: datetime,
    fleet: Fleet,
    refresh: Refresh,
    *,
    policy: ServicePolicy,
    decided: Plan,
    room_count: int,
    is_sure: bool,
    refused: tuple[str, ...] = (),
) -> tuple[Refresh, tuple[Action, ...]]:
    """Return what to do about warm instances of an old version.

    Parameters
    ----------
    now : datetime
        The instant of the tick.
    fleet : Fleet
        All that is reported, the instance under way included.
    refresh : Refresh
        From the tick before; not given up.
    policy : ServicePolicy
        Whose version is the new one.
    decided : Plan
        What is done beside it.
    room_count : int
        Instances that maximum and budget leave beside those that are counted.
    is_sure : bool
        Whether demand is fresh, no update is in flight, and what is planned will be done.
    refused : tuple of str
        Instances whose launch the platform refused.

    Returns
    -------
    refresh : Refresh
        For the next tick.
    actions : tuple of Action
        At most one: the launch of the new one, or the end of the old one once the new one is warm.
    """
    is_sure = is_sure and _UNSURE.isdisjoint(decided.decision.reasons)
    ordinal = len(decided.actions)
    if refresh.fresh_id in refused:
        return Refresh(rests_until=now + _REST), ()
    if refresh.fresh_id:
        return _carried_on(now, fleet, refresh, policy, ordinal=ordinal, is_sure=is_sure)
    is_resting = refresh.rests_until is not None and now < refresh.rests_until
    old = _oldest_old(fleet, policy.version)
    is_quiet = is_sure and not (is_resting or decided.actions or _is_moving(fleet))
    if old is None or not is_quiet or room_count < 1:
        return refresh, ()
    if not _PRESSING.isdisjoint(decided.decision.reasons):
        return refresh, ()
    name = action_id(policy.service, now, ordinal)
    launch = Launch(
        action_id=name, service=policy.service, instance_id=instance_name(name),
        version=policy.version, is_warm=True,
    )  # fmt: skip
    begun = Refresh(fresh_id=launch.instance_id, old_id=old.instance_id, begun_at=now)
    return begun, (launch,)


def _carried_on(
    now: datetime,
    fleet: Fleet,
    refresh: Refresh,
    policy: ServicePolicy,
    *,
    ordinal: int,
    is_sure: bool,
) -> tuple[Refresh, tuple[Action, ...]]:
    fresh = next((one for one in fleet.instances if one.instance_id == refresh.fresh_id), None)
    if fresh is None:
        is_lost = refresh.begun_at is None or now - refresh.begun_at >= _UNSEEN
        return (Refresh(rests_until=now + _REST) if is_lost else refresh), ()
    if fresh.state in _ARRIVING or not is_sure:
        return refresh, ()
    end = Terminate(
        action_id=action_id(policy.service, now, ordinal), service=policy.service,
        instance_id=refresh.old_id,
    )  # fmt: skip
    return Refresh(), (end,)


def _oldest_old(fleet: Fleet, version: str) -> Instance | None:
    old = (one for one in fleet.instances if one.state is _S.WARM and one.version != version)
    return next(old, None)


def _is_moving(fleet: Fleet) -> bool:
    settled = (_S.SERVING, _S.WARM)
    return any(one.state not in settled for one in fleet.instances)
