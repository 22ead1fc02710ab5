"""This file knows how a serving instance comes to be held warm."""

from __future__ import annotations

from foretide.model.fleet import InstanceState
from foretide.platforms.local.ending import until_idle
from foretide.platforms.local.site import Site

_S = InstanceState


async def park(site: Site, name: str) -> None:
    """Let an instance that gets no new requests finish those it has, then hold it warm."""
    record = site.lives.get(name)
    if record is None:
        return
    await until_idle(site, record)
    with site.lives.lock:
        record = site.lives.get(name)
        if record is None or record.state is not _S.PARKING:
            return  # promoted again meanwhile, or lost
        site.doors.forget(record)
        site.warmth.hold(record)
        site.lives.move(name, _S.WARM)
