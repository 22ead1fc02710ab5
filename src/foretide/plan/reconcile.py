"""This file knows what to make of a report that contradicts what was asked of the platform.

A launch that no report shows yet is on its way all the same, for a while: launching it again would
buy it twice. A report older than the one before tells nothing. Half a fleet that is missing from
one report is missed only when the next report misses it too. What nobody asked for is counted, for
it serves, and its coming is told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Action, Drain, Launch, Reason, Terminate

_S = InstanceState
# A report this much older than the tick is from before it.
_LATE = timedelta(seconds=1)
# A report this much younger than a launch would show it.
_UNSEEN = timedelta(seconds=120)
# More than this share of a fleet gone at once is doubted before it is believed.
_DOUBTED_FRACTION, _DOUBTED_COUNT = 0.25, 2


class Census(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many instances of a fleet are in which state.

    Parameters
    ----------
    ready : int
        Serving now.
    waking : int
        Promoted, not serving yet.
    warm : int
        Warm, or parking.
    arriving : int
        Requested or booting.
    landing : int
        Those of the arriving that will serve.
    draining : int
        On their way out.
    """

    ready: int = 0
    waking: int = 0
    warm: int = 0
    arriving: int = 0
    landing: int = 0
    draining: int = 0

    @property
    def serving(self) -> int:
        """Serving now or within seconds."""
        return self.ready + self.waking

    @property
    def total(self) -> int:
        """All that are there or on their way, but for those on their way out."""
        return self.ready + self.waking + self.warm + self.arriving


def census_of(fleet: Fleet) -> Census:
    """Return how many instances are in which state."""
    ready = waking = warm = arriving = landing = draining = 0
    for instance in fleet.instances:
        state = instance.state
        if state is _S.SERVING:
            ready += 1
        elif state is _S.WARM or state is _S.PARKING:
            warm += 1
        elif state is _S.BOOTING or state is _S.REQUESTED:
            arriving += 1
            landing += instance.is_serving_next
        elif state is _S.WAKING:
            waking += 1
        elif state is _S.DRAINING:
            draining += 1
    return Census(
        ready=ready, waking=waking, warm=warm, arriving=arriving, landing=landing, draining=draining
    )


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """What the last report said and what has been asked for since.

    Parameters
    ----------
    instances : tuple of Instance, optional
        As reported; None before the first report.
    observed_at : datetime, optional
        When the platform looked.
    census : Census
        Of them.
    launched : tuple of (str, datetime)
        Launches no report has shown yet, and when they were asked for.
    leaving : tuple of str
        Instances that were asked to go and are still reported.
    doubted : tuple of Instance
        Missing from one report, and not believed gone yet.
    """

    instances: tuple[Instance, ...] | None = None
    observed_at: datetime | None = None
    census: Census = Census()
    launched: tuple[tuple[str, datetime], ...] = ()
    leaving: tuple[str, ...] = ()
    doubted: tuple[Instance, ...] = ()

    @property
    def unseen_count(self) -> int:
        """Instances that no report shows and that are counted as there."""
        return len(self.launched) + len(self.doubted)


def reconciled(
    ledger: Ledger, fleet: Fleet, refused: tuple[str, ...], now: datetime
) -> tuple[Ledger, tuple[Reason, ...]]:
    """Return the ledger after a report, and in what the report contradicts it.

    Parameters
    ----------
    ledger : Ledger
        From the plan before; a first report contradicts nothing.
    fleet : Fleet
        What the platform reports.
    refused : tuple of str
        Launches that the platform said no to: they will not come.
    now : datetime
        The instant of the tick: who has just begun and remembers no launch must not launch by a
        report from before it, which would not show them.
    """
    if ledger.instances is None or ledger.observed_at is None:
        is_late = now - fleet.observed_at > _LATE
        return Ledger(
            instances=fleet.instances,
            observed_at=None if is_late else fleet.observed_at,
            census=census_of(fleet),
        ), (Reason.REPORT_LATE,) if is_late else ()
    if fleet.observed_at < ledger.observed_at:
        return ledger, (Reason.REPORT_LATE,)
    if fleet.instances == ledger.instances and not (ledger.launched or ledger.doubted):
        return msgspec.structs.replace(ledger, observed_at=fleet.observed_at), ()
    before = {one.instance_id: one for one in ledger.instances}
    there = {one.instance_id for one in fleet.instances}
    awaited = dict(ledger.launched)
    launched = tuple(
        (name, at)
        for name, at in ledger.launched
        if name not in there and name not in refused and fleet.observed_at - at < _UNSEEN
    )
    leaving = set(ledger.leaving)
    lost = [
        one
        for name, one in before.items()
        if name not in there and name not in leaving and one.state is not _S.DRAINING
    ]
    doubted = tuple(lost) if _is_doubtful(len(lost), len(before)) else ()
    unknown = there - before.keys() - awaited.keys() - {one.instance_id for one in ledger.doubted}
    reasons = (
        *((Reason.INSTANCES_MISSING,) if lost else ()),
        *((Reason.INSTANCES_UNKNOWN,) if unknown else ()),
        *((Reason.LAUNCH_UNSEEN,) if launched else ()),
    )
    return Ledger(
        instances=fleet.instances,
        observed_at=fleet.observed_at,
        census=census_of(fleet),
        launched=launched,
        leaving=tuple(name for name in ledger.leaving if name in there),
        doubted=doubted,
    ), reasons


def _is_doubtful(lost_count: int, fleet_count: int) -> bool:
    return lost_count > max(_DOUBTED_COUNT, _DOUBTED_FRACTION * fleet_count)


def with_actions(ledger: Ledger, actions: tuple[Action, ...], now: datetime) -> Ledger:
    """Return the ledger with what is being asked of the platform.

    Parameters
    ----------
    ledger : Ledger
    actions : tuple of Action
        That will be done.
    now : datetime
        When, aware UTC.
    """
    launched = [(a.instance_id, now) for a in actions if isinstance(a, Launch)]
    leaving = [a.instance_id for a in actions if isinstance(a, Drain | Terminate)]
    if not (launched or leaving):
        return ledger
    return msgspec.structs.replace(
        ledger,
        launched=(*ledger.launched, *launched),
        leaving=(*ledger.leaving, *leaving),
    )
