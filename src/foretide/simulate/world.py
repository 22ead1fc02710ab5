"""This file knows a made platform: instances boot, wake, park and end by the rules of the game.

Time moves by minutes. A launch boots for the scenario's lead time; a promote decided at the start
of a minute serves that minute; parking and ending take no time. Faults may make boots slow or
fail, let launches wait, lose instances and answers, and show the fleet as it was; every move stays
one of the lifecycle's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from foretide.errors import InvalidValueError, PlatformUnavailableError
from foretide.model.fleet import LIFECYCLE, Fleet, Instance, InstanceState
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
from foretide.platforms.base import Outcome, Receipt
from foretide.simulate.faults import NO_FAULTS, Faults
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

    def advance(self, now: datetime) -> None:
        """Let time pass until `now`: what has booted by then is ready, what was lost is gone."""
        before, self._now = self._now, now
        if self._reports.has_faults:
            self._reports.advance(before, now, self.actual().instances)
        for name in self._mishaps.lost(self._running(), now - before):
            self._move(name, _S.FAILED)
        self._begin_waiting(now - before)
        for name in [
            name for name, boot in self._arriving.items()
            if now - self._instances[name].since >= boot
        ]:  # fmt: skip
            self._arrive(name)

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
        fleet = self.actual()
        if not self._reports.has_faults:
            return fleet
        at, instances = self._reports.show(self._now, fleet.instances)
        return Fleet(service=service, observed_at=at, instances=instances)

    def actual(self) -> Fleet:
        """Return all instances that are not gone, oldest first; as it is, whatever is reported."""
        if self._fleet is None:
            self._fleet = tuple(self._instances.values())
        return Fleet(service=self._service, observed_at=self._now, instances=self._fleet)

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
        self._instances[name] = Instance(
            instance_id=name, service=action.service, version=action.version,
            state=_S.REQUESTED, since=self._now, is_serving_next=not action.is_warm,
        )  # fmt: skip
        self._fleet = None
        if self._limit is not None and self._begun_count >= self._limit.per_minute:
            self._waiting.append(name)
        else:
            self._begin(name)
        return Receipt(action_id=action.action_id, outcome=Outcome.ACCEPTED)

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
        if instance_id in self._waiting:
            self._waiting.remove(instance_id)


def _refused(action: Action, reason: str) -> Receipt:
    return Receipt(action_id=action.action_id, outcome=Outcome.REFUSED, detail=reason)
