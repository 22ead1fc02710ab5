"""The tick says where launches go, journals what that rests on, and tells where nothing fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from foretide.control.links import Links
from foretide.control.replay import judged
from foretide.control.tick import Beat, Places, tick
from foretide.errors import InputError, PlatformUnavailableError
from foretide.model.fleet import Fleet, Node
from foretide.model.placement import Rooms, Size
from foretide.model.plan import Action, Launch, Plan, Reason
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Receipt
from foretide.simulate.ground import Terrain
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import FileJournal, MemoryJournal, read_journal

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
POLICY = ServicePolicy(
    service="web", version="v1", curve=linear_curve(10), boot_s=300, has_warm_pool=True,
    knob=knob_for_objective(0.001, has_warm_pool=True),
)  # fmt: skip


def terrain(cores: float = 4.0, count: int = 2) -> Terrain:
    nodes = tuple(
        Node(
            node_id=f"n{i}", cpu_cores=cores, memory_mib=4096, link_mbps=100,
            failure_domain=f"d{i}",
        )
        for i in range(count)
    )  # fmt: skip
    return Terrain(nodes=nodes, needs=Size(cpu_cores=1, memory_mib=100), content_mib=10)


class Service:
    """A service in a made world with nodes, told what to expect."""

    def __init__(self, ground: Terrain, *, serving: int = 2) -> None:
        self.world = SimulatedPlatform(
            "web", start=START, boot_s=300, serving_count=serving, terrain=ground
        )
        self.places: Places | None = Links(self.world)
        self.journal = MemoryJournal()
        self.beat, self.now, self.total = Beat(), START, serving
        self.serving = serving

    def recent(self, now: datetime) -> RecentDemand:
        del now
        rps = 8.0 * self.serving
        return RecentDemand(last_rps=rps, previous_rps=rps, age_s=0, step_s=60)

    def need(self, now: datetime) -> Need:
        del now
        return Need(
            forecast_id="told", predicted_rps=8.0 * self.serving, upper_rps=10.0 * self.serving,
            width_fraction=0.1, width_max_fraction=0.3, serving_up=self.serving,
            serving_low=self.serving, total_up=self.total, total_low=self.total,
        )  # fmt: skip

    def wait(self, minutes: int = 1, *, is_acting: bool = True) -> Plan:
        for _ in range(minutes):
            self.world.advance(self.now)
            self.beat = tick(
                self.now, policy=POLICY, platform=self.world, outlook=self, journal=self.journal,
                before=self.beat, is_acting=is_acting, places=self.places,
            )  # fmt: skip
            self.now += timedelta(minutes=1)
        assert self.beat.plan is not None
        return self.beat.plan


def nodes_of(actions: tuple[Action, ...]) -> list[str | None]:
    return [action.node_id for action in actions if isinstance(action, Launch)]


def test_launches_are_placed_and_the_rooms_are_journaled() -> None:
    service = Service(terrain())
    service.total = 6
    plan = service.wait()
    assert nodes_of(plan.actions) == ["n0", "n1", "n0", "n1"]
    entry = service.journal.entries[-1]
    assert entry.rooms is not None
    assert entry.rooms.nodes[0].free_cpu_cores == 3
    assert entry.plan == plan
    fleet = service.world.observe("web")
    assert {i.instance_id: i.node_id for i in fleet.instances if "start" not in i.instance_id} == {
        a.instance_id: a.node_id for a in plan.actions if isinstance(a, Launch)
    }
    service.wait(3)
    assert [entry.rooms for entry in service.journal.entries[1:]] == [None] * 3


def test_what_no_node_has_room_for_is_not_asked_for_and_told() -> None:
    service = Service(terrain(cores=2))
    service.total = 8
    plan = service.wait()
    assert nodes_of(plan.actions) == ["n0", "n1"]
    assert plan.serving_count + plan.warm_count == 4
    assert Reason.NO_ROOM in plan.decision.reasons
    assert plan.decision.lacking == "n0 0 of 1 cores free; 1 more"
    assert len(service.beat.unplaced) == 2
    again = service.wait(10)
    assert len(service.world.actual().instances) == 4
    assert Reason.NO_ROOM in again.decision.reasons
    assert Reason.LAUNCH_UNSEEN not in again.decision.reasons
    assert judged(service.journal.entries, POLICY).differing is None


def test_in_shadow_nothing_is_asked_for_and_nothing_refused() -> None:
    service = Service(terrain(cores=2))
    service.total = 8
    service.wait(3, is_acting=False)
    assert service.beat.unplaced == ()
    assert len(service.world.actual().instances) == 2


def test_a_journal_with_rooms_replays_byte_for_byte(tmp_path: Path) -> None:
    service = Service(terrain(cores=5))
    for total in (4, 8, 12, 3, 9):
        service.total = total
        service.wait(7)
    with FileJournal(tmp_path / "web.jsonl") as journal:
        for entry in service.journal.entries:
            journal.append(entry)
    verdict = judged(read_journal(tmp_path / "web.jsonl"), POLICY)
    assert (verdict.differing, verdict.equal_count) == (None, 35)
    assert sum(entry.rooms is not None for entry in service.journal.entries) >= 3


def test_rooms_that_were_other_would_have_been_noticed() -> None:
    service = Service(terrain())
    service.total = 6
    service.wait()
    (entry,) = service.journal.entries
    assert entry.rooms is not None
    one, other = entry.rooms.nodes
    busy = msgspec.structs.replace(one, free_cpu_cores=0.5)
    spoilt = msgspec.structs.replace(
        entry, rooms=msgspec.structs.replace(entry.rooms, nodes=(busy, other))
    )
    assert judged([spoilt], POLICY).differing is spoilt


def test_a_placed_decision_is_as_short_as_any() -> None:
    service = Service(terrain())
    service.total = 6
    plan = service.wait()
    assert len(msgspec.json.encode(plan.decision)) <= 300
    full = Service(terrain(cores=1.5))
    full.total = 6
    refused = full.wait()
    assert Reason.NO_ROOM in refused.decision.reasons
    assert len(msgspec.json.encode(refused.decision)) <= 300


class Silent:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def rooms(self, now: datetime, service: str, version: str) -> Rooms:
        raise type(self.error)(f"{service} {version} at {now}: {self.error}")


@pytest.mark.parametrize("error", [PlatformUnavailableError("no"), InputError("no version v1")])
def test_without_an_answer_the_platform_chooses(error: Exception) -> None:
    service = Service(terrain())
    service.places = Silent(error)
    service.total = 6
    plan = service.wait()
    assert nodes_of(plan.actions) == [None] * 4
    assert service.journal.entries[-1].rooms is None
    found = [i.node_id for i in service.world.observe("web").instances]
    assert sorted(str(node) for node in found) == ["n0"] * 3 + ["n1"] * 3


class Unmapped:
    """A platform that knows no nodes."""

    def __init__(self) -> None:
        self.asked: list[Action] = []

    def observe(self, service: str) -> Fleet:
        return Fleet(service=service, observed_at=START, instances=())

    def apply(self, action: Action) -> Receipt:
        self.asked.append(action)
        raise PlatformUnavailableError("not now")


def test_a_platform_without_nodes_is_asked_as_before() -> None:
    service = Service(terrain())
    service.total = 6
    platform = Unmapped()
    beat = tick(
        START, policy=POLICY, platform=platform, outlook=service, journal=service.journal,
        before=Beat(), is_acting=True,
    )  # fmt: skip
    assert beat.plan is not None
    assert set(nodes_of(beat.plan.actions)) == {None}
    assert b'"rooms"' not in msgspec.json.encode(service.journal.entries[-1])
    assert b'"node_id"' not in msgspec.json.encode(beat.plan)
