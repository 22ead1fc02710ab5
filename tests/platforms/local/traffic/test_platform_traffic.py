"""The embedded platform behind a real HAProxy: what it does to instances, no request notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases.local import act, launch, local_platform, process_of, settled, states, until
from cases.traffic import Load, asked
from foretide.control.clock import WallClock
from foretide.model.fleet import InstanceState
from foretide.model.plan import Drain, Park, Promote
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.base import Listen
from foretide.platforms.local.traffic.choose import traffic_for

S = InstanceState
TESTS = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.usefixtures("needs_haproxy")
def test_parks_promotes_launches_and_drains_lose_no_request(
    tmp_path: Path, port: int, loading: Callable[..., Load]
) -> None:
    listen = Listen(port=port, instances_max=4)
    traffic = traffic_for(tmp_path / "root", {"web": listen}, clock=WallClock(), is_bound=True)
    platform = local_platform(tmp_path, traffic=traffic, is_bound=True)
    try:
        for name in ("a", "b", "c"):
            platform.apply(launch(name))
        settled(platform)
        names = ["a", "b", "c"]
        load = loading(port, rps=100, seconds=6)
        for cycle in range(8):
            oldest, parked, new = names[0], names[1], f"n{cycle}"
            platform.apply(act(Park, parked, f"-{cycle}"))
            until(lambda parked=parked: states(platform)[parked] is S.WARM)
            platform.apply(act(Promote, parked, f"-{cycle}"))
            platform.apply(launch(new))
            settled(platform)
            platform.apply(act(Drain, oldest))
            names = [*names[1:], new]
            settled(platform)
        assert load.is_on(), "the load was over before the cycles were"
        answered = load.answered()
        assert answered.failures == {}
        assert answered.answered == 600
        assert set(states(platform)) == set(names)
        assert {asked(port) for _ in range(9)} == set(names)
    finally:
        platform.down()


@pytest.mark.usefixtures("needs_haproxy")
def test_a_crash_of_an_instance_is_noticed_and_no_request_is_lost(
    tmp_path: Path, port: int, loading: Callable[..., Load]
) -> None:
    traffic = traffic_for(tmp_path / "root", {"web": Listen(port=port)}, clock=WallClock())
    platform = local_platform(tmp_path, traffic=traffic, is_bound=True)
    try:
        for name in ("a", "b"):
            platform.apply(launch(name))
        settled(platform)
        load = loading(port, rps=100, seconds=2)
        until(lambda: (found := traffic.counted("web")) is not None and found.request_count > 20)
        os.kill(process_of(platform, "a"), signal.SIGKILL)
        until(lambda: set(states(platform)) == {"b"})
        assert load.answered().failures == {}
        assert {asked(port) for _ in range(4)} == {"b"}
    finally:
        platform.down()


_OPENS = """
import sys
from pathlib import Path
from cases.local import launch, settled
from foretide.control.clock import WallClock
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.base import Listen
from foretide.platforms.local.traffic.choose import traffic_for
root, port, clock = Path(sys.argv[1]), int(sys.argv[2]), WallClock()
traffic = traffic_for(root, {"web": Listen(port=port)}, clock=clock)
services = {"web": LocalService(service="web")}
platform = LocalPlatform(root, services=services, traffic=traffic, clock=clock)
for name in ("a", "b"):
    platform.apply(launch(name))
settled(platform)
print("serves", flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("needs_haproxy")
def test_a_control_plane_that_is_killed_and_comes_back_loses_no_request(
    tmp_path: Path, port: int, loading: Callable[..., Load]
) -> None:
    local_platform(tmp_path).close()  # installs the package
    root = tmp_path / "root"
    opener = subprocess.Popen(
        [sys.executable, "-c", _OPENS, str(root), str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    try:
        assert opener.stdout is not None
        assert opener.stdout.readline() == b"serves\n"
        load = loading(port, rps=100, seconds=3)
        until(lambda: asked(port) in {"a", "b"})
    finally:
        opener.kill()
        opener.communicate()
    traffic = traffic_for(root, {"web": Listen(port=port)}, clock=WallClock())
    services = {"web": LocalService(service="web")}
    platform = LocalPlatform(root, services=services, traffic=traffic, clock=WallClock())
    try:
        platform.apply(act(Park, "a"))
        until(lambda: states(platform) == {"a": S.WARM, "b": S.SERVING})
        assert load.answered().failures == {}
        assert {asked(port) for _ in range(4)} == {"b"}
        counted = traffic.counted("web")
        assert counted is not None
        assert counted.request_count > 300, "the proxy was started anew"
    finally:
        platform.down()
