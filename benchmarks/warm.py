"""This file knows what a warm instance takes, and how soon it serves: real processes, no platform.

    python benchmarks/warm.py [--cycles 200]

A program of 100 MiB is held and woken again and again, in each way this machine allows: frozen by
control group and by signals, and minimal, where three of its four workers are ended. Timed is from
before the first instruction of waking to the end of the first answer on a new connection.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cases.running import Running, pause, running, until
from foretide.platforms.local.census import resident_mib, usage
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.manifest import Minimal, Needs
from foretide.platforms.local.process import signal_group
from foretide.platforms.local.warm import WarmState, warm_state

_NEEDS = Needs(cpu_cores=1, memory_mib=128)
_MINIMAL = Minimal(shrink_signal="USR1", grow_signal="USR2")
_HELD_S = 0.05  # between two wakings
_IDLE_S = 10.0  # over which a warm instance's processor time is counted


def _asked(app: Running, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", app.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _woken_ms(app: Running, state: WarmState, *, cycles: int) -> tuple[list[float], list[float]]:
    woken, full = list[float](), list[float]()
    for _ in range(cycles):
        state.hold(app.instance_id, app.who)
        pause(_HELD_S)
        begun_s = time.perf_counter()
        state.grow(app.instance_id, app.who)
        if _asked(app, "/") != 200:
            raise SystemExit("the woken program did not answer well")
        woken.append((time.perf_counter() - begun_s) * 1000)
        while _asked(app, "/full") != 200:
            pause(0.002)
        full.append((time.perf_counter() - begun_s) * 1000)
    return woken, full


def _row(name: str, values_ms: Sequence[float]) -> None:
    p50, p90, p99 = np.percentile(values_ms, [50, 90, 99])
    print(f"{name:<44}{p50:8.2f}{p90:8.2f}{p99:8.2f}{max(values_ms):8.2f}")


def _measure(folder: Path, name: str, isolation: Isolation, *, cycles: int) -> None:
    kind = "minimal" if name.startswith("minimal") else "frozen"
    workers = 4 if kind == "minimal" else 1
    state = warm_state("minimal" if kind == "minimal" else "frozen", _MINIMAL, isolation)
    limits = isolation.limits("web-1", _NEEDS)
    with running(folder, workers=workers, memory_mib=100 // workers, limits=limits) as app:
        serving_mib = resident_mib(app.who)
        woken, full = _woken_ms(app, state, cycles=cycles)
        state.hold("web-1", app.who)
        until(lambda: usage(app.who).process_count <= 2)  # none is on its way out any more
        warm_mib, before_s = resident_mib(app.who), usage(app.who).cpu_s
        pause(_IDLE_S)
        cpu_fraction = (usage(app.who).cpu_s - before_s) / _IDLE_S
    _row(f"{name}: to the first answer, ms", woken)
    if workers > 1:
        _row(f"{name}: to full throughput, ms", full)
    print(
        f"{name}: {warm_mib:.1f} of {serving_mib:.1f} MiB while warm "
        f"({warm_mib / serving_mib:.0%}), {cpu_fraction:.2%} of a core"
    )


def _cold(folder: Path, *, cycles: int) -> None:
    took = list[float]()
    for _ in range(cycles):
        begun_s = time.perf_counter()
        with running(folder, memory_mib=100, is_awaited=False) as app:
            until(lambda app=app: app.is_well("/ready"))
            took.append((time.perf_counter() - begun_s) * 1000)
            signal_group(app.who, signal.SIGKILL)
    _row("cold: to ready, ms", took)


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--cycles", type=int, default=200)
    cycles: int = ask.parse_args().cycles
    print(f"{platform.release()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'':<44}{'p50':>8}{'p90':>8}{'p99':>8}{'most':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _cold(folder, cycles=max(cycles // 10, 1))
        grouped = Isolation(f"bench-{uuid4().hex[:12]}")
        try:
            for way, isolation in (
                ("by groups", grouped),
                ("by signals", Isolation("r", trees={})),
            ):
                for kind in ("frozen", "minimal"):
                    _measure(folder, f"{kind} {way}", isolation, cycles=cycles)
        finally:
            grouped.clean()


if __name__ == "__main__":
    main()
