"""Measure what requests notice of a fleet that changes: parks, promotes, launches and drains.

Run by `make bench`, or `python benchmarks/traffic.py`: about a minute. Instances of a small program
are run by the embedded platform behind HAProxy, while a program of its own asks at a constant rate,
whatever the answers. In each cycle one instance is parked and promoted, a new one is launched, and
the oldest is drained. At the same rate on a fleet left alone is measured beside it.
"""

from __future__ import annotations

import argparse
import os
import platform as machine
import select
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cases import packages
from cases.running import free_port
from cases.traffic import Answered, Load
from foretide.control.clock import WallClock
from foretide.model.fleet import InstanceState
from foretide.model.plan import Drain, Launch, Park, Promote
from foretide.platforms.base import Outcome
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.base import Listen, Traffic
from foretide.platforms.local.traffic.choose import haproxy, traffic_for
from foretide.platforms.local.versions import Versions

_SERVICE = "web"
_SERVING_COUNT = 4
_CYCLE_S = 0.8
_CALM_S = 10.0
_S = InstanceState


class _Fleet:
    # A platform, and what is done to it; every action is asked for once.

    def __init__(self, folder: Path, traffic: Traffic) -> None:
        package = packages.package(folder / "package")
        Versions(folder).add(_SERVICE, "v1", installed(folder, package).digest)
        self.platform = LocalPlatform(
            folder, services={_SERVICE: LocalService(service=_SERVICE)}, traffic=traffic,
            clock=WallClock(), is_bound=True,
        )  # fmt: skip
        self._ask_count = 0
        self.names = list[str]()

    def launch(self) -> None:
        name = f"web-{self._next()}"
        self._asked(
            Launch(
                action_id=f"launch-{name}", service=_SERVICE, instance_id=name, version="v1",
                is_warm=False,
            )
        )  # fmt: skip
        self.names.append(name)

    def act(self, verb: type[Park | Promote | Drain], name: str) -> None:
        self._asked(
            verb(action_id=f"{verb.__name__}-{self._next()}", service=_SERVICE, instance_id=name)
        )

    def until(self, is_so: Callable[[dict[str, InstanceState]], bool]) -> None:
        limit_s = time.monotonic() + 20
        while not is_so(self._states()):
            if time.monotonic() > limit_s:
                raise TimeoutError(f"{self.platform.failures(_SERVICE)} {self.platform.notes()}")
            _wait(0.004)

    def _states(self) -> dict[str, InstanceState]:
        return {i.instance_id: i.state for i in self.platform.observe(_SERVICE).instances}

    def _asked(self, action: Launch | Park | Promote | Drain) -> None:
        receipt = self.platform.apply(action)
        if receipt.outcome is not Outcome.ACCEPTED:
            raise RuntimeError(f"{action}: {receipt}")

    def _next(self) -> int:
        self._ask_count += 1
        return self._ask_count


def cycle(fleet: _Fleet) -> float:
    """Park, promote, launch and drain, and return how long it took until a park was done."""
    oldest, parked = fleet.names[0], fleet.names[1]
    begun_s = time.perf_counter()
    fleet.act(Park, parked)
    fleet.until(lambda states: states[parked] is _S.WARM)
    took_s = time.perf_counter() - begun_s
    fleet.act(Promote, parked)
    fleet.launch()
    new = fleet.names[-1]
    fleet.until(lambda states: states.get(new) is _S.SERVING)
    fleet.act(Drain, oldest)
    fleet.names.remove(oldest)
    fleet.until(lambda states: oldest not in states)
    return took_s


def measured(*, rps: float, cycles: int) -> tuple[Answered, Answered, list[float], int]:
    """Return what became of requests to a calm fleet and to one in change, and of the changes."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="foretide-traffic-") as name:
        listen = Listen(port=port, instances_max=2 * _SERVING_COUNT)
        traffic = traffic_for(Path(name), {_SERVICE: listen}, clock=WallClock(), is_bound=True)
        fleet = _Fleet(Path(name), traffic)
        try:
            for _ in range(_SERVING_COUNT):
                fleet.launch()
            fleet.until(lambda states: list(states.values()) == [_S.SERVING] * _SERVING_COUNT)
            calm = Load(port, rps=rps, seconds=_CALM_S).answered()
            changing = Load(port, rps=rps, seconds=min(cycles * _CYCLE_S + 5, 115))
            _wait(1.0)
            begun_s, parks_s = time.monotonic(), list[float]()
            for number in range(cycles):
                parks_s.append(cycle(fleet))
                _wait(max(begun_s + (number + 1) * _CYCLE_S - time.monotonic(), 0))
            if not changing.is_on():
                raise RuntimeError("the load was over before the cycles were: ask for fewer")
            answered = changing.answered()
            counted = traffic.counted(_SERVICE)
            return calm, answered, parks_s, -1 if counted is None else counted.failed_count
        finally:
            fleet.platform.down()


def _wait(seconds: float) -> None:
    select.select([], [], [], seconds)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rps", type=float, default=1000)
    parser.add_argument("--cycles", type=int, default=50)
    chosen = parser.parse_args()
    program, version = haproxy()
    if program is None:
        print(f"nothing measured: {version}")
        return
    calm, changing, parks_s, failed = measured(rps=chosen.rps, cycles=chosen.cycles)
    print(
        f"HAProxy {version}, Python {machine.python_version()}, {os.cpu_count()} cores, "
        f"{_SERVING_COUNT} instances, {chosen.rps:g} requests/s asked for"
    )
    print("| fleet | sent | failed | p50 | p99 | max |\n|---|---|---|---|---|---|")
    for what, told in (("left alone", calm), (f"{chosen.cycles} cycles", changing)):
        print(
            f"| {what} | {told.sent:,} | {told.sent - told.answered} {told.failures or ''} | "
            f"{told.p50_ms:.2f} ms | {told.p99_ms:.1f} ms | {told.max_ms:.0f} ms |"
        )
    print(f"failed as the proxy counts: {failed}; a park took {median(parks_s) * 1e3:.0f} ms (p50)")


if __name__ == "__main__":
    main()
