"""This file knows how a serving instance comes to run another version in its place."""

from __future__ import annotations

from functools import partial

from foretide.platforms.local.boot import boot
from foretide.platforms.local.ending import drained
from foretide.platforms.local.site import Site


async def update(site: Site, name: str) -> None:
    """Drain an instance, and start its next version under the same name on the same node.

    In between it is reported as draining; then as one that was asked for and has not begun.
    """
    if not await drained(site, name):
        return
    with site.lives.lock:
        record = site.lives.begun_anew(name)
        needs = site.contents.manifest(record).needs
        site.nodes.take(name, service=record.service, node_id=record.node_id, needs=needs)
    site.isolation.forget(name)
    site.keeper.begin(name, partial(boot, site, name))
