"""This file knows when a promoted instance has come to all it can do."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from foretide.model.fleet import InstanceState
from foretide.platforms.local.doors import HOST
from foretide.platforms.local.ending import lost
from foretide.platforms.local.probe import is_ready
from foretide.platforms.local.record import Record
from foretide.platforms.local.site import Site
from foretide.platforms.local.warmth import worker_count

_PROBE_TIMEOUT_S = 2.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.25


async def grow_fully(site: Site, name: str, asked_at: datetime) -> None:
    """Measure how long an instance that was shrunk takes to full throughput.

    It has it when its package's path says so, or where there is none, when it has as many
    processes as before. One that does not come to it is lost.
    """
    record = site.lives.get(name)
    minimal = None if record is None else site.contents.manifest(record).minimal
    if record is None or minimal is None:
        return
    begun_s = time.monotonic()
    while not await _is_full(site, record, minimal.path):
        took_s = time.monotonic() - begun_s
        if took_s >= minimal.ready_timeout_s:
            lost(site, name, f"{name} had not grown {minimal.ready_timeout_s:g} s after a promote")
            return
        await asyncio.sleep(min(max(_FIRST_WAIT_S, took_s / 10), _LONGEST_WAIT_S))
        now = site.lives.get(name)
        if now is None or now.state is not InstanceState.SERVING:
            return
    site.leads.add(record.service, "full", (site.clock.now() - asked_at).total_seconds())


async def _is_full(site: Site, record: Record, path: str | None) -> bool:
    if path is not None:
        return await is_ready(HOST, record.port, path, _PROBE_TIMEOUT_S)
    if record.identity is None:
        return True
    return worker_count(record.identity) >= site.warmth.full_count(record)
