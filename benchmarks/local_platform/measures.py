"""What is measured of the embedded platform, one function for each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from select import select
from socket import create_connection, socket
from typing import Literal

import msgspec
import numpy as np
from local_platform.program import PROGRAM, Measured, command, measured, until

from foretide.model.fleet import InstanceState
from foretide.platforms.local.census import resident_mib, usage

_PROMOTE_COUNT, _MINIMAL_COUNT, _COLD_COUNT = 300, 60, 25
_SUPERVISED_COUNT, _WATCHED_S, _WARM_S = 200, 30.0, 20.0
_S = InstanceState


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number.

    Parameters
    ----------
    key : str
        What the targets call it.
    value : float
    spread : str
        How it varied, or what it rests on.
    """

    key: str
    value: float
    spread: str = ""


def promotes(warm: Literal["frozen", "minimal"]) -> list[Figure]:
    """Return how long a promote of a process of 100 MiB takes, and until it has answered."""
    is_frozen = warm == "frozen"
    options: dict[str, float] = {"memory_mib": 100} if is_frozen else {"workers": 4}
    if not is_frozen:
        options["memory_mib"] = 25  # each of four workers
    took_s, answered_s = list[float](), list[float]()
    with measured(warm=warm, **options) as made:
        made.launch("a", is_warm=True)
        made.until(_S.WARM)
        for _ in range(_PROMOTE_COUNT if is_frozen else _MINIMAL_COUNT):
            begun_s = time.perf_counter()
            took_s.append(made.promote("a"))
            made.ask("a")
            answered_s.append(time.perf_counter() - begun_s)
            # told by the platform itself, which asks now and then
            until(lambda: made.platform.lead_times("web").full_count >= min(len(took_s), 200))
            made.park("a")
        told = made.platform.lead_times("web")
    found = [
        *_quantiles(f"promote/{warm}", took_s, (0.5, 0.99)),
        *_quantiles(f"answered/{warm}", answered_s, (0.5, 0.99)),
    ]
    if told.full_p50_s is not None and told.full_p90_s is not None:
        spread = f"p90 {told.full_p90_s * 1e3:.1f} ms, {told.full_count} times"
        found.append(Figure(key=f"full/{warm}", value=told.full_p50_s * 1e3, spread=spread))
    return found


def cold() -> list[Figure]:
    """Return how much later an instance serves than the same program started by hand answers."""
    by_hand, launched = list[float](), list[float]()
    with measured(start_s=0.5) as made:
        for number in range(_COLD_COUNT):
            by_hand.append(_started_by_hand())
            begun_s = time.perf_counter()
            made.launch(f"a{number}")
            made.until(_S.SERVING, count=number + 1)
            launched.append(time.perf_counter() - begun_s)
    over_ms = (np.median(launched) - np.median(by_hand)) * 1e3
    spread = f"{np.median(launched) * 1e3:.0f} ms against {np.median(by_hand) * 1e3:.0f} ms"
    return [Figure(key="cold", value=float(over_ms), spread=f"{spread}, {_COLD_COUNT} of each")]


def supervision() -> list[Figure]:
    """Return what watching two hundred serving instances costs."""
    with measured(needs_mib=16) as made:
        before_mib = _own_mib()
        for number in range(_SUPERVISED_COUNT):
            made.launch(f"a{number}")
        made.until(_S.SERVING, count=_SUPERVISED_COUNT)
        select([], [], [], 5)  # what is still warming up
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        while time.perf_counter() - begun_s < _WATCHED_S:
            made.platform.observe("web")
            select([], [], [], 1)
        share = (time.process_time() - cpu_s) / (time.perf_counter() - begun_s)
        if made.platform.observe("web").count(_S.SERVING) < _SUPERVISED_COUNT:
            raise AssertionError("an instance was lost meanwhile")
        grown_mib = _own_mib() - before_mib
    return [
        Figure(key="supervise", value=100 * share, spread=f"over {_WATCHED_S:.0f} s"),
        Figure(key="supervise/memory", value=grown_mib, spread="all 200 together"),
    ]


def shrunk() -> list[Figure]:
    """Return what a warm instance in minimal state takes of what a serving one takes."""
    with measured(warm="minimal", workers=4, memory_mib=25) as made:
        made.launch("a")
        made.until(_S.SERVING)
        _wait_until_full(made)
        who = made.identity("a")
        serving_mib = resident_mib(who)
        made.park("a")
        until(lambda: usage(who).process_count == 2)
        select([], [], [], 1)
        warm_mib = resident_mib(who)
        before_s = usage(who).cpu_s
        select([], [], [], _WARM_S)
        cpu = 100 * (usage(who).cpu_s - before_s) / _WARM_S
    spread = f"{warm_mib:.0f} of {serving_mib:.0f} MiB"
    return [
        Figure(key="warm/memory", value=100 * warm_mib / serving_mib, spread=spread),
        Figure(key="warm/cpu", value=cpu, spread=f"over {_WARM_S:.0f} s, by ticks of 10 ms"),
    ]


def _wait_until_full(made: Measured) -> None:
    def is_full() -> bool:
        try:
            made.ask("a", "/full")
        except OSError:
            return False
        return True

    until(is_full)


def _started_by_hand() -> float:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = [word.replace("{folder}", str(PROGRAM.parent)) for word in command(port, start_s=0.5)]
    begun_s = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as started:
        until(lambda: _answers(port), every_s=0.004)
        took_s = time.perf_counter() - begun_s
        started.kill()
    return took_s


def _answers(port: int) -> bool:
    try:
        with create_connection(("127.0.0.1", port), timeout=1) as asked:
            asked.sendall(b"GET /ready HTTP/1.1\r\nConnection: close\r\n\r\n")
            return b" 200 " in asked.recv(100)
    except OSError:
        return False


def _quantiles(key: str, took_s: Sequence[float], levels: Sequence[float]) -> list[Figure]:
    low, high = np.quantile(took_s, (0.1, 0.9)) * 1e3
    spread = f"p10 {low:.2f}, p90 {high:.2f} ms, {len(took_s)} times"
    return [
        Figure(
            key=f"{key}/p{100 * level:g}",
            value=float(np.quantile(took_s, level)) * 1e3,
            spread=spread,
        )
        for level in levels
    ]


def _own_mib() -> float:
    told = Path("/proc/self/smaps_rollup").read_bytes()
    return int(told.partition(b"\nPss:")[2].split(maxsplit=1)[0]) / 1024
