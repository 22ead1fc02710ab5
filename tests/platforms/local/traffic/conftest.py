"""What tests of traffic are made of: real instances, real ways to them, and nothing left behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cases.running import Running, free_port, running
from cases.traffic import Load
from foretide.control.clock import WallClock
from foretide.platforms.local.traffic.base import Listen, Traffic
from foretide.platforms.local.traffic.choose import haproxy, traffic_for
from foretide.platforms.local.traffic.ended import ended
from foretide.platforms.local.traffic.endpoint_list import EndpointList


@pytest.fixture
def root() -> Generator[Path]:
    """Make a platform's folder, in which no proxy is left running."""
    folder = Path(tempfile.mkdtemp(prefix="foretide-test-"))
    (folder / "id").write_text("a-test-of-traffic\n")
    yield folder
    ended(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def needs_haproxy() -> None:
    program, why_not = haproxy()
    if program is None:
        pytest.skip(why_not)


Open = Callable[..., Traffic]


@pytest.fixture
def proxied(root: Path, port: int, needs_haproxy: None) -> Generator[Open]:  # noqa: ARG001
    """Open traffic through HAProxy for the service `web`, again and again on the same folder."""
    opened: list[Traffic] = []

    def open_one(*, instances_max: int = 4, is_bound: bool = False, at: int = port) -> Traffic:
        listen = Listen(port=at, instances_max=instances_max)
        opened.append(traffic_for(root, {"web": listen}, clock=WallClock(), is_bound=is_bound))
        return opened[-1]

    yield open_one
    for traffic in opened:
        traffic.close(is_final=True)


@pytest.fixture
def listed(root: Path) -> EndpointList:
    return EndpointList(root, clock=WallClock(), grace_s=0.1)


@pytest.fixture
def instances(tmp_path: Path) -> Generator[Callable[[int], list[Running]]]:
    """Start instances of the small program, named a, b, c ..."""
    with ExitStack() as stack:

        def start(count: int) -> list[Running]:
            return [
                stack.enter_context(running(tmp_path, instance_id="abcdefgh"[number]))
                for number in range(count)
            ]

        yield start


@pytest.fixture
def loading() -> Generator[Callable[..., Load]]:
    """Begin load, which ends with the test."""
    begun: list[Load] = []

    def begin(port: int, *, rps: float, seconds: float) -> Load:
        begun.append(Load(port, rps=rps, seconds=seconds))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()
