"""The made world under any order of actions: only legal moves, nobody lost, nobody twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from foretide.model.fleet import LIFECYCLE, Instance, InstanceState
from foretide.model.plan import Action, Drain, Launch, Park, Promote, Terminate
from foretide.platforms.base import Outcome
from foretide.simulate.world import SimulatedPlatform

START = datetime(2026, 3, 2, tzinfo=UTC)
BOOT_S = 180
S = InstanceState
_PASSED = {Promote: S.WAKING, Park: S.PARKING, Drain: S.DRAINING, Terminate: S.TERMINATED}
_REACHED = {Promote: S.SERVING, Park: S.WARM, Drain: S.TERMINATED, Terminate: S.TERMINATED}


class AnyOrder(RuleBasedStateMachine):
    """A second book of the fleet, kept by the rules of the port alone."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.world = SimulatedPlatform(
            "web", start=START, boot_s=BOOT_S, serving_count=2, warm_count=1
        )
        self.book = {i.instance_id: i.state for i in self.seen().values()}
        self.ready_at: dict[str, tuple[datetime, InstanceState]] = {}
        self.ids, self.launched = 0, 0
        self.asked: list[Action] = []
        self.refused: set[str] = set()

    def seen(self) -> dict[str, Instance]:
        return {i.instance_id: i for i in self.world.observe("web").instances}

    def name(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.book, "nobody"]))

    def ask(self, action: Action) -> Outcome:
        before = self.seen()
        receipt = self.world.apply(action)
        assert receipt.action_id == action.action_id
        self.asked.append(action)
        if receipt.outcome is not Outcome.ACCEPTED:
            assert self.seen() == before
        if receipt.outcome is Outcome.REFUSED:
            assert receipt.detail
            self.refused.add(action.action_id)
        return receipt.outcome

    def next_id(self) -> str:
        self.ids += 1
        return f"web@0#{self.ids}"

    @rule(is_warm=st.booleans())
    def launch(self, is_warm: bool) -> None:
        self.launched += 1
        name = f"new-{self.launched}"
        outcome = self.ask(
            Launch(
                action_id=self.next_id(), service="web", instance_id=name, version="v1",
                is_warm=is_warm,
            )
        )  # fmt: skip
        assert outcome is Outcome.ACCEPTED
        self.book[name] = S.BOOTING
        ready = self.now + timedelta(seconds=BOOT_S)
        self.ready_at[name] = (ready, S.WARM if is_warm else S.SERVING)

    @rule(verb=st.sampled_from([Promote, Park, Drain, Terminate]), data=st.data())
    def move(self, verb: type[Promote | Park | Drain | Terminate], data: st.DataObject) -> None:
        name = self.name(data)
        state = self.book.get(name)
        outcome = self.ask(verb(action_id=self.next_id(), service="web", instance_id=name))
        reached = _REACHED[verb]
        if state is None:
            gone = Outcome.ALREADY_DONE if reached is S.TERMINATED else Outcome.REFUSED
            assert outcome is gone
        elif state is reached:
            assert outcome is Outcome.ALREADY_DONE
        elif (state, _PASSED[verb]) not in LIFECYCLE:
            assert outcome is Outcome.REFUSED
        else:
            assert outcome is Outcome.ACCEPTED
            self.book[name] = reached
        if self.book.get(name) is S.TERMINATED:
            del self.book[name]
            self.ready_at.pop(name, None)

    @precondition(lambda self: bool(self.asked))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from(self.asked))
        before = self.seen()
        outcome = self.world.apply(action).outcome
        expected = Outcome.REFUSED if action.action_id in self.refused else Outcome.ALREADY_DONE
        assert outcome is expected
        assert self.seen() == before

    @rule(minutes=st.integers(0, 5))
    def advance(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.world.advance(self.now)
        for name, (ready, state) in list(self.ready_at.items()):
            if ready <= self.now:
                self.book[name] = state
                del self.ready_at[name]

    @invariant()
    def nobody_is_lost_or_counted_twice(self) -> None:
        assert {name: one.state for name, one in self.seen().items()} == self.book
        assert len(self.world.observe("web").instances) == len(self.book)

    @invariant()
    def since_lies_in_the_past(self) -> None:
        assert all(START <= one.since <= self.now for one in self.seen().values())


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order_of_actions = AnyOrder.TestCase


@pytest.mark.parametrize("boot_s", [60, 300, 301])
def test_a_launch_serves_from_boot_on_and_not_before(boot_s: int) -> None:
    world = SimulatedPlatform("web", start=START, boot_s=boot_s, serving_count=0)
    world.apply(Launch(action_id="1", service="web", instance_id="a", version="v1"))
    for after_s, state in ((boot_s - 1, S.BOOTING), (boot_s, S.SERVING)):
        world.advance(START + timedelta(seconds=after_s))
        assert [i.state for i in world.observe("web").instances] == [state]


def test_a_promoted_instance_serves_the_same_minute() -> None:
    world = SimulatedPlatform("web", start=START, boot_s=300, serving_count=0, warm_count=1)
    (warm,) = world.observe("web").instances
    world.apply(Promote(action_id="1", service="web", instance_id=warm.instance_id))
    assert [i.state for i in world.observe("web").instances] == [S.SERVING]


def test_the_oldest_come_first() -> None:
    world = SimulatedPlatform("web", start=START, boot_s=60, serving_count=2)
    for minute, name in enumerate(("b", "a")):
        world.advance(START + timedelta(minutes=minute))
        world.apply(Launch(action_id=name, service="web", instance_id=name, version="v1"))
    names = [i.instance_id for i in world.observe("web").instances]
    assert names == ["web-start-0", "web-start-1", "b", "a"]


def test_what_belongs_to_another_service_is_refused() -> None:
    world = SimulatedPlatform("web", start=START, boot_s=60)
    foreign = Launch(action_id="1", service="api", instance_id="a", version="v1")
    assert world.apply(foreign).outcome is Outcome.REFUSED
    assert len(world.observe("web").instances) == 1
