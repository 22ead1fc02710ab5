"""This file knows which instances move so that a fleet becomes what was decided."""

from __future__ import annotations

from datetime import datetime

import msgspec

from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.ids import action_id
from foretide.model.plan import Action, Drain, Launch, Park, Promote, Terminate
from foretide.plan.policy import ServicePolicy

_S = InstanceState


class Moves(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet should count.

    Parameters
    ----------
    serving_count : int
        Instances that serve.
    total_count : int
        Instances in all: serving, warm and on their way, >= serving_count.
    """

    serving_count: int
    total_count: int


def actions_for(
    now: datetime, fleet: Fleet, moves: Moves, policy: ServicePolicy
) -> tuple[tuple[Action, ...], Moves]:
    """Return the actions that bring a fleet to a count, and the count they bring it to.

    Parameters
    ----------
    now : datetime
        The instant of the tick; names the actions and what they launch.
    fleet : Fleet
        What there is.
    moves : Moves
        What there should be.
    policy : ServicePolicy
        Whether instances can be held warm, and the version to launch.

    Returns
    -------
    actions : tuple of Action
        Promotes, launches, parks, then what ends instances.
    reached : Moves
        What will serve and be there once they are done and all that boots is ready; differs from
        `moves` where there is nothing to promote yet.
    """
    book = _Book(now, policy)
    serving = fleet.in_state(_S.SERVING, _S.WAKING)
    warm = fleet.in_state(_S.WARM, _S.PARKING)
    arriving = fleet.in_state(_S.REQUESTED, _S.BOOTING)
    total = len(serving) + len(warm) + len(arriving)
    promoted = warm[: max(0, moves.serving_count - len(serving))]
    for instance in promoted:
        book.add(Promote, instance)
    launched = max(0, moves.total_count - total)
    for _ in range(launched):
        book.launch()
    warm = warm[len(promoted) :]
    removed = max(0, total - moves.total_count)
    if not policy.has_warm_pool:
        ended = _end(book, warm, arriving, removed)
        drained = min(removed - ended, max(0, len(serving) - moves.serving_count))
        _drain(book, serving, drained)
        count = total + launched - ended - drained
        return book.actions, Moves(serving_count=count, total_count=count)
    parked = _parkable(serving, len(serving) - moves.serving_count)
    ended = _end(book, warm, arriving, removed)
    # what should end and still serves ends without the detour over warm
    drained = min(removed - ended, len(parked))
    _drain(book, serving, drained)
    for instance in parked[: len(parked) - drained]:
        book.add(Park, instance)
    return book.actions, Moves(
        serving_count=len(serving) + len(promoted) - len(parked),
        total_count=total + launched - ended - drained,
    )


class _Book:
    """Collects the actions of one tick and names them in their order."""

    def __init__(self, now: datetime, policy: ServicePolicy) -> None:
        self._now, self._policy = now, policy
        self._actions: list[Action] = []

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(self._actions)

    def add(self, verb: type[Promote | Park | Drain | Terminate], instance: Instance) -> None:
        self._actions.append(
            verb(action_id=self._next_id(), service=self._policy.service,
                 instance_id=instance.instance_id)
        )  # fmt: skip

    def launch(self) -> None:
        name = self._next_id()
        self._actions.append(
            Launch(
                action_id=name, service=self._policy.service, instance_id=_instance_name(name),
                version=self._policy.version, is_warm=self._policy.has_warm_pool,
            )
        )  # fmt: skip

    def _next_id(self) -> str:
        return action_id(self._policy.service, self._now, len(self._actions))


def _instance_name(launch_id: str) -> str:
    return launch_id.replace("@", "-").replace("#", "-").replace("/", ".")


def _parkable(serving: list[Instance], count: int) -> list[Instance]:
    """Return the youngest serving instances, those still waking left alone."""
    ready = [i for i in serving if i.state is _S.SERVING]
    return ready[len(ready) - min(max(count, 0), len(ready)) :][::-1]


def _end(book: _Book, warm: list[Instance], arriving: list[Instance], count: int) -> int:
    """End the youngest of those that serve nobody; return how many."""
    still = [i for i in warm if i.state is _S.WARM]
    idle = (still + arriving)[::-1][:count]
    for instance in idle:
        book.add(Terminate, instance)
    return len(idle)


def _drain(book: _Book, serving: list[Instance], count: int) -> None:
    for instance in _parkable(serving, count):
        book.add(Drain, instance)
