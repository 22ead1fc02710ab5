"""An instance goes where it serves soonest, spread and cheap, and never where there is no room."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.model.placement import NodeRoom, Placement, Rooms, Size
from foretide.model.plan import Branch, Decision, Launch, Plan, Promote, Reason, Refusal
from foretide.plan.place import lack, place, placed, taken

SIZE = Size(cpu_cores=1, memory_mib=512, steady_mbps=10, boot_s=10)
_amounts = st.floats(0, 64, allow_nan=False)
_shares = st.floats(0, 1, allow_nan=False)
_counts = st.integers(0, 3)


@st.composite
def _rooms(draw: st.DrawFn) -> list[NodeRoom]:
    count = draw(st.integers(1, 6))
    return [
        NodeRoom(
            node_id=f"n{i}",
            failure_domain=draw(st.sampled_from(["a", "b", "c"])),
            free_cpu_cores=draw(_amounts),
            free_memory_mib=draw(_amounts) * 64,
            link_mbps=draw(st.sampled_from([10.0, 100.0, 1000.0])),
            used_fraction=draw(_shares),
            promised_fraction=draw(_shares),
            fetch_mib=draw(st.sampled_from([0.0, 1.0, 100.0])),
            domain_count=draw(_counts),
            node_count=draw(_counts),
            price_usd_per_hour=draw(st.sampled_from([0.0, 0.1, 0.2])),
        )
        for i in range(count)
    ]


_sizes = st.builds(
    Size,
    cpu_cores=_amounts,
    memory_mib=_amounts.map(lambda amount: amount * 64),
    steady_mbps=st.sampled_from([0.0, 5.0, 50.0]),
    boot_s=st.sampled_from([0.0, 2.5, 300.0]),
)


def _chosen(rooms: list[NodeRoom], size: Size) -> str | None:
    found = place(rooms, size)
    return found.node_id if isinstance(found, Placement) else None


@settings(max_examples=500)
@given(_rooms().flatmap(lambda rooms: st.tuples(st.just(rooms), st.permutations(rooms))), _sizes)
def test_the_order_of_the_nodes_decides_nothing(
    orders: tuple[list[NodeRoom], list[NodeRoom]], size: Size
) -> None:
    rooms, other = orders
    assert place(rooms, size) == place(rooms, size) == place(other, size)


@settings(max_examples=500)
@given(_rooms(), _sizes)
def test_an_instance_fits_where_it_goes_and_a_refusal_names_every_node(
    rooms: list[NodeRoom], size: Size
) -> None:
    found = place(rooms, size)
    if isinstance(found, Refusal):
        assert all(lack(room, size) for room in rooms)
        assert all(f"{room.node_id} {lack(room, size)}" in found.reason for room in rooms)
        assert found.fix
        return
    (at,) = (room for room in rooms if room.node_id == found.node_id)
    assert at.free_cpu_cores >= size.cpu_cores
    assert at.free_memory_mib >= size.memory_mib
    assert at.free_mbps >= size.steady_mbps
    assert found.serve_s >= found.transfer_s >= 0


@settings(max_examples=500)
@given(_rooms(), _sizes, _amounts, _amounts, _shares, _shares)
def test_more_of_everything_is_never_refused_where_less_is_accepted(
    rooms: list[NodeRoom], size: Size, cores: float, mib: float, less_used: float, less_fetch: float
) -> None:
    for room in rooms:
        more = msgspec.structs.replace(
            room,
            free_cpu_cores=room.free_cpu_cores + cores,
            free_memory_mib=room.free_memory_mib + mib,
            used_fraction=room.used_fraction * less_used,
            promised_fraction=room.promised_fraction * less_used,
            fetch_mib=room.fetch_mib * less_fetch,
        )
        assert not lack(more, size) or lack(room, size)


@settings(max_examples=500)
@given(_rooms(), _sizes, _shares, st.integers(0, 5))
def test_a_busier_link_never_makes_a_node_preferred(
    rooms: list[NodeRoom], size: Size, share: float, which: int
) -> None:
    at = which % len(rooms)
    busier = rooms[at].used_fraction + share * (1 - rooms[at].used_fraction)
    after = list(rooms)
    after[at] = msgspec.structs.replace(rooms[at], used_fraction=min(1.0, busier))
    if _chosen(rooms, size) != rooms[at].node_id:
        assert _chosen(after, size) != rooms[at].node_id


@settings(max_examples=500)
@given(_rooms(), _sizes)
def test_a_full_house_never_holds_more_than_it_can(rooms: list[NodeRoom], size: Size) -> None:
    left, before = Rooms(size=size, nodes=tuple(rooms)), {r.node_id: r for r in rooms}
    for _ in range(40):
        found = place(left.nodes, size)
        if isinstance(found, Refusal):
            break
        left = taken(left, found.node_id)
    for room in left.nodes:
        was = before[room.node_id]
        if room.node_count > was.node_count:
            assert room.free_cpu_cores >= -1e-6
            assert room.free_memory_mib >= -1e-6
            assert room.promised_fraction <= max(1 + 1e-9, was.promised_fraction)
    for domain in {room.failure_domain for room in rooms}:
        inside = [room for room in left.nodes if room.failure_domain == domain]
        added = sum(room.node_count - before[room.node_id].node_count for room in inside)
        assert all(r.domain_count - before[r.node_id].domain_count == added for r in inside)


def room(name: str, **changes: object) -> NodeRoom:
    plain = NodeRoom(node_id=name, free_cpu_cores=8, free_memory_mib=8192, link_mbps=100)
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.parametrize(
    ("rooms", "expected"),
    [
        ([room("b"), room("a")], "a"),  # nothing tells them apart but the name
        ([room("a", fetch_mib=50), room("b")], "b"),  # cached content takes no time
        ([room("a", fetch_mib=50, used_fraction=0.8), room("b", fetch_mib=50)], "b"),
        ([room("a", price_usd_per_hour=0.2), room("b", price_usd_per_hour=0.1)], "b"),
        ([room("a", node_count=1), room("b")], "b"),
        ([room("a", domain_count=1), room("b", failure_domain="z", fetch_mib=50)], "b"),
        # 160 MiB over 100 Mbit/s take 13 s: over twice as late, spread or not
        ([room("a", domain_count=1), room("b", failure_domain="z", fetch_mib=160)], "a"),
        # a tenth sooner is worth any price; as soon as the other is not
        ([room("a", price_usd_per_hour=9), room("b", fetch_mib=50)], "a"),
        ([room("a", price_usd_per_hour=9), room("b", fetch_mib=0.5)], "b"),
    ],
)
def test_what_decides_in_which_order(rooms: list[NodeRoom], expected: str) -> None:
    assert _chosen(rooms, SIZE) == expected


@pytest.mark.parametrize(("fetch_mib", "expected"), [(40, "b"), (80, "a")])
def test_a_quick_boot_is_spread_for_seconds_and_not_for_more(
    fetch_mib: float, expected: str
) -> None:
    quick = msgspec.structs.replace(SIZE, boot_s=0.0)
    there, far = (
        room("a", domain_count=1),
        room("b", failure_domain="z", fetch_mib=fetch_mib),
    )
    assert _chosen([there, far], quick) == expected


def test_the_time_is_what_must_be_fetched_over_what_is_free_and_the_boot() -> None:
    found = place([room("a", fetch_mib=100, used_fraction=0.5, promised_fraction=0.2)], SIZE)
    assert isinstance(found, Placement)
    assert found.transfer_s == pytest.approx(100 * 8 * 2**20 / 50e6)
    assert found.serve_s == pytest.approx(found.transfer_s + 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"free_cpu_cores": 0.25}, "a 0.25 of 1 cores free"),
        ({"free_memory_mib": 100}, "a 100 of 512 MiB free"),
        ({"free_memory_mib": -100}, "a 0 of 512 MiB free"),
        ({"used_fraction": 0.95}, "a 5 of 10 Mbit/s free"),
        ({"promised_fraction": 0.95}, "a 5 of 10 Mbit/s free"),
        ({"promised_fraction": 1.5}, "a 0 of 10 Mbit/s free"),
    ],
)
def test_a_refusal_tells_the_numbers(changes: dict[str, float], said: str) -> None:
    found = place([room("a", **changes)], SIZE)
    assert isinstance(found, Refusal)
    assert said in found.reason


def test_without_bandwidth_nothing_can_be_fetched() -> None:
    size = Size(cpu_cores=1, memory_mib=1)
    found = place([room("a", fetch_mib=2, used_fraction=1)], size)
    assert isinstance(found, Refusal)
    assert "a no bandwidth free to fetch 2 MiB" in found.reason
    assert _chosen([room("a", used_fraction=1)], size) == "a"
    assert isinstance(place([], size), Refusal)


def _launch(name: str, *, is_warm: bool = False) -> Launch:
    return Launch(
        action_id=f"web@0#{name}", service="web", instance_id=name, version="v1", is_warm=is_warm
    )


def _plan(*names: str, promoted: bool = False) -> Plan:
    promote = (Promote(action_id="p", service="web", instance_id="w"),) if promoted else ()
    return Plan(
        service="web", made_at=datetime(2026, 3, 2, tzinfo=UTC), serving_count=5, warm_count=2,
        actions=(*promote, *(_launch(name, is_warm=name == "warm") for name in names)),
        decision=Decision(
            branch=Branch.SCALE_UP, reasons=(Reason.FORECAST_RISES,), forecast_id="",
            curve_version="",
        ),
    )  # fmt: skip


def test_the_launches_of_a_plan_are_spread_one_after_the_other() -> None:
    rooms = Rooms(size=SIZE, nodes=(room("a"), room("b", failure_domain="z")))
    plan, unplaced = placed(_plan("1", "2", "3", "4"), rooms)
    nodes = [action.node_id for action in plan.actions if isinstance(action, Launch)]
    assert nodes == ["a", "b", "a", "b"]
    assert unplaced == ()
    assert plan.decision == _plan().decision


def test_launches_without_a_room_are_taken_out_and_told() -> None:
    rooms = Rooms(size=SIZE, nodes=(room("a", free_cpu_cores=1.5), room("b", used_fraction=1)))
    plan, unplaced = placed(_plan("1", "2", "warm", promoted=True), rooms)
    assert unplaced == ("2", "warm")
    assert [type(action) for action in plan.actions] == [Promote, Launch]
    assert (plan.serving_count, plan.warm_count) == (4, 1)
    assert plan.decision.reasons == (Reason.FORECAST_RISES, Reason.NO_ROOM)
    assert plan.decision.branch is Branch.SCALE_UP
    assert plan.decision.lacking == "a 0.5 of 1 cores free; 1 more"
    none, _ = placed(_plan("1", promoted=True), Rooms(size=SIZE, nodes=()))
    assert none.decision.branch is Branch.PROMOTE
    held, _ = placed(_plan("1"), Rooms(size=SIZE, nodes=()))
    assert (held.decision.branch, held.decision.lacking) == (Branch.HOLD, "no node")
