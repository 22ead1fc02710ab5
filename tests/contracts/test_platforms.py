"""Laws that every platform keeps: one action is done once, and `observe` shows what became of it.

A platform joins by a `World`: how to begin one, and how to let it catch up with what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from cases.local import local_platform, running, settled
from foretide.model.fleet import Instance, InstanceState
from foretide.model.plan import (
    Action,
    Drain,
    Launch,
    LowerBid,
    Park,
    PlaceBid,
    Promote,
    Resize,
    Terminate,
    Update,
)
from foretide.platforms.base import Outcome, Platform
from foretide.simulate.ground import SIX_NODES
from foretide.simulate.world import SimulatedPlatform

SERVICE = "web"
START = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState
ON_THE_WAY = {S.REQUESTED, S.BOOTING, S.WAKING, S.PARKING, S.DRAINING}


class World(Protocol):
    """A platform with nothing running, and a way to wait for it."""

    platform: Platform

    def settle(self) -> None:
        """Wait until nothing is on its way any more."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class SimulatedWorld:
    def __init__(self, _: Path) -> None:
        self.now = START
        self._made = SimulatedPlatform(SERVICE, start=START, boot_s=300, serving_count=0)
        self.platform: Platform = self._made

    def settle(self) -> None:
        self.now += timedelta(seconds=300)
        self._made.advance(self.now)

    def close(self) -> None:
        pass


class LocalWorld:
    def __init__(self, folder: Path) -> None:
        self._made = local_platform(folder, service=SERVICE)
        self.platform: Platform = self._made

    def settle(self) -> None:
        settled(self._made, SERVICE)
        assert self._made.failures(SERVICE) == ()

    def close(self) -> None:
        self._made.down()
        assert running(self._made) == ()


class WorldOfNodes(SimulatedWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made = SimulatedPlatform(
            SERVICE, start=START, boot_s=300, serving_count=0, terrain=SIX_NODES
        )
        self.platform: Platform = self._made

    def settle(self) -> None:
        for _ in range(2):  # the content comes first
            super().settle()


WORLDS: dict[str, Callable[[Path], World]] = {
    "simulated": SimulatedWorld,
    "nodes": WorldOfNodes,
    "local": LocalWorld,
}


@pytest.fixture(params=WORLDS)
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[World]:
    world = WORLDS[request.param](tmp_path)
    yield world
    world.close()


def states(world: World) -> dict[str, InstanceState]:
    fleet = world.platform.observe(SERVICE)
    assert len({i.instance_id for i in fleet.instances}) == len(fleet.instances)
    assert all(i.service == SERVICE for i in fleet.instances)
    return {i.instance_id: i.state for i in fleet.instances}


def launch(name: str, *, is_warm: bool = False, service: str = SERVICE) -> Launch:
    return Launch(
        action_id=f"launch-{name}", service=service, instance_id=name, version="v1", is_warm=is_warm
    )


def act(verb: type[Promote | Park | Drain | Terminate], name: str, ask: str = "") -> Action:
    return verb(action_id=f"{verb.__name__}-{name}{ask}", service=SERVICE, instance_id=name)


def do(world: World, *actions: Action) -> list[Outcome]:
    return [world.platform.apply(action).outcome for action in actions]


def test_a_launch_is_seen_at_once_and_serves_in_the_end(on: World) -> None:
    assert do(on, launch("a"), launch("b", is_warm=True)) == [Outcome.ACCEPTED] * 2
    assert set(states(on)) == {"a", "b"}
    assert set(states(on).values()) <= {S.REQUESTED, S.BOOTING}
    on.settle()
    assert states(on) == {"a": S.SERVING, "b": S.WARM}


def test_a_warm_instance_is_promoted_parked_and_ended(on: World) -> None:
    do(on, launch("a", is_warm=True))
    on.settle()
    assert do(on, act(Promote, "a")) == [Outcome.ACCEPTED]
    on.settle()
    assert states(on) == {"a": S.SERVING}
    assert do(on, act(Park, "a")) == [Outcome.ACCEPTED]
    on.settle()
    assert states(on) == {"a": S.WARM}
    assert do(on, act(Terminate, "a")) == [Outcome.ACCEPTED]
    on.settle()
    assert states(on) == {}


def test_a_serving_instance_is_drained(on: World) -> None:
    do(on, launch("a"), launch("b"))
    on.settle()
    assert do(on, act(Drain, "a")) == [Outcome.ACCEPTED]
    assert states(on).get("a", S.DRAINING) is S.DRAINING
    on.settle()
    assert states(on) == {"b": S.SERVING}


def test_a_launch_can_be_called_off(on: World) -> None:
    do(on, launch("a"))
    assert do(on, act(Terminate, "a")) == [Outcome.ACCEPTED]
    on.settle()
    assert states(on) == {}


@pytest.mark.parametrize("verb", [Promote, Park, Drain, Terminate])
def test_the_same_id_is_done_once(
    on: World, verb: type[Promote | Park | Drain | Terminate]
) -> None:
    is_warm = verb in {Promote, Terminate}
    do(on, launch("a", is_warm=is_warm), launch("b"))
    on.settle()
    action = act(verb, "a")
    assert do(on, action, action, launch("a", is_warm=is_warm)) == [
        Outcome.ACCEPTED,
        Outcome.ALREADY_DONE,
        Outcome.ALREADY_DONE,
    ]
    on.settle()
    after = states(on)
    assert do(on, action) == [Outcome.ALREADY_DONE]
    assert states(on) == after


def test_an_id_stays_done_when_the_instance_has_moved_on(on: World) -> None:
    do(on, launch("a", is_warm=True))
    on.settle()
    first, back = act(Promote, "a"), act(Park, "a")
    do(on, first)
    on.settle()
    do(on, back)
    on.settle()
    assert do(on, first) == [Outcome.ALREADY_DONE]
    assert states(on) == {"a": S.WARM}


def test_an_instance_is_never_there_twice(on: World) -> None:
    again = Launch(action_id="other-id", service=SERVICE, instance_id="a", version="v1")
    assert do(on, launch("a"), again) == [Outcome.ACCEPTED, Outcome.ALREADY_DONE]
    on.settle()
    assert states(on) == {"a": S.SERVING}


def test_what_is_gone_needs_no_ending(on: World) -> None:
    asked = do(on, act(Drain, "x"), act(Terminate, "x"), act(Promote, "x"), act(Park, "x"))
    assert asked == [Outcome.ALREADY_DONE] * 2 + [Outcome.REFUSED] * 2


def test_what_is_so_already_is_done(on: World) -> None:
    do(on, launch("a"), launch("b", is_warm=True))
    on.settle()
    assert do(on, act(Promote, "a"), act(Park, "b")) == [Outcome.ALREADY_DONE] * 2
    assert states(on) == {"a": S.SERVING, "b": S.WARM}


def test_a_serving_instance_is_not_terminated_under_its_users(on: World) -> None:
    do(on, launch("a"))
    on.settle()
    assert do(on, act(Terminate, "a")) == [Outcome.REFUSED]
    assert states(on) == {"a": S.SERVING}


def test_a_refusal_tells_why_and_stays_one(on: World) -> None:
    do(on, launch("a", is_warm=True))
    early = act(Promote, "a")
    refused = on.platform.apply(early)
    assert refused.outcome is Outcome.REFUSED
    assert refused.detail
    assert refused.action_id == early.action_id
    on.settle()
    assert on.platform.apply(early) == refused
    assert states(on) == {"a": S.WARM}
    assert do(on, act(Promote, "a", ask="-again")) == [Outcome.ACCEPTED]


def test_another_service_is_another_fleet(on: World) -> None:
    do(on, launch("a"))
    assert on.platform.observe("other").instances == ()
    assert on.platform.observe("other").service == "other"


@pytest.mark.parametrize(
    "action",
    [
        Resize(action_id="1", service=SERVICE, instance_id="a", cpu_cores=2, memory_mib=512),
        Update(action_id="1", service=SERVICE, instance_id="a", version="v2", method="replace"),
        PlaceBid(
            action_id="1", service=SERVICE, market="m", instance_count=1, bid_usd_per_hour=0.1
        ),
        LowerBid(action_id="1", service=SERVICE, market="m", bid_usd_per_hour=0.1),
    ],
    ids=lambda action: type(action).__name__,
)
def test_every_action_is_answered(on: World, action: Action) -> None:
    do(on, launch("a"))
    on.settle()
    receipt = on.platform.apply(action)
    assert receipt.action_id == "1"
    # what is accepted is under way or, as a resize in place, done
    assert states(on)["a"] in ON_THE_WAY | {S.SERVING}
    assert (receipt.outcome is Outcome.REFUSED) == bool(receipt.detail)


def test_observing_changes_nothing(on: World) -> None:
    do(on, launch("a"))
    first: tuple[Instance, ...] = on.platform.observe(SERVICE).instances
    assert on.platform.observe(SERVICE).instances == first
