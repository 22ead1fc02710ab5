"""The nodes of a made world: contents come at the pace of shared links, faults befall nodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from foretide.errors import PlatformUnavailableError
from foretide.model.fleet import InstanceState, Node
from foretide.model.placement import MBIT_PER_MIB, Size
from foretide.model.plan import Drain, Launch, Park, Terminate
from foretide.platforms.base import Outcome, Receipt
from foretide.simulate.faults import Contention, Faults, NodeLosses, Partitions
from foretide.simulate.ground import SIX_NODES, Terrain
from foretide.simulate.world import SimulatedPlatform

START = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState
MIB = 100 / MBIT_PER_MIB  # what 100 Mbit/s carry in a second


def terrain(*, seconds: float = 90, steady_mbps: float = 0.0, count: int = 1) -> Terrain:
    nodes = tuple(
        Node(node_id=f"n{i}", cpu_cores=4, memory_mib=4096, link_mbps=100) for i in range(count)
    )
    needs = Size(cpu_cores=1, memory_mib=100, steady_mbps=steady_mbps)
    return Terrain(nodes=nodes, needs=needs, content_mib=seconds * MIB)


def world(
    ground: Terrain | None, *, serving: int = 0, faults: Faults | None = None
) -> SimulatedPlatform:
    return SimulatedPlatform(
        "web", start=START, boot_s=60, serving_count=serving, terrain=ground,
        faults=faults or Faults(),
    )  # fmt: skip


def launch(
    made: SimulatedPlatform, name: str, version: str = "v1", node: str | None = None
) -> Receipt:
    return made.apply(
        Launch(
            action_id=f"launch-{name}", service="web", instance_id=name, version=version,
            node_id=node,
        )
    )  # fmt: skip


def states(made: SimulatedPlatform) -> dict[str, InstanceState]:
    return {i.instance_id: i.state for i in made.observe("web").instances}


def ready_after_s(made: SimulatedPlatform, *names: str, most_s: int = 900) -> list[int]:
    found = dict[str, int]()
    for second in range(1, most_s + 1):
        made.advance(START + timedelta(seconds=second))
        for name in names:
            if states(made).get(name) is S.SERVING:
                found.setdefault(name, second)
    return [found[name] for name in names]


def test_a_boot_begins_when_the_content_is_there() -> None:
    made = world(terrain(seconds=90))
    launch(made, "a")
    assert ready_after_s(made, "a") == [150]


def test_whoever_needs_the_same_content_waits_for_the_same_transfer() -> None:
    made = world(terrain(seconds=90))
    launch(made, "a")
    launch(made, "b")
    assert ready_after_s(made, "a", "b") == [150, 150]
    launch(made, "c")
    made.advance(START + timedelta(seconds=960))
    assert states(made)["c"] is S.SERVING


def test_two_contents_share_the_link_and_take_twice_as_long() -> None:
    made = world(terrain(seconds=90))
    launch(made, "a", "v1")
    launch(made, "b", "v2")
    assert ready_after_s(made, "a", "b") == [240, 240]


def test_a_transfer_that_ends_leaves_the_link_to_the_other() -> None:
    made = world(terrain(seconds=100))
    launch(made, "a", "v1")
    made.advance(START + timedelta(seconds=50))
    launch(made, "b", "v2")
    # 50 alone, then 100 by halves, then 50 alone again
    made.advance(START + timedelta(seconds=209))
    assert states(made) == {"a": S.BOOTING, "b": S.BOOTING}
    made.advance(START + timedelta(seconds=210))
    assert states(made) == {"a": S.SERVING, "b": S.BOOTING}
    made.advance(START + timedelta(seconds=259))
    assert states(made)["b"] is S.BOOTING
    made.advance(START + timedelta(seconds=260))
    assert states(made)["b"] is S.SERVING


def test_however_time_is_cut_the_transfer_takes_as_long() -> None:
    one, other = world(terrain(seconds=90)), world(terrain(seconds=90))
    for made in (one, other):
        launch(made, "a")
    for second in (7, 13.5, 61, 88, 120, 149, 150):
        one.advance(START + timedelta(seconds=second))
    other.advance(START + timedelta(seconds=150))
    assert states(one) == states(other) == {"a": S.SERVING}


def test_what_instances_carry_is_not_free_to_fetch_over() -> None:
    made = world(terrain(seconds=90, steady_mbps=25), serving=2)
    launch(made, "a", "v2")
    # two serve and the third is promised its own: a quarter is left
    assert ready_after_s(made, "a") == [90 * 4 + 60]
    made.advance(START + timedelta(seconds=960))
    (use,) = made.link_use()
    assert use.values[:6].tolist() == pytest.approx([1] * 6, abs=1e-3)
    assert use.values[8:].tolist() == pytest.approx([0.75] * 8, abs=1e-3)


def test_a_launch_that_is_called_off_leaves_the_link() -> None:
    made = world(terrain(seconds=90))
    launch(made, "a", "v1")
    launch(made, "b", "v2")
    made.apply(Terminate(action_id="t", service="web", instance_id="b"))
    assert ready_after_s(made, "a") == [150]


def test_a_full_node_refuses_and_tells_the_numbers() -> None:
    made = world(terrain())
    for name in "abcd":
        assert launch(made, name).outcome is Outcome.ACCEPTED
    full: Receipt = launch(made, "e")
    assert full.outcome is Outcome.REFUSED
    assert "n0 0 of 1 cores free" in full.detail
    named = launch(made, "f", node="n0")
    assert (named.outcome, named.detail) == (Outcome.REFUSED, "n0 has 0 of 1 cores free")
    assert launch(made, "g", node="n9").detail == "no node n9"
    made.apply(Terminate(action_id="t", service="web", instance_id="a"))
    assert launch(made, "h", node="n0").outcome is Outcome.ACCEPTED


def test_a_lost_node_takes_all_with_it_and_comes_back_empty() -> None:
    faults = Faults(seed=3, node_losses=NodeLosses(per_node_day=24, mean_s=600))
    made = world(terrain(count=2), serving=4, faults=faults)
    was = {i.instance_id: i.node_id for i in made.actual().instances}
    minute = 0
    while len(made.rooms("web", "v1").nodes) == 2:
        minute += 1
        made.advance(START + timedelta(minutes=minute))
    (left,) = made.rooms("web", "v1").nodes
    assert {i.node_id for i in made.actual().instances} == {left.node_id}
    assert set(states(made)) == {name for name, node in was.items() if node == left.node_id}
    assert launch(made, "x", node="n1" if left.node_id == "n0" else "n0").outcome is Outcome.REFUSED
    while len(made.rooms("web", "v1").nodes) < 2:
        minute += 1
        made.advance(START + timedelta(minutes=minute))
    back = {room.node_id: room for room in made.rooms("web", "v1").nodes}
    lost = next(name for name in back if name != left.node_id)
    assert (back[lost].fetch_mib, back[lost].free_cpu_cores) == (pytest.approx(90 * MIB), 4)


def test_a_node_that_is_cut_off_runs_on_and_is_told_of_again() -> None:
    faults = Faults(seed=1, partitions=Partitions(per_node_day=24, mean_s=600))
    made = world(terrain(count=2), serving=4, faults=faults)
    was = made.actual().instances
    minute = 0
    while len(made.observe("web").instances) == 4:
        minute += 1
        made.advance(START + timedelta(minutes=minute))
    assert made.actual().instances == was
    seen = {i.instance_id for i in made.observe("web").instances}
    hidden = next(i.instance_id for i in was if i.instance_id not in seen)
    drain = Drain(action_id="d", service="web", instance_id=hidden)
    with pytest.raises(PlatformUnavailableError, match="cannot be reached"):
        made.apply(drain)
    near = min(seen)
    park = Park(action_id="p", service="web", instance_id=near)
    assert made.apply(park).outcome is Outcome.ACCEPTED
    while len(made.observe("web").instances) < 4:
        minute += 1
        made.advance(START + timedelta(minutes=minute))
    assert states(made)[hidden] is S.SERVING
    assert made.apply(drain).outcome is Outcome.ACCEPTED
    assert [i.instance_id for i in made.observe("web").instances] == [
        i.instance_id for i in was if i.instance_id != hidden
    ]


def test_others_on_the_link_make_a_boot_late_and_are_seen() -> None:
    faults = Faults(contention=Contention(per_node_day=1000, mean_s=86_400, fraction=0.9))
    made = world(terrain(seconds=30), faults=faults)
    for minute in range(10):
        made.advance(START + timedelta(minutes=minute))
    assert made.rooms("web", "v1").nodes[0].used_fraction == 0.9
    begun = START + timedelta(minutes=9)
    launch(made, "a")
    made.advance(begun + timedelta(seconds=359))
    assert states(made) == {"a": S.BOOTING}
    made.advance(begun + timedelta(seconds=360))
    assert states(made) == {"a": S.SERVING}
    (use,) = made.link_use()
    assert use.values[9:14].tolist() == pytest.approx([1.0] * 5, abs=1e-3)


def test_a_world_whose_faults_befall_nodes_has_some() -> None:
    assert not world(None).has_nodes
    with pytest.raises(PlatformUnavailableError, match="knows no nodes"):
        world(None).rooms("web", "v1")
    assert world(None).link_use() == ()
    made = world(None, faults=Faults(partitions=Partitions()))
    assert [room.node_id for room in made.rooms("web", "v1").nodes] == [
        node.node_id for node in SIX_NODES.nodes
    ]
    domains = {room.failure_domain for room in made.rooms("web", "v1").nodes}
    assert len(domains) == 3


def test_the_same_seed_is_the_same_bad_luck_on_nodes() -> None:
    def luck(seed: int) -> list[int]:
        faults = Faults(
            seed=seed, node_losses=NodeLosses(per_node_day=5), partitions=Partitions(per_node_day=5)
        )
        made = world(None, serving=12, faults=faults)
        seen = list[int]()
        for minute in range(600):
            made.advance(START + timedelta(minutes=minute))
            seen.append(len(made.observe("web").instances))
        return seen

    assert luck(1) == luck(1) != luck(2)
