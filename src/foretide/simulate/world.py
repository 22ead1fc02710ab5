"""This file knows a made platform: instances boot, wake, park and end by the rules of the game.

Time moves by minutes. A launch boots for the scenario's lead time; a promote decided at the start
of a minute serves that minute; parking and ending take no time. Faults may make boots slow or
fail, let launches wait, lose instances and answers, and show the fleet as it was; every move stays
one of the lifecycle's. Where there are nodes, a launch fetches its content before it boots.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from foretide.errors import InvalidValueError, PlatformUnavailableError
from foretide.model.demand import Demand
from foretide.model.fleet import LIFECYCLE, Fleet, Instance, InstanceState
from foretide.model.placement import Rooms
from foretide.model.plan import (
    Action,
    Drain,
    Launch,
    LowerBid,
    Park,
    PlaceBid,
    Promote,
    Refusal,
    Resize,
    Terminate,
    Update,
)
from foretide.platforms.base import Outcome, Receipt
from foretide.simulate.faults import NO_FAULTS, Faults
from foretide.simulate.ground import Ground, Terrain, terrain_for
from foretide.simulate.mishaps import Mishaps, Reports

_S = InstanceState
_MINUTE = timedelta(minutes=1)


class SimulatedPlatform:
    """A platform without a machine.

    Parameters
    ----------
    service : str
        The one service it runs.
    start : datetime
        The first instant, aware UTC.
    boot_s : float
        From launch to ready, > 0.
    serving_count, warm_count : int
        Instances that serve and that are held warm at the start.
    faults : Faults
        What goes wrong; nothing by default.
    terrain : Terrain, optional
        Its nodes; none are known when absent, unless faults befall nodes.
    """

    def __init__(
        self,
        service: str,
        *,
        start: datetime,
        boot_s: float,
        serving_count: int = 1,
        warm_count: int = 0,
        faults: Faults = NO_FAULTS,
        terrain: Terrain | None = None,
    ) -> None:
        self._service = service
        self._now = start
        self._boot = timedelta(seconds=boot_s)
        self._receipts: dict[str, Receipt] = {}
        states = [_S.SERVING] * serving_count + [_S.WARM] * warm_count
        self._instances = {
            name: Instance(
                instance_id=name, service=service, version="v1", state=state, since=start
            )
            for name, state in (
                (f"{service.replace('/', '.')}-start-{n}", state) for n, state in enumerate(states)
            )
        }
        self._arriving: dict[str, timedelta] = {}  # how long each boots
        self._failing: set[str] = set()
        self._waiting: list[str] = []  # launches the platform has not begun
        self._fleet: tuple[Instance, ...] | None = None
        self._mishaps = Mishaps(faults, service)
        self._reports = Reports(faults, service)
        self._limit = faults.launch_limit
        self._begun_count = 0  # launches begun this minute
        self._ground: Ground | None = None
        laid = terrain_for(terrain, faults)
        if laid is not None:
            self._ground = Ground(laid, start=start, faults=faults, service=service)
            for name, node_id in self._ground.settle(self._instances, "v1").items():
                one = self._instances[name]
                self._instances[name] = msgspec.structs.replace(one, node_id=node_id)

    def advance(self, now: datetime) -> None:
        """Let time pass until `now`: what has booted by then is ready, what was lost is gone."""
        before, self._now = self._now, now
        if self._reports.has_faults:
            self._reports.advance(before, now, self.reachable().instances)
        if self._ground is not None:
            self._pass(self._ground, now)
        for name in self._mishaps.lost(self._running(), now - before):
            self._move(name, _S.FAILED)
        self._begin_waiting(now - before)
        for name in [
            name for name, boot in self._arriving.items()
            if now - self._instances[name].since >= boot
        ]:  # fmt: skip
            self._arrive(name)

    def _pass(self, ground: Ground, now: datetime) -> None:
        passed = ground.advance(now)
        for name, at in passed.fetched:
            instance = self._instances[name]
            if instance.state is _S.BOOTING:
                self._arriving[name] = at - instance.since + self._mishaps.boot(self._boot)
        for name in passed.lost:
            self._move(name, _S.FAILED)

    def _running(self) -> list[str]:
        return [n for n, i in self._instances.items() if i.state in (_S.SERVING, _S.WARM)]

    def _begin_waiting(self, passed: timedelta) -> None:
        if self._limit is None:
            return
        room = self._limit.per_minute * int(passed / _MINUTE)
        begun, self._waiting = self._waiting[:room], self._waiting[room:]
        if room:
            self._begun_count = 0
        for name in begun:
            self._begin(name)

    def _begin(self, name: str) -> None:
        self._move(name, _S.BOOTING)
        self._begun_count += 1
        if self._ground is None or self._ground.begin(name):
            self._arriving[name] = self._mishaps.boot(self._boot)
        if self._mishaps.is_failing():
            self._failing.add(name)

    def _arrive(self, name: str) -> None:
        del self._arriving[name]
        if name in self._failing:
            self._failing.remove(name)
            self._move(name, _S.FAILED)
        else:
            is_serving = self._instances[name].is_serving_next
            self._move(name, _S.SERVING if is_serving else _S.WARM)

    def observe(self, service: str) -> Fleet:
        """Return all instances that are not gone, oldest first; as it is reported."""
        if service != self._service:
            return Fleet(service=service, observed_at=self._now, instances=())
        fleet = self.reachable()
        if not self._reports.has_faults:
            return fleet
        at, instances = self._reports.show(self._now, fleet.instances)
        return Fleet(service=service, observed_at=at, instances=instances)

    def actual(self) -> Fleet:
        """Return all instances that are not gone, oldest first; as it is, whatever is reported."""
        if self._fleet is None:
            self._fleet = tuple(self._instances.values())
        return Fleet(service=self._service, observed_at=self._now, instances=self._fleet)

    def reachable(self) -> Fleet:
        """Return all instances but those on nodes that are cut off, as they are."""
        ground, fleet = self._ground, self.actual()
        if ground is None or not ground.hides:
            return fleet
        seen = tuple(one for one in fleet.instances if not ground.is_hidden(one.instance_id))
        return msgspec.structs.replace(fleet, instances=seen)

    @property
    def has_nodes(self) -> bool:
        """Whether it knows its nodes."""
        return self._ground is not None

    def rooms(self, service: str, version: str) -> Rooms:
        """Return where one more instance could go; see `control/links.py`."""
        del service
        if self._ground is None:
            raise PlatformUnavailableError("this world knows no nodes")
        return self._ground.rooms(version, boot_s=self._boot.total_seconds())

    def link_use(self) -> tuple[Demand, ...]:
        """Return which share of each node's link was in use, minute by minute."""
        return () if self._ground is None else self._ground.link_use()

    def apply(self, action: Action) -> Receipt:
        """Begin one action; see `Platform.apply`."""
        is_lost, is_done = self._mishaps.answer_is_lost()
        receipt = self._answer(action) if is_done else None
        if receipt is None or is_lost:
            raise PlatformUnavailableError(f"no answer to {action.action_id}; ask again")
        return receipt

    def _answer(self, action: Action) -> Receipt:
        known = self._receipts.get(action.action_id)
        if known is None:
            is_ours = action.service == self._service
            receipt = (
                self._applied(action)
                if is_ours
                else _refused(action, f"this world runs {self._service} alone")
            )
            self._receipts[action.action_id] = receipt
            return receipt
        if known.outcome is Outcome.REFUSED:
            return known
        return Receipt(action_id=action.action_id, outcome=Outcome.ALREADY_DONE)

    def _applied(self, action: Action) -> Receipt:
        name = getattr(action, "instance_id", None)
        if name and self._ground is not None and self._ground.is_hidden(name):
            raise PlatformUnavailableError(f"the node of {name} cannot be reached; ask again")
        match action:
            case Launch():
                return self._launch(action)
            case Promote():
                return self._walk(action, action.instance_id, _S.WAKING, _S.SERVING)
            case Park():
                return self._walk(action, action.instance_id, _S.PARKING, _S.WARM)
            case Drain():
                return self._walk(action, action.instance_id, _S.DRAINING, _S.TERMINATED)
            case Terminate():
                return self._walk(action, action.instance_id, _S.TERMINATED)
            case Resize() | Update() | PlaceBid() | LowerBid():
                return _refused(action, "this world knows neither sizes, versions nor markets")
            case _:
                assert_never(action)

    def _launch(self, action: Launch) -> Receipt:
        if action.instance_id in self._instances:
            return Receipt(action_id=action.action_id, outcome=Outcome.ALREADY_DONE)
        name = action.instance_id
        node_id = self._placed(action)
        if isinstance(node_id, Refusal):
            return _refused(action, node_id.reason)
        self._instances[name] = Instance(
            instance_id=name, service=action.service, version=action.version,
            state=_S.REQUESTED, since=self._now, is_serving_next=not action.is_warm,
            node_id=node_id,
        )  # fmt: skip
        self._fleet = None
        if self._limit is not None and self._begun_count >= self._limit.per_minute:
            self._waiting.append(name)
        else:
            self._begin(name)
        return Receipt(action_id=action.action_id, outcome=Outcome.ACCEPTED)

    def _placed(self, action: Launch) -> str | Refusal | None:
        if self._ground is None:
            return None
        if action.node_id is None:
            found = self._ground.choose(action.version, boot_s=self._boot.total_seconds())
        else:
            why = self._ground.refusal(action.node_id, action.version)
            found = Refusal(what="a launch", reason=why, fix="") if why else action.node_id
        if isinstance(found, str):
            self._ground.take(action.instance_id, found, action.version)
        return found

    def _walk(self, action: Action, instance_id: str, *states: InstanceState) -> Receipt:
        instance = self._instances.get(instance_id)
        if instance is None:
            if isinstance(action, Drain | Terminate):
                return Receipt(action_id=action.action_id, outcome=Outcome.ALREADY_DONE)
            return _refused(action, f"{instance_id} is gone")
        if instance.state is states[-1]:
            return Receipt(action_id=action.action_id, outcome=Outcome.ALREADY_DONE)
        if (instance.state, states[0]) not in LIFECYCLE:
            return _refused(action, f"{instance_id} is {instance.state}")
        for state in states:
            self._move(instance_id, state)
        return Receipt(action_id=action.action_id, outcome=Outcome.ACCEPTED)

    def _move(self, instance_id: str, state: InstanceState) -> None:
        instance = self._instances[instance_id]
        if (instance.state, state) not in LIFECYCLE:
            raise InvalidValueError(f"{instance_id} must not go from {instance.state} to {state}")
        self._fleet = None
        if state in (_S.TERMINATED, _S.FAILED):
            del self._instances[instance_id]
            self._forget(instance_id)
        else:
            self._instances[instance_id] = msgspec.structs.replace(
                instance, state=state, since=self._now
            )

    def _forget(self, instance_id: str) -> None:
        self._arriving.pop(instance_id, None)
        self._failing.discard(instance_id)
        if self._ground is not None:
            self._ground.release(instance_id)
        if instance_id in self._waiting:
            self._waiting.remove(instance_id)


def _refused(action: Action, reason: str) -> Receipt:
    return Receipt(action_id=action.action_id, outcome=Outcome.REFUSED, detail=reason)
