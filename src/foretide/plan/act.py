"""This file knows which instances move so that a fleet becomes what was decided."""

from __future__ import annotations

from datetime import datetime

import msgspec

from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.ids import action_id
from foretide.model.plan import Action, Drain, Launch, Park, Promote, Terminate
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import Census, census_of

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
    now: datetime,
    fleet: Fleet,
    moves: Moves,
    policy: ServicePolicy,
    *,
    census: Census | None = None,
    unseen_count: int = 0,
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
    census : Census, optional
        Of the fleet, where it is at hand.
    unseen_count : int
        Instances on their way that the fleet does not show: they are not launched again.

    Returns
    -------
    actions : tuple of Action
        What adds capacity first: promotes, launches, parks, drains, terminates. None moves an
        instance that another one moves.
    reached : Moves
        What will serve and be there once they are done and all that boots is ready; differs from
        `moves` where there is nothing to promote yet, or nothing that may go.
    """
    census = census or census_of(fleet)
    total = census.total + unseen_count
    # without a warm pool whatever is there is to serve, what an earlier one left warm included
    serving_count = moves.serving_count if policy.has_warm_pool else moves.total_count
    unseen_to_serve = 0 if policy.has_warm_pool else unseen_count
    is_serving_right = census.serving == serving_count or (
        census.serving < serving_count and not census.warm
    )
    if total == moves.total_count and is_serving_right:
        return (), Moves(
            serving_count=census.serving + census.landing + unseen_to_serve, total_count=total
        )
    return _moved(now, fleet, moves, policy, serving_count=serving_count, unseen=unseen_count)


def _moved(
    now: datetime,
    fleet: Fleet,
    moves: Moves,
    policy: ServicePolicy,
    *,
    serving_count: int,
    unseen: int,
) -> tuple[tuple[Action, ...], Moves]:
    serving = fleet.in_state(_S.SERVING, _S.WAKING)
    warm = fleet.in_state(_S.WARM, _S.PARKING)
    arriving = fleet.in_state(_S.REQUESTED, _S.BOOTING)
    total = len(serving) + len(warm) + len(arriving) + unseen
    launched_count = max(0, moves.total_count - total)
    removed_count = max(0, total - moves.total_count)
    promoted = warm[: max(0, serving_count - len(serving))]
    ended = _youngest_idle(warm[len(promoted) :], arriving, removed_count, policy.version)
    released = _youngest_serving(serving, len(serving) - serving_count)
    # what should end and still serves ends without the detour over warm
    drained = released[: removed_count - len(ended)]
    book = _Book(now, policy)
    book.add(Promote, promoted)
    book.launch(launched_count)
    book.add(Park, released[len(drained) :])
    book.add(Drain, drained)
    book.add(Terminate, ended)
    landing = sum(i.is_serving_next for i in arriving) - sum(
        i.is_serving_next for i in ended if i.state in (_S.REQUESTED, _S.BOOTING)
    )
    coming_to_serve = 0 if policy.has_warm_pool else launched_count + unseen
    return book.actions, Moves(
        serving_count=len(serving) + len(promoted) - len(released) + landing + coming_to_serve,
        total_count=total + launched_count - len(ended) - len(drained),
    )


class _Book:
    """Collects the actions of one tick and names them in their order."""

    def __init__(self, now: datetime, policy: ServicePolicy) -> None:
        self._now, self._policy = now, policy
        self._actions: list[Action] = []

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(self._actions)

    def add(
        self, verb: type[Promote | Park | Drain | Terminate], instances: list[Instance]
    ) -> None:
        for instance in instances:
            self._actions.append(
                verb(action_id=self._next_id(), service=self._policy.service,
                     instance_id=instance.instance_id)
            )  # fmt: skip

    def launch(self, count: int) -> None:
        for _ in range(count):
            name = self._next_id()
            self._actions.append(
                Launch(
                    action_id=name, service=self._policy.service,
                    instance_id=instance_name(name), version=self._policy.version,
                    is_warm=self._policy.has_warm_pool,
                )
            )  # fmt: skip

    def _next_id(self) -> str:
        return action_id(self._policy.service, self._now, len(self._actions))


def instance_name(launch_id: str) -> str:
    """Return how the instance of a launch is called: nobody else has its name."""
    return launch_id.replace("@", "-").replace("#", "-").replace("/", ".")


def _youngest_serving(serving: list[Instance], count: int) -> list[Instance]:
    """Return at most `count` serving instances, youngest first; those waking are left alone."""
    if count <= 0:
        return []
    return [i for i in reversed(serving) if i.state is _S.SERVING][:count]


def _youngest_idle(
    warm: list[Instance], arriving: list[Instance], count: int, version: str
) -> list[Instance]:
    """Return at most `count` of those that serve nobody: what still boots first, youngest first."""
    if count <= 0:
        return []
    # of two versions the old one goes first
    still = sorted((i for i in warm if i.state is _S.WARM), key=lambda one: one.version != version)
    return (still + arriving)[::-1][:count]
