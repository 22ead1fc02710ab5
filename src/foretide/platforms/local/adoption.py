"""This file knows how a new control plane goes on with what another one left.

Every instance is found once, by its record or by its process, and goes on from where it stood; an
action that was begun and not answered is finished.
"""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from foretide.errors import InputError, PlatformUnavailableError
from foretide.model.fleet import InstanceState
from foretide.model.plan import Launch
from foretide.platforms.local.boot import boot
from foretide.platforms.local.census import Marked, marked
from foretide.platforms.local.ending import drain, end, ended, lost
from foretide.platforms.local.identity import Identity, is_running
from foretide.platforms.local.liveness import keep_alive
from foretide.platforms.local.orders import carried_out
from foretide.platforms.local.parking import park
from foretide.platforms.local.process import signal_group, signal_leader
from foretide.platforms.local.receipts import Receipts
from foretide.platforms.local.record import GONE, Record
from foretide.platforms.local.site import Site
from foretide.platforms.local.updating import update

_S = InstanceState


def adopt(site: Site, receipts: Receipts) -> None:
    """Take over what runs in a root; called once, before anything is asked."""
    seen = marked(site.root.id)
    leaders = _leaders(seen)
    with site.lives.lock:
        _take_in(site, receipts, leaders)
        for record in site.lives.all():
            _find_process(site, record, leaders.get(record.instance_id))
        for service in site.services:
            serving = [r for r in site.lives.all()
                       if r.service == service and r.state is _S.SERVING]  # fmt: skip
            site.doors.reconcile(service, [r for r in serving if _runs(r)])
        for record in site.lives.all():
            _go_on(site, record)
        _end_strays(site, seen)
        finish(site, receipts)


def finish(site: Site, receipts: Receipts) -> None:
    """Finish the actions that were begun and not answered."""
    for action in receipts.unanswered():
        try:
            receipts.answer(carried_out(site, action))
        except PlatformUnavailableError as error:
            site.notes.add(str(error))  # asked again, it is done then


def _leaders(seen: tuple[Marked, ...]) -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    for one in seen:
        if one.is_leader and one.instance_id:
            found.setdefault(one.instance_id, one.identity)
    return found


def _take_in(site: Site, receipts: Receipts, leaders: dict[str, Identity]) -> None:
    """Add instances that run without a record: their launch is known, else they are ended."""
    for name, who in leaders.items():
        if site.lives.get(name) is not None:
            continue
        launch, port = receipts.launch(name), _port(who)
        if launch is None or launch.service not in site.services or not port:
            site.notes.add(f"{name} ran without anything being known of it, and was ended")
            continue
        _add_found(site, launch, who, port)


def _add_found(site: Site, launch: Launch, who: Identity, port: int) -> None:
    site.lives.add(
        launch.instance_id, service=launch.service, version=launch.version,
        node_id=launch.node_id or next(iter(site.nodes.nodes)),
        is_serving_next=not launch.is_warm,
    )  # fmt: skip
    site.lives.started(launch.instance_id, who, port=port)
    site.lives.move(launch.instance_id, _S.BOOTING)
    signal_leader(who, signal.SIGCONT)  # held warm it would never be ready


def _port(who: Identity) -> int:
    try:
        variables = Path(f"/proc/{who.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return 0
    told = next((v.partition(b"=")[2] for v in variables if v.startswith(b"PORT=")), b"")
    return int(told) if told.isdigit() else 0


def _find_process(site: Site, record: Record, who: Identity | None) -> None:
    name = record.instance_id
    known = record.identity
    if who is not None and who != known and (known is None or not is_running(known)):
        # started in the instant before that was written down
        record = site.lives.started(name, who, port=_port(who) or record.port)
    try:
        needs = site.contents.manifest(record).needs
        site.nodes.take(name, service=record.service, node_id=record.node_id, needs=needs)
    except InputError as error:
        site.notes.add(str(error))
    if record.identity is not None:
        site.keeper.watch(name, record.identity, partial(ended, site, name))


def _runs(record: Record) -> bool:
    return record.identity is not None and is_running(record.identity)


def _go_on(site: Site, record: Record) -> None:
    name = record.instance_id
    if record.state in GONE:
        site.keeper.begin(name, partial(end, site, name))
        return
    if record.service not in site.services:
        lost(site, name, f"{record.service} is not a service of this platform any more")
        return
    if record.identity is not None and not _runs(record):
        lost(site, name, f"{name} ended while nobody watched")
        return
    match record.state:
        case _S.REQUESTED | _S.BOOTING:
            site.keeper.begin(name, partial(boot, site, name))
        case _S.PARKING:
            site.doors.dismiss(record)
            site.keeper.begin(name, partial(park, site, name))
        case _S.DRAINING:
            site.doors.dismiss(record)
            work = drain if record.next_version is None else update
            site.keeper.begin(name, partial(work, site, name))
        case _S.WARM:
            site.warmth.hold(record)
        case _:
            site.warmth.grow(record)
    if record.state in {_S.WARM, _S.PARKING, _S.SERVING}:
        site.keeper.begin(name, partial(keep_alive, site, name), kind="liveness")


def _end_strays(site: Site, seen: tuple[Marked, ...]) -> None:
    """End the processes of instances of which nothing is known, workers without a leader too."""
    for one in seen:
        if one.instance_id and site.lives.get(one.instance_id) is None:
            signal_group(one.identity, signal.SIGKILL)
            signal_leader(one.identity, signal.SIGKILL)
