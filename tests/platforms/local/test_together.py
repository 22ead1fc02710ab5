"""The platform with all its parts: shrunk instances, nodes that fetch, endpoints that are told."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from cases.local import act, launch, local_platform, process_of, running, settled, states, until
from cases.packages import Option
from foretide.control.clock import PacedClock, WallClock
from foretide.model.fleet import InstanceState, Node
from foretide.model.instant import EPOCH
from foretide.model.plan import Drain, Park, Promote
from foretide.platforms.base import Outcome
from foretide.platforms.local.census import usage
from foretide.platforms.local.down import ended
from foretide.platforms.local.identity import identity
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.traffic.endpoint_list import EndpointList

S = InstanceState


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    yield tmp_path
    assert ended(tmp_path / "root") == ()  # each test ends what it began


def test_a_shrunk_one_serves_at_once_and_comes_to_all_its_workers(folder: Path) -> None:
    minimal = '[minimal]\nshrink_signal = "USR1"\ngrow_signal = "USR2"\npath = "/full"\n'
    options: dict[str, Option] = {"workers": 3, "worker_start_s": 0.1}
    with local_platform(
        folder, warm="minimal", versions={"v1": options}, manifest=minimal
    ) as platform:
        platform.apply(launch("a", is_warm=True))
        settled(platform)
        who = identity(process_of(platform, "a"))
        until(lambda: usage(who).process_count == 2)  # the parent and one worker
        assert platform.apply(act(Promote, "a")).outcome is Outcome.ACCEPTED
        assert states(platform) == {"a": S.SERVING}
        until(lambda: platform.lead_times("web").full_count == 1)
        told = platform.lead_times("web")
        assert usage(who).process_count == 4
        assert told.wake_p50_s is not None
        assert told.full_p50_s is not None
        assert told.wake_p50_s < 0.1 < told.full_p50_s
        platform.apply(act(Park, "a"))
        settled(platform)
        until(lambda: usage(who).process_count == 2)
        platform.down()


def test_one_that_cannot_shrink_is_frozen_and_that_is_said_once(folder: Path) -> None:
    with local_platform(folder, warm="minimal", manifest="[ready]\npath = '/ready'\n") as platform:
        platform.apply(launch("a", is_warm=True))
        platform.apply(launch("b", is_warm=True))
        settled(platform)
        said = [note for note in platform.notes() if "[minimal]" in note]
        assert said == [
            (
                'warm instances of web v1 are held "frozen": its package.toml has no [minimal], '
                'which warm = "minimal" needs'
            )
        ]
        platform.apply(act(Promote, "a"))
        assert states(platform) == {"a": S.SERVING, "b": S.WARM}
        platform.down()


def test_a_node_fetches_what_it_has_not_and_is_full_some_time(folder: Path) -> None:
    local_platform(folder).close()
    nodes = [
        Node(node_id=name, cpu_cores=0.2, memory_mib=64, link_mbps=100, failure_domain=name)
        for name in ("left", "right")
    ]
    services = {"web": LocalService(service="web")}
    with LocalPlatform(
        folder / "root", services=services, nodes=nodes, clock=WallClock()
    ) as platform:
        for name in "abcd":
            assert platform.apply(launch(name)).outcome is Outcome.ACCEPTED
        full = platform.apply(launch("e"))
        assert full.outcome is Outcome.REFUSED
        assert full.detail.startswith("no node has room: left 0 of 0.1 cores free; right 0 of 0.1")
        settled(platform)
        where = [i.node_id for i in platform.observe("web").instances]
        assert sorted(map(str, where)) == ["left", "left", "right", "right"]
        assert len(list((folder / "root" / "nodes").glob("*/content/*/serve.py"))) == 2
        platform.apply(act(Drain, "a"))
        settled(platform)
        assert platform.apply(launch("f")).outcome is Outcome.ACCEPTED
        platform.down()


def endpoints(folder: Path) -> list[str]:
    told = json.loads((folder / "root" / "endpoints" / "web.json").read_bytes())
    return [one["instance_id"] for one in told["endpoints"]]


def test_only_serving_ones_are_told_as_endpoints(folder: Path) -> None:
    traffic = EndpointList(folder / "root", clock=WallClock(), grace_s=0.1)
    with local_platform(folder, traffic=traffic) as platform:
        platform.apply(launch("a"))
        platform.apply(launch("b", is_warm=True))
        settled(platform)
        assert endpoints(folder) == ["a"]
        platform.apply(act(Promote, "b"))
        assert sorted(endpoints(folder)) == ["a", "b"]
        platform.apply(act(Park, "a"))
        assert endpoints(folder) == ["b"]  # at once, long before it is parked
        os.kill(process_of(platform, "b"), signal.SIGKILL)
        until(lambda: endpoints(folder) == [])
        settled(platform)
        assert states(platform) == {"a": S.WARM}
        platform.down()


def test_times_are_told_by_the_clock_handed_in(folder: Path) -> None:
    local_platform(folder, versions={"v1": {"start_s": 0.25}}).close()
    clock = PacedClock(EPOCH, 120.0)
    clock.begin()
    services = {"web": LocalService(service="web", env={"X": "1"})}
    with LocalPlatform(folder / "root", services=services, clock=clock) as platform:
        begun_s = time.monotonic()
        platform.apply(launch("a"))
        settled(platform)
        took_s = time.monotonic() - begun_s
        fleet, told = platform.observe("web"), platform.lead_times("web")
        assert fleet.observed_at.year == fleet.instances[0].since.year == 1970
        assert told.boot_p50_s is not None
        assert 120 * 0.25 < told.boot_p50_s <= 120 * took_s
        environ = Path(f"/proc/{process_of(platform, 'a')}/environ").read_bytes()
        assert b"\0X=1\0" in b"\0" + environ
        platform.down()
    assert running(platform) == ()
