"""This file knows a made platform: instances boot, wake, park and end by the rules of the game.

Time moves by minutes. A launch boots for the scenario's lead time; a promote decided at the start
of a minute serves that minute; parking and ending take no time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from foretide.errors import InvalidValueError
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

_S = InstanceState


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
    """

    def __init__(
        self,
        service: str,
        *,
        start: datetime,
        boot_s: float,
        serving_count: int = 1,
        warm_count: int = 0,
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
        self._arriving: list[str] = []
        self._fleet: tuple[Instance, ...] | None = None

    def advance(self, now: datetime) -> None:
        """Let time pass until `now`: what has booted by then is ready."""
        self._now = now
        ready = [n for n in self._arriving if now - self._instances[n].since >= self._boot]
        for name in ready:
            booted = self._instances[name]
            self._arriving.remove(name)
            self._move(name, _S.SERVING if booted.is_serving_next else _S.WARM)

    def observe(self, service: str) -> Fleet:
        """Return all instances that are not gone, oldest first."""
        if service != self._service:
            return Fleet(service=service, observed_at=self._now, instances=())
        if self._fleet is None:
            self._fleet = tuple(self._instances.values())
        return Fleet(service=service, observed_at=self._now, instances=self._fleet)

    def apply(self, action: Action) -> Receipt:
        """Begin one action; see `Platform.apply`."""
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
        self._instances[action.instance_id] = Instance(
            instance_id=action.instance_id, service=action.service, version=action.version,
            state=_S.BOOTING, since=self._now, is_serving_next=not action.is_warm,
        )  # fmt: skip
        self._arriving.append(action.instance_id)
        self._fleet = None
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
        if state is _S.TERMINATED:
            del self._instances[instance_id]
            if instance_id in self._arriving:
                self._arriving.remove(instance_id)
        else:
            self._instances[instance_id] = msgspec.structs.replace(
                instance, state=state, since=self._now
            )


def _refused(action: Action, reason: str) -> Receipt:
    return Receipt(action_id=action.action_id, outcome=Outcome.REFUSED, detail=reason)
