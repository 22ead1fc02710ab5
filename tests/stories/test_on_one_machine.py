"""Stories of the live loop, told on a made platform and on real processes alike.

`>>` is what happens, `<<` is what Foretide must have come to do within a few minutes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pytest

from cases.local import process_of, until
from cases.packages import package
from foretide.control.clock import PacedClock, VirtualClock
from foretide.control.compared import compared
from foretide.control.loop import LiveService, Loop
from foretide.control.replay import judged
from foretide.control.state import LoopState
from foretide.model.demand import Demand, FloatArray
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Drain, Launch, Park, Promote, Terminate
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.planner import RecentDemand
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Platform
from foretide.platforms.local.package import installed
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.versions import Versions
from foretide.simulate.clocked import ClockedPlatform
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState
WITHIN_MINUTES = 12


class Forecast:
    """What is expected: so many instances to serve, so many in all."""

    def __init__(self, *, serving: int, total: int) -> None:
        self.serving, self.total = serving, total


class Wait:
    """Minutes that pass."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes


class Demanded:
    """What is asked of the service, in requests/s."""

    def __init__(self, rps: float) -> None:
        self.rps = rps


class Crash:
    """One of the serving instances is gone."""


class Paused:
    """A person takes the hand off, or puts it on again."""

    def __init__(self, *, is_paused: bool) -> None:
        self.is_paused = is_paused


class Counts:
    """So many instances are to serve and to be warm, of these versions at least."""

    def __init__(self, serving: int, warm: int, version: str = "") -> None:
        self.serving, self.warm, self.version = serving, warm, version

    def holds(self, fleet: Fleet) -> bool:
        settled = fleet.in_state(S.SERVING, S.WARM)
        return (
            len(fleet.instances) == len(settled)
            and fleet.count(S.SERVING) == self.serving
            and fleet.count(S.WARM) == self.warm
            and (not self.version or {i.version for i in fleet.in_state(S.WARM)} == {self.version})
        )


class Done:
    """So many actions of a kind since the last `<<` of this kind."""

    def __init__(self, verb: type[Launch | Promote | Park | Drain | Terminate], count: int) -> None:
        self.verb, self.count = verb, count


class Told:
    """An outlook that expects what the story says, and a feed that tells nothing more."""

    def __init__(self) -> None:
        self.forecast = Forecast(serving=1, total=1)
        self.rps = 5.0

    def see(self, demand: Demand) -> None:
        del demand

    def demand(self, now: datetime) -> Demand | None:
        del now
        return None

    def recent(self, now: datetime) -> RecentDemand:
        del now
        return RecentDemand(last_rps=self.rps, previous_rps=self.rps, age_s=0.0, step_s=60)

    def need(self, now: datetime) -> Need | None:
        return Need(
            forecast_id=f"told@{int(now.timestamp())}", predicted_rps=self.rps,
            upper_rps=self.rps, width_fraction=0.1, width_max_fraction=0.2,
            serving_up=self.forecast.serving, serving_low=self.forecast.serving,
            total_up=self.forecast.total, total_low=self.forecast.total,
        )  # fmt: skip

    def course(self, now: datetime) -> FloatArray:
        del now
        return np.empty((0, 3))


class Stage(Protocol):
    """A platform, its clock, and how a minute passes there."""

    platform: Platform

    def minute(self) -> datetime:
        """Let a minute pass and return the instant."""
        ...

    def crash(self, instance_id: str) -> None:
        """Let an instance be gone."""
        ...

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class MadeStage:
    def __init__(self, folder: Path, changed: threading.Event) -> None:
        del folder
        self.clock, self.changed = VirtualClock(START), changed
        self.made = SimulatedPlatform("web", start=START, boot_s=90, serving_count=0)
        self.platform: Platform = ClockedPlatform(self.made, self.clock)

    def minute(self) -> datetime:
        self.clock.advance(60)
        return self.clock.now()

    def crash(self, instance_id: str) -> None:
        self.made._move(instance_id, S.FAILED)  # pyright: ignore[reportPrivateUsage]
        self.changed.set()

    def close(self) -> None:
        pass


class RealStage:
    """Processes of this machine, in a time that runs 240 times as fast."""

    def __init__(self, folder: Path, changed: threading.Event) -> None:
        del changed
        self.clock = PacedClock(START, 240.0)
        root = folder / "root"
        root.mkdir()
        for version in ("v1", "v2"):
            made = package(folder / version, name=version)
            Versions(root).add("web", version, installed(root, made).digest)
        self.local = LocalPlatform(
            root, services={"web": LocalService(service="web")}, clock=self.clock, is_bound=True
        )
        self.platform: Platform = self.local
        self.clock.begin()
        self._next = START

    def minute(self) -> datetime:
        self._next = max(self._next + timedelta(minutes=1), self.clock.now())
        until(lambda: self.clock.now() >= self._next, what="the minute")
        return self.clock.now()

    def crash(self, instance_id: str) -> None:
        self.local.changed.clear()
        os.kill(process_of(self.local, instance_id), signal.SIGKILL)
        assert self.local.changed.wait(5), "nobody noticed"

    def close(self) -> None:
        self.local.close()


class Story:
    """One service on a stage, in live mode."""

    def __init__(self, stage: Stage, version: str = "v1") -> None:
        self.stage, self.told, self.journal = stage, Told(), MemoryJournal()
        self.paused = set[str]()
        self.state: LoopState | None = None
        self.version = version
        self._seen: dict[type, int] = {}
        self.loop = self._begun(version)

    def _begun(self, version: str) -> Loop:
        self.policy = ServicePolicy(
            service="web", version=version, curve=linear_curve(10.0), boot_s=90,
            has_warm_pool=True, knob=knob_for_objective(0.001, has_warm_pool=True), max_count=8,
        )  # fmt: skip
        service = LiveService(
            policy=self.policy, outlook=self.told, feed=self.told, platform=self.stage.platform,
            journal=self.journal, mode="live",
        )  # fmt: skip
        return Loop(
            VirtualClock(START), [service],  # pyright: ignore[reportArgumentType]  # beaten by hand
            paused=lambda: frozenset(self.paused),
        )  # fmt: skip

    def minute(self) -> Fleet:
        self.state = self.loop.beat(self.stage.minute())
        fleet = self.state.services[0].fleet
        assert fleet is not None
        return fleet

    def __rshift__(self, event: Forecast | Wait | Demanded | Crash | Paused | str) -> Self:
        match event:
            case Forecast():
                self.told.forecast = event
            case Demanded():
                self.told.rps = event.rps
            case Wait():
                for _ in range(event.minutes):
                    self.minute()
            case Crash():
                fleet = self.stage.platform.observe("web")
                self.stage.crash(fleet.in_state(S.SERVING)[0].instance_id)
            case Paused():
                self.paused = {"web"} if event.is_paused else set[str]()
            case str():  # a version: the loop begins anew with it
                self.loop.close()
                self.loop = self._begun(event)
        return self

    def __lshift__(self, expected: Counts | Done) -> Self:
        for _ in range(WITHIN_MINUTES):
            if isinstance(expected, Counts):
                if expected.holds(self.stage.platform.observe("web")):
                    return self
            elif self._done(expected.verb) >= expected.count:
                self._seen[expected.verb] = self._all()[expected.verb]
                return self
            self.minute()
        fleet = Counter(i.state.value for i in self.stage.platform.observe("web").instances)
        raise AssertionError(f"{vars(expected)} never came; there is {fleet}, done {self._all()}")

    def _all(self) -> Counter[type]:
        asked = [a for e in self.journal.entries if e.around.is_acting for a in e.plan.actions]
        return Counter(map(type, asked))

    def _done(self, verb: type) -> int:
        return self._all()[verb] - self._seen.get(verb, 0)

    def ends(self) -> None:
        """Tell that the whole journal gives every plan again, and what is planned is there."""
        assert judged(self.journal.entries, self.policy).differing is None
        assert self.state is not None
        found = compared(self.state.services[0], self.stage.platform.observe("web"))
        assert found.is_as_planned


@pytest.fixture(params=[MadeStage, RealStage], ids=["made", "real"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Callable[..., Story]]:
    """Return a beginner of stories on one of the two stages."""
    changed = threading.Event()
    stage = request.param(tmp_path, changed)
    told: list[Story] = []

    def begin() -> Story:
        told.append(Story(stage))
        return told[-1]

    yield begin
    for one in told:
        one.loop.close()
    stage.close()


def test_capacity_is_there_before_demand_and_goes_after_it(story: Callable[..., Story]) -> None:
    (
        story()
        >> Forecast(serving=1, total=3) << Done(Launch, 3) << Counts(serving=1, warm=2)
        >> Wait(2)
        >> Forecast(serving=3, total=3) << Done(Promote, 2) << Counts(serving=3, warm=0)
        >> Demanded(25.0)
        >> Wait(1)
        >> Demanded(8.0)
        >> Forecast(serving=1, total=3) << Done(Park, 2) << Counts(serving=1, warm=2)
        >> Forecast(serving=1, total=1) << Done(Terminate, 2) << Counts(serving=1, warm=0)
    ).ends()  # fmt: skip


def test_what_crashed_is_replaced_out_of_the_pool_and_the_pool_filled_again(
    story: Callable[..., Story],
) -> None:
    (
        story()
        >> Forecast(serving=2, total=3)
        << Counts(serving=2, warm=1)
        >> Crash()
        >> Wait(1)
        << Counts(serving=2, warm=1)
    ).ends()


def test_a_paused_service_is_left_as_it_is(story: Callable[..., Story]) -> None:
    told = story() >> Forecast(serving=1, total=2) << Counts(serving=1, warm=1)
    told = told >> Paused(is_paused=True) >> Forecast(serving=4, total=5) >> Wait(3)
    assert Counts(serving=1, warm=1).holds(told.stage.platform.observe("web"))
    (told >> Paused(is_paused=False) << Counts(serving=4, warm=1)).ends()


def test_a_new_version_comes_into_the_pool_one_by_one(story: Callable[..., Story]) -> None:
    told = story() >> Forecast(serving=1, total=3) << Counts(serving=1, warm=2)
    before = {i.instance_id for i in told.stage.platform.observe("web").in_state(S.SERVING)}
    told = told >> "v2" >> Wait(1) << Counts(serving=1, warm=2, version="v2")
    serving = told.stage.platform.observe("web").in_state(S.SERVING)
    assert {i.instance_id for i in serving} == before
    verbs = [type(a) for e in told.journal.entries for a in e.plan.actions][-4:]
    assert verbs == [Launch, Terminate] * 2
