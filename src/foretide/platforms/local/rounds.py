"""This file knows what is looked after once a second, of no single instance."""

from __future__ import annotations

import asyncio
from pathlib import Path

from foretide.errors import PlatformError
from foretide.platforms.local.log import earlier, shortened
from foretide.platforms.local.site import Site

_EVERY_S = 1.0
_LOGS_EVERY_COUNT = 10
_GONE_KEPT_COUNT = 200


async def rounds(site: Site) -> None:
    """Note how the nodes' links are used, and keep logs small, for as long as it is let."""
    count = 0
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            site.nodes.sample()
        except PlatformError as error:
            site.notes.add(str(error))
        count += 1
        if count % _LOGS_EVERY_COUNT == 0:
            with site.lives.lock:
                living = frozenset(record.instance_id for record in site.lives.all())
            await asyncio.to_thread(_tidy_logs, site.root.path / "logs", living)


def _tidy_logs(folder: Path, living: frozenset[str]) -> None:
    """Keep logs small, and of the instances that are gone only the latest."""
    paths = list(folder.glob("*.log"))
    for path in paths:
        shortened(path)
    gone = [path for path in paths if path.stem not in living]
    for path in sorted(gone, key=_written_at)[:-_GONE_KEPT_COUNT]:
        path.unlink(missing_ok=True)
        earlier(path).unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
