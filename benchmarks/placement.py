"""Measure placement: a choice among many nodes, a forecast of their links, and real transfers.

$ python benchmarks/placement.py
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from foretide.control.links import expected_use
from foretide.model.demand import Demand
from foretide.model.placement import NodeRoom, Size
from foretide.plan.place import place
from foretide.platforms.local.content import Content
from foretide.platforms.local.package import installed
from foretide.platforms.local.transfer import Link, transferred

START = datetime(2026, 3, 2, tzinfo=UTC)
SIZE = Size(cpu_cores=1, memory_mib=512, steady_mbps=5, boot_s=10)
LINK_MBPS, BULK_MIB = 80.0, 8


def best_s(work: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of several runs in seconds."""
    found = list[float]()
    for _ in range(times):
        begun_s = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun_s)
    return min(found)


def rooms(count: int) -> list[NodeRoom]:
    """Return nodes of several sizes, links and domains."""
    rng = np.random.default_rng(0)
    return [
        NodeRoom(
            node_id=f"n{i}", failure_domain=f"d{i % 7}", free_cpu_cores=float(rng.uniform(0, 8)),
            free_memory_mib=float(rng.uniform(0, 8192)), link_mbps=1000,
            used_fraction=float(rng.random()), fetch_mib=float(rng.choice([0, 200])),
        )
        for i in range(count)
    ]  # fmt: skip


def links(count: int, days: int) -> tuple[Demand, ...]:
    """Return the use of so many links over so many days, a value a minute."""
    minutes = np.arange(days * 1440)
    tide = 0.4 + 0.3 * np.sin(2 * np.pi * minutes / 1440)
    rng = np.random.default_rng(0)
    return tuple(
        Demand(
            series_id=f"n{i}", start=START, step_s=60,
            values=np.clip(tide + 0.05 * rng.standard_normal(len(minutes)), 0, 1),
        )
        for i in range(count)
    )  # fmt: skip


def package(folder: Path) -> Path:
    """Write a package of `BULK_MIB` that is like no other."""
    folder.mkdir()
    (folder / "package.toml").write_text('command = ["sh"]\n', encoding="utf-8")
    (folder / "bulk").write_bytes(os.urandom(BULK_MIB << 20))
    return folder


async def brought(contents: list[Content], into: Path) -> float:
    """Return the seconds until all have come over one link."""
    link = Link(LINK_MBPS)
    return max(await asyncio.gather(*(transferred(one, into, link=link) for one in contents)))


def main() -> None:
    """Print what was measured."""
    for count in (10, 100, 1000):
        nodes = rooms(count)
        took_s = best_s(lambda nodes=nodes: place(nodes, SIZE))
        print(f"a choice among {count:>4} nodes    {took_s * 1e6:8.0f} us")
    uses, at = links(6, 15), START + timedelta(days=15)
    zone = ZoneInfo("UTC")
    took_s = best_s(lambda: expected_use(uses, at, window_s=300, timezone=zone))
    print(f"a forecast of 6 links, 15 days {took_s * 1e3:8.1f} ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents = [installed(folder, package(folder / f"p{i}")) for i in range(2)]
        fair_s = BULK_MIB * 8 * 1.048576 / LINK_MBPS
        for count, told in ((1, "one transfer"), (2, "two at once")):
            took_s = asyncio.run(brought(contents[:count], folder / f"node-{count}"))
            print(f"{told:<14} {took_s:.2f} s, by the link {count * fair_s:.2f} s")
        print(f"lies there     {asyncio.run(brought(contents, folder / 'node-2')):.2f} s")


if __name__ == "__main__":
    main()
