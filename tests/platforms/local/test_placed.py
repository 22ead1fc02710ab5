"""Instances of the embedded platform go where their package comes soonest, and really fetch it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import packages
from cases.local import launch, local_platform, settled, states, until
from foretide.control.clock import WallClock
from foretide.control.links import Links
from foretide.errors import InputError
from foretide.model.fleet import InstanceState, Node
from foretide.model.plan import Launch, Terminate
from foretide.plan.place import place
from foretide.platforms.base import Outcome
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.versions import Versions

S = InstanceState
NEEDS = "[ready]\npath = '/ready'\n[needs]\ncpu_cores = 1\nmemory_mib = 50\nsteady_mbps = 5\n"
FAST = Node(
    node_id="fast", cpu_cores=2, memory_mib=500, link_mbps=80, failure_domain="east",
)  # fmt: skip
SLOW = Node(node_id="slow", cpu_cores=2, memory_mib=500, link_mbps=4, failure_domain="west")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[LocalPlatform]:
    package = packages.package(tmp_path / "package", manifest=NEEDS)
    (package / "bulk").write_bytes(os.urandom(4 << 20))
    root = tmp_path / "root"
    Versions(root).add("web", "v1", installed(root, package).digest)
    made = LocalPlatform(
        root, services={"web": LocalService(service="web")}, nodes=(FAST, SLOW),
        clock=WallClock(), is_bound=True,
    )  # fmt: skip
    yield made
    made.down()


def nodes(platform: LocalPlatform) -> dict[str, str | None]:
    return {i.instance_id: i.node_id for i in platform.observe("web").instances}


def test_a_launch_goes_where_the_package_comes_soonest_and_the_transfer_takes_its_time(
    platform: LocalPlatform,
) -> None:
    rooms = platform.rooms("web", "v1")
    assert {room.node_id: round(room.fetch_mib) for room in rooms.nodes} == {"fast": 4, "slow": 4}
    begun = WallClock().now()
    assert platform.apply(launch("a")).outcome is Outcome.ACCEPTED
    settled(platform)
    took_s = (WallClock().now() - begun).total_seconds()
    # 4 MiB over 80 Mbit/s are 0.42 s, over the slow link they would be 8.4 s
    assert 0.4 < took_s < 4
    assert (states(platform), nodes(platform)) == ({"a": S.SERVING}, {"a": "fast"})
    at = {room.node_id: room for room in platform.rooms("web", "v1").nodes}
    assert at["fast"].fetch_mib == 0
    assert (at["fast"].free_cpu_cores, at["fast"].domain_count) == (1, 1)


def test_a_node_without_room_is_refused_with_the_reason(platform: LocalPlatform) -> None:
    named = Launch(action_id="named", service="web", instance_id="s", version="v1", node_id="slow")
    receipt = platform.apply(named)
    assert receipt.outcome is Outcome.REFUSED
    assert "slow has 4 of 5 Mbit/s free" in receipt.detail
    assert [platform.apply(launch(name)).outcome for name in "ab"] == [Outcome.ACCEPTED] * 2
    full = platform.apply(launch("c"))
    assert full.outcome is Outcome.REFUSED
    assert "fast 0 of 1 cores free" in full.detail
    assert "slow 4 of 5 Mbit/s free" in full.detail
    settled(platform)
    assert nodes(platform) == {"a": "fast", "b": "fast"}


def test_what_is_called_off_on_its_way_leaves_nothing_and_frees_its_room(
    platform: LocalPlatform,
) -> None:
    platform.apply(launch("a"))
    aside = platform.root / "nodes" / "fast" / "content"
    until(lambda: list(aside.glob(".*.aside")), what="the transfer")
    platform.apply(Terminate(action_id="t", service="web", instance_id="a"))
    until(lambda: not states(platform), what="its end")
    until(lambda: not list(aside.iterdir()), what="an empty folder")
    room = next(r for r in platform.rooms("web", "v1").nodes if r.node_id == "fast")
    assert (room.free_cpu_cores, room.node_count) == (2, 0)


def test_the_tick_sees_the_links_as_the_platform_measured_them(platform: LocalPlatform) -> None:
    links = Links(platform)
    rooms = links.rooms(WallClock().now(), "web", "v1")
    assert place(rooms.nodes, rooms.size) == place(
        platform.rooms("web", "v1").nodes, platform.rooms("web", "v1").size
    )
    with pytest.raises(InputError, match="version v9 is not installed"):
        links.rooms(WallClock().now(), "web", "v9")


def test_without_nodes_everything_runs_here(tmp_path: Path) -> None:
    made = local_platform(tmp_path, is_bound=True)
    try:
        made.apply(launch("a"))
        settled(made)
        assert nodes(made) == {"a": "here"}
    finally:
        made.down()
