"""This file knows how what was planned, what was asked for and what runs are held side by side."""

from __future__ import annotations

from collections import Counter

import msgspec

from foretide.control.state import ServiceState
from foretide.model.fleet import Fleet, InstanceState
from foretide.platforms.base import Outcome

_S = InstanceState


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One service: planned, requested, observed.

    Parameters
    ----------
    planned_serving, planned_warm : int, optional
        By the last plan, once all it asks for is done; None before the first.
    requested : dict of str to int
        What the last plan asked for, by verb; empty in shadow.
    refused : tuple of str
        Why the platform said no to some of it.
    unanswered_count : int
        What it did not answer to: asked for again by the next heartbeat.
    serving, warm, coming, leaving : int
        Observed: ready, held warm, on their way to either, and on their way out.
    versions, nodes : dict of str to int
        Instances by version and by node.
    is_as_planned : bool
        Whether what is observed, with what is on its way, is what was planned.
    """

    planned_serving: int | None
    planned_warm: int | None
    requested: dict[str, int]
    refused: tuple[str, ...]
    unanswered_count: int
    serving: int
    warm: int
    coming: int
    leaving: int
    versions: dict[str, int]
    nodes: dict[str, int]
    is_as_planned: bool


def compared(state: ServiceState, fleet: Fleet | None = None) -> Compared:
    """Return a service's plan beside its fleet.

    Parameters
    ----------
    state : ServiceState
        After the last heartbeat.
    fleet : Fleet, optional
        What runs now, where that is known better.
    """
    fleet = fleet or state.fleet
    plan = state.plan
    instances = () if fleet is None else fleet.instances
    by_state = Counter(one.state for one in instances)
    coming = [one for one in instances if one.state in (_S.REQUESTED, _S.BOOTING, _S.WAKING)]
    to_serve = sum(one.is_serving_next or one.state is _S.WAKING for one in coming)
    serving, warm = by_state[_S.SERVING], by_state[_S.WARM]
    held = serving + warm + len(coming) + by_state[_S.PARKING]
    is_acting = state.mode == "live" and not state.is_paused
    asked = Counter(
        action.__struct_config__.tag for action in (plan.actions if plan and is_acting else ())
    )
    return Compared(
        planned_serving=None if plan is None else plan.serving_count,
        planned_warm=None if plan is None else plan.warm_count,
        requested={str(verb): count for verb, count in asked.items()},
        refused=tuple(one.detail for one in state.receipts if one.outcome is Outcome.REFUSED),
        unanswered_count=state.unanswered_count,
        serving=serving,
        warm=warm,
        coming=len(coming),
        leaving=by_state[_S.PARKING] + by_state[_S.DRAINING],
        versions=dict(Counter(one.version for one in instances)),
        nodes=dict(Counter(one.node_id or "" for one in instances if one.node_id)),
        is_as_planned=plan is not None
        and held == plan.serving_count + plan.warm_count
        and serving + to_serve >= plan.serving_count,
    )
