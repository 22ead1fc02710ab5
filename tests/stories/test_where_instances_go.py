"""Stories of placement, told as scripts: what the world says, and where instances go."""

from __future__ import annotations

from cases.script import (
    Script,
    fleet,
    forecast,
    lacking,
    launched,
    promoted,
    wait,
    wait_until_seen,
)
from foretide.model.fleet import Node
from foretide.model.placement import MBIT_PER_MIB, Size
from foretide.simulate.faults import Contention, Faults, Partitions
from foretide.simulate.ground import Terrain

NEEDS = Size(cpu_cores=1, memory_mib=100, steady_mbps=1)


def node(name: str, domain: str = "east", *, cores: float = 8, link_mbps: float = 100) -> Node:
    return Node(
        node_id=name, cpu_cores=cores, memory_mib=8192, link_mbps=link_mbps, failure_domain=domain
    )


def on(*nodes: Node, fetch_s: float = 0.0) -> Terrain:
    """Return nodes that fetch a package in so many seconds over 100 Mbit/s."""
    return Terrain(nodes=nodes, needs=NEEDS, content_mib=fetch_s * 100 / MBIT_PER_MIB)


def test_before_a_ramp_the_pool_is_spread_and_is_woken_when_the_ramp_comes() -> None:
    terrain = on(node("a"), node("b", "west"))
    assert (
        Script(terrain, serving=2)
        >> forecast(serving=2, total=6)
        >> wait(1)
        << launched(a=2, b=2)
        >> wait(5)
        << fleet(serving=2, warm=4)
        >> forecast(serving=5, total=6)
        >> wait(1)
        << promoted(3)
        << fleet(serving=5, warm=1)
    )


def test_a_node_that_would_fetch_for_long_waits_until_the_others_are_full() -> None:
    terrain = on(node("a", cores=5), node("slow", "west", link_mbps=5), fetch_s=60)
    assert (
        # both begin with one that runs, so their packages are there: it is the fair split
        Script(terrain, serving=2)
        >> forecast(serving=2, total=4)
        >> wait(1)
        << launched(a=1, slow=1)
        >> wait(6)
        << fleet(serving=2, warm=2)
    )
    # alone on one node, the other has to fetch for twenty minutes: it is spared while there is room
    assert (
        Script(on(node("a", cores=5), node("slow", "west", link_mbps=5), fetch_s=60), serving=1)
        >> forecast(serving=1, total=5)
        >> wait(1)
        << launched(a=4)
        >> wait(6)
        << fleet(serving=1, warm=4)
        >> forecast(serving=1, total=6)
        >> wait(1)
        << launched(slow=1)
        >> wait(20)
        << fleet(serving=1, warm=4, booting=1)
        >> wait(10)
        << fleet(serving=1, warm=5)
    )


def test_where_nothing_fits_it_is_told_and_asked_for_again_when_there_is_room() -> None:
    assert (
        Script(on(node("a", cores=3)), serving=2)
        >> forecast(serving=2, total=5)
        >> wait(1)
        << launched(a=1)
        << lacking("a 0 of 1 cores free")
        >> wait(10)
        << fleet(serving=2, warm=1)
        << launched()
        << lacking("a 0 of 1 cores free")
        >> forecast(serving=1, total=1)
        >> wait(8)
        << fleet(serving=1)
        << lacking("")
    )


def test_a_node_that_cannot_carry_the_instances_own_traffic_is_none() -> None:
    busy = Faults(contention=Contention(per_node_day=1000, mean_s=86_400, fraction=1.0))
    assert (
        Script(on(node("a")), serving=2, faults=busy)
        >> wait(20)
        >> forecast(serving=2, total=3)
        >> wait(1)
        << launched()
        << lacking("a 0 of 1 Mbit/s free")
    )


def test_what_is_cut_off_is_replaced_and_comes_back_once() -> None:
    cut = Faults(seed=11, partitions=Partitions(per_node_day=4, mean_s=1800))
    script = Script(on(node("a"), node("b", "west")), serving=4, faults=cut)
    begun = {one.instance_id for one in script.world.actual().instances}
    assert (
        script
        >> wait_until_seen(fewer=True)
        << fleet(serving=2, booting=2)
        >> wait(6)
        << fleet(serving=4)
    )
    hidden = {one.instance_id for one in script.world.actual().instances}
    assert begun < hidden
    assert len(hidden) == 6
    assert (
        script
        >> wait_until_seen(fewer=False, most_minutes=120)
        >> wait(10)
        << fleet(serving=4)
    )  # fmt: skip
    assert {one.instance_id for one in script.world.actual().instances} < hidden
