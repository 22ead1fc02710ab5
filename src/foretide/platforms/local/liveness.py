"""This file knows how an instance that hangs is noticed."""

from __future__ import annotations

import asyncio

from foretide.model.fleet import InstanceState
from foretide.platforms.local.doors import HOST
from foretide.platforms.local.ending import lost
from foretide.platforms.local.probe import is_ready
from foretide.platforms.local.record import GONE
from foretide.platforms.local.site import Site

_PLACES = 16


async def keep_alive(site: Site, name: str) -> None:
    """Ask a serving instance now and then whether it lives, and end it when it does not."""
    record = site.lives.get(name)
    if record is None:
        return
    rule = site.contents.manifest(record).live
    failed_count = 0
    # those that were started together are not asked together
    await asyncio.sleep(rule.every_s * (1 + record.ordinal % _PLACES) / _PLACES)
    while (record := site.lives.get(name)) is not None and record.state not in GONE:
        is_asked = record.state is InstanceState.SERVING
        if not is_asked or await is_ready(HOST, record.port, rule.path, rule.timeout_s):
            failed_count = 0
        else:
            failed_count += 1
        if failed_count >= rule.failures:
            now = site.lives.get(name)
            if now is not None and now.state is InstanceState.SERVING:
                asked = f"GET {rule.path}" if rule.path else "a connection"
                lost(site, name, f"{name} failed {failed_count} times in a row to answer {asked}")
                return
            failed_count = 0
        await asyncio.sleep(rule.every_s)
