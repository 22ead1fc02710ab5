"""This file knows what each action begins, and when it is refused.

What is quick is done at once, a promote in full; what takes time is begun in the keeper's thread.
"""

from __future__ import annotations

import time
from functools import partial
from typing import assert_never

from foretide.errors import (
    ActionFailedError,
    InputError,
    InvalidValueError,
    PlatformUnavailableError,
)
from foretide.model.fleet import LIFECYCLE, InstanceState
from foretide.model.ids import check_name
from foretide.model.plan import (
    Action,
    Drain,
    Launch,
    LowerBid,
    Park,
    PlaceBid,
    Promote,
    Refusal,
    Resize,
    Terminate,
    Update,
)
from foretide.plan.place import place
from foretide.platforms.base import Receipt
from foretide.platforms.local.boot import boot
from foretide.platforms.local.content import Content
from foretide.platforms.local.ending import drain, end, lost
from foretide.platforms.local.growing import grow_fully
from foretide.platforms.local.identity import is_running
from foretide.platforms.local.parking import park
from foretide.platforms.local.receipts import accepted, already_done, refused
from foretide.platforms.local.record import GONE, Record
from foretide.platforms.local.site import Site
from foretide.platforms.local.updating import update

_S = InstanceState
_OnInstance = Promote | Park | Drain | Terminate


def carried_out(site: Site, action: Action) -> Receipt:
    """Begin an action and say what became of it; `site.lives.lock` is held.

    Raises
    ------
    PlatformUnavailableError
        When it was not begun; the same action may be asked for again.
    """
    if action.service not in site.services:
        return refused(action, f"this platform runs {', '.join(site.services) or 'no service'}")
    try:
        return _begun(site, action)
    except (ActionFailedError, InputError, InvalidValueError) as error:
        return refused(action, str(error))


def _begun(site: Site, action: Action) -> Receipt:
    match action:
        case Launch():
            return _launch(site, action)
        case Promote() | Park() | Drain() | Terminate():
            return _walk(site, action)
        case Resize():
            return _resize(site, action)
        case Update():
            return _update(site, action)
        case PlaceBid() | LowerBid():
            return refused(action, "processes of this machine have no market")
        case _:
            assert_never(action)


def _launch(site: Site, action: Launch) -> Receipt:
    name = check_name("instance_id", action.instance_id)
    known = site.lives.get(name)
    if known is not None:
        if known.state in GONE:
            return refused(action, f"an instance {name} is still being ended")
        return already_done(action)
    content = site.contents.of(action.service, action.version)
    waits = site.failures.why_not(action.service, action.version, time.monotonic())
    if waits:
        return refused(action, waits)
    found = _place(site, action, content)
    if isinstance(found, Refusal):
        return refused(action, f"{found.reason}; {found.fix}")
    needs = content.manifest.needs
    site.nodes.take(name, service=action.service, node_id=found, needs=needs)
    site.lives.add(
        name, service=action.service, version=action.version, node_id=found,
        is_serving_next=not action.is_warm,
    )  # fmt: skip
    site.keeper.begin(name, partial(boot, site, name))
    return accepted(action)


def _place(site: Site, action: Launch, content: Content) -> str | Refusal:
    if action.node_id is not None:
        refusal = site.nodes.refusal(action.service, content, action.node_id)
        return refusal or action.node_id
    boot_s = site.leads.of(action.service).boot_p50_s or 0.0
    rooms = site.nodes.rooms(action.service, content, boot_s=boot_s)
    found = place(rooms.nodes, rooms.size)
    return found if isinstance(found, Refusal) else found.node_id


def _walk(site: Site, action: _OnInstance) -> Receipt:
    name = action.instance_id
    record = site.lives.get(name)
    is_going = isinstance(action, Drain | Terminate)
    if record is None or record.state in GONE:
        return already_done(action) if is_going else refused(action, f"{name} is gone")
    steps = _STEPS[type(action)]
    if record.state in steps or (is_going and record.state is _S.DRAINING):
        return already_done(action)
    if record.service != action.service:
        return refused(action, f"{name} belongs to {record.service}")
    if (record.state, steps[0]) not in LIFECYCLE:
        return refused(action, f"{name} is {record.state}")
    return _moved(site, action, record)


def _moved(site: Site, action: _OnInstance, record: Record) -> Receipt:
    name = record.instance_id
    match action:
        case Promote():
            return _promote(site, action, record)
        case Park():
            site.doors.dismiss(record)
            site.lives.move(name, _S.PARKING)
            site.keeper.begin(name, partial(park, site, name))
        case Drain():
            site.doors.dismiss(record)
            site.lives.move(name, _S.DRAINING)
            site.keeper.begin(name, partial(drain, site, name))
        case Terminate():
            site.lives.move(name, _S.TERMINATED)
            site.keeper.begin(name, partial(end, site, name))
    return accepted(action)


_STEPS: dict[type[_OnInstance], tuple[InstanceState, ...]] = {
    Promote: (_S.WAKING, _S.SERVING),
    Park: (_S.PARKING, _S.WARM),
    Drain: (_S.DRAINING,),
    Terminate: (_S.TERMINATED,),
}


def _promote(site: Site, action: Promote, record: Record) -> Receipt:
    name = record.instance_id
    if record.identity is None or not is_running(record.identity):
        lost(site, name, f"{name} ended while {record.state}")
        return refused(action, f"{name} is gone")
    begun_at = site.clock.now()
    site.warmth.grow(record)
    try:
        site.doors.admit(record)
    except (ActionFailedError, PlatformUnavailableError):
        if record.state is _S.WARM:
            site.warmth.hold(record)
        raise
    site.lives.move(name, _S.WAKING, _S.SERVING)
    took_s = (site.clock.now() - begun_at).total_seconds()
    site.leads.add(record.service, "wake", took_s)
    if site.warmth.is_minimal(record):
        site.keeper.begin(name, partial(grow_fully, site, name, begun_at))
    else:
        site.keeper.stop(name)
        site.leads.add(record.service, "full", took_s)
    return accepted(action)


def _resize(site: Site, action: Resize) -> Receipt:
    record = site.lives.get(action.instance_id)
    if record is None or record.identity is None or record.state in GONE:
        return refused(action, f"{action.instance_id} is gone, or has not been started")
    reason = site.isolation.resized(
        record.instance_id, record.identity,
        cpu_cores=action.cpu_cores, memory_mib=action.memory_mib,
    )  # fmt: skip
    return refused(action, reason) if reason else accepted(action)


def _update(site: Site, action: Update) -> Receipt:
    name = action.instance_id
    record = site.lives.get(name)
    if action.method == "replace":
        return refused(
            action, "a replacement is a launch of the new version and a drain of this one"
        )
    if record is None or record.state in GONE:
        return refused(action, f"{name} is gone")
    if action.version in {record.version, record.next_version}:
        return already_done(action)
    if record.state is not _S.SERVING:
        return refused(action, f"{name} is {record.state}: only a serving one is updated in place")
    site.contents.of(action.service, action.version)
    waits = site.failures.why_not(action.service, action.version, time.monotonic())
    if waits:
        return refused(action, waits)
    site.doors.dismiss(record)
    site.lives.followed(name, action.version)
    site.lives.move(name, _S.DRAINING)
    site.keeper.begin(name, partial(update, site, name))
    return accepted(action)
