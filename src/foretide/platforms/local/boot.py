"""This file knows how an instance comes: its content, its process, until it is ready."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from foretide.errors import ActionFailedError, ForetideError, PlatformUnavailableError
from foretide.model.fleet import InstanceState
from foretide.platforms.local.doors import HOST
from foretide.platforms.local.ending import ended, lost
from foretide.platforms.local.liveness import keep_alive
from foretide.platforms.local.manifest import filled_in
from foretide.platforms.local.probe import is_ready
from foretide.platforms.local.process import Program, start
from foretide.platforms.local.record import GONE, Record
from foretide.platforms.local.site import Site

_S = InstanceState
_PROBE_TIMEOUT_S = 2.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.25
_WAIT_FRACTION = 0.02  # of what it has taken: so much later than it was ready it is noticed


async def boot(site: Site, name: str) -> None:
    """Bring an instance from asked for, or from being started, to serving or warm."""
    try:
        await _start(site, name)
        await _wait_until_ready(site, name)
        await _welcome(site, name)
    except (ForetideError, OSError) as error:
        lost(site, name, str(error))


async def _start(site: Site, name: str) -> None:
    with site.lives.lock:
        record = site.lives.get(name)
        if record is None or record.state in GONE or record.identity is not None:
            return
        if record.state is _S.REQUESTED:
            record = site.lives.move(name, _S.BOOTING)
    content = site.contents.of(record.service, record.version)
    folder = (await site.nodes.fetched(record.node_id, content)).folder
    with site.lives.lock:
        port = site.ports.free(site.lives.ports())
        site.lives.listens(name, port)
    program = Program(
        command=filled_in(content.manifest, folder=folder, port=port, instance_id=name),
        folder=folder,
        log=site.root.log(name),
        root_id=site.root.id,
        instance_id=name,
        env={**content.manifest.env, **site.services[record.service].env},
        port=port,
        is_bound=site.is_bound,
        limits=site.isolation.limits(name, content.manifest.needs),
    )
    who = start(program)
    # called off meanwhile, it is ended by what was begun then, which now knows its process
    with site.lives.lock:
        site.lives.started(name, who, port=port)
    site.keeper.watch(name, who, partial(ended, site, name))


async def _wait_until_ready(site: Site, name: str) -> None:
    record = _booting(site, name)
    if record is None:
        return
    rule = site.contents.manifest(record).ready
    begun_s = time.monotonic()
    while not await is_ready(HOST, record.port, rule.path, min(rule.timeout_s, _PROBE_TIMEOUT_S)):
        took_s = time.monotonic() - begun_s
        if took_s >= rule.timeout_s:
            raise ActionFailedError(
                f"{name} was not ready within {rule.timeout_s:g} s: "
                f"{f'GET {rule.path}' if rule.path else 'no connection'} on port {record.port}"
            )
        await asyncio.sleep(min(max(_FIRST_WAIT_S, took_s * _WAIT_FRACTION), _LONGEST_WAIT_S))


async def _welcome(site: Site, name: str) -> None:
    while True:
        try:
            if _is_settled(site, name):
                return
        except PlatformUnavailableError as error:
            site.notes.add(str(error))
        await asyncio.sleep(_LONGEST_WAIT_S)


def _is_settled(site: Site, name: str) -> bool:
    with site.lives.lock:
        record = _booting(site, name)
        if record is None:
            return True
        if record.is_serving_next:
            site.doors.admit(record)
            record = site.lives.move(name, _S.SERVING)
        else:
            site.warmth.hold(record)
            record = site.lives.move(name, _S.WARM)
        site.changed.set()
    site.failures.started(record.service, record.version)
    site.leads.add(record.service, "boot", (record.since - record.asked_at).total_seconds())
    site.leads.save()
    site.keeper.begin(name, partial(keep_alive, site, name), kind="liveness")
    return True


def _booting(site: Site, name: str) -> Record | None:
    record = site.lives.get(name)
    return record if record is not None and record.state is _S.BOOTING else None
