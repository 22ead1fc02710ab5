"""This file knows on which node an instance goes: where it will serve soonest, spread and cheap.

A node is a candidate when it has the cores, the memory and the free bandwidth that an instance
takes. Its time to serve is what must be fetched over the bandwidth that is predicted to be free,
`link * (1 - q90 utilisation)`, and the boot. Among the candidates that serve at most twice as late
as the soonest, or five seconds later, in this order: the failure domain with the fewest instances
of the service, the time in steps of a tenth, the price, the fewest instances on the node, the exact
time, the name. So a dearer node is worth its price where it serves a tenth sooner, and among equal
times the cheaper one wins; below a second all times are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from foretide.model.placement import MBIT_PER_MIB, NodeRoom, Placement, Rooms, Size
from foretide.model.plan import Action, Branch, Launch, Plan, Promote, Reason, Refusal

SLOWER_MAX_FACTOR = 2.0
LATER_MAX_S = 5.0
TIME_STEP_FACTOR = 1.1
_TIME_LEAST_S = 1.0
_NAME_CHARS = 16  # of a node, in a refusal that a decision carries


def place(rooms: Sequence[NodeRoom], size: Size) -> Placement | Refusal:
    """Return where one instance goes, or why it goes nowhere.

    Parameters
    ----------
    rooms : sequence of NodeRoom
        What each node has free; their order does not matter.
    size : Size
        Of the instance.

    Returns
    -------
    Placement or Refusal
        A refusal names every node and what it lacks.
    """
    candidates = [(_placement(room, size), room) for room in rooms if not lack(room, size)]
    if not candidates:
        return _refusal(rooms, size)
    soonest_s = min(placement.serve_s for placement, _ in candidates)
    latest_s = max(soonest_s * SLOWER_MAX_FACTOR, soonest_s + LATER_MAX_S)
    return min((c for c in candidates if c[0].serve_s <= latest_s), key=_rank)[0]


def lack(room: NodeRoom, size: Size) -> str:
    """Return what a node lacks for an instance, with the numbers; empty when it is a candidate."""
    if room.free_cpu_cores < size.cpu_cores:
        return f"{_count(room.free_cpu_cores)} of {_count(size.cpu_cores)} cores free"
    if room.free_memory_mib < size.memory_mib:
        return f"{_count(room.free_memory_mib)} of {_count(size.memory_mib)} MiB free"
    if room.free_mbps < size.steady_mbps:
        return f"{_count(room.free_mbps)} of {_count(size.steady_mbps)} Mbit/s free"
    if room.fetch_mib > 0 and room.free_mbps <= 0:
        return f"no bandwidth free to fetch {_count(room.fetch_mib)} MiB"
    return ""


def _count(value: float) -> str:
    return f"{max(0.0, value):.4g}"


def _placement(room: NodeRoom, size: Size) -> Placement:
    transfer_s = room.fetch_mib * MBIT_PER_MIB / room.free_mbps if room.fetch_mib else 0.0
    return Placement(node_id=room.node_id, transfer_s=transfer_s, serve_s=transfer_s + size.boot_s)


def _rank(candidate: tuple[Placement, NodeRoom]) -> tuple[int, int, float, int, float, str]:
    placement, room = candidate
    step = math.floor(math.log(max(placement.serve_s, _TIME_LEAST_S)) / math.log(TIME_STEP_FACTOR))
    return (
        room.domain_count, step, room.price_usd_per_hour, room.node_count, placement.serve_s,
        room.node_id,
    )  # fmt: skip


def _refusal(rooms: Sequence[NodeRoom], size: Size) -> Refusal:
    lacks = [f"{room.node_id} {lack(room, size)}" for room in _by_name(rooms)]
    return Refusal(
        what="a launch",
        reason="no node has room: " + ("; ".join(lacks) or "there is no node"),
        fix="add a node, or lower what an instance needs",
    )


def _by_name(rooms: Sequence[NodeRoom]) -> list[NodeRoom]:
    return sorted(rooms, key=lambda room: room.node_id)


def taken(rooms: Rooms, node_id: str) -> Rooms:
    """Return what is free once one instance more goes to a node.

    Parameters
    ----------
    rooms : Rooms
        What is free before.
    node_id : str
        Where it goes. Its content is on the way then, not there: another has as long to wait.
    """
    (at,) = (room for room in rooms.nodes if room.node_id == node_id)
    return Rooms(
        size=rooms.size,
        nodes=tuple(
            _after(room, rooms.size, is_there=room.node_id == node_id)
            if room.failure_domain == at.failure_domain
            else room
            for room in rooms.nodes
        ),
    )


def _after(room: NodeRoom, size: Size, *, is_there: bool) -> NodeRoom:
    if not is_there:
        return msgspec.structs.replace(room, domain_count=room.domain_count + 1)
    return msgspec.structs.replace(
        room,
        free_cpu_cores=room.free_cpu_cores - size.cpu_cores,
        free_memory_mib=room.free_memory_mib - size.memory_mib,
        promised_fraction=room.promised_fraction + size.steady_mbps / room.link_mbps,
        domain_count=room.domain_count + 1,
        node_count=room.node_count + 1,
    )


def placed(plan: Plan, rooms: Rooms) -> tuple[Plan, tuple[str, ...]]:
    """Return a plan whose launches say where they go, and the launches there is no room for.

    Parameters
    ----------
    plan : Plan
        As the planner made it.
    rooms : Rooms
        What is free before any of it is done.

    Returns
    -------
    plan : Plan
        Without the launches that go nowhere; the decision tells why.
    unplaced : tuple of str
        The instances of those.
    """
    actions, unplaced = list[Action](), list[Launch]()
    refusal: Refusal | None = None
    left = rooms
    for action in plan.actions:
        if not isinstance(action, Launch):
            actions.append(action)
            continue
        found = refusal or place(left.nodes, left.size)
        if isinstance(found, Refusal):
            refusal = refusal or _told(left)
            unplaced.append(action)
        else:
            left = taken(left, found.node_id)
            actions.append(msgspec.structs.replace(action, node_id=found.node_id))
    plan = msgspec.structs.replace(plan, actions=tuple(actions))
    if refusal is None:
        return plan, ()
    return _without(plan, unplaced, refusal.reason), tuple(one.instance_id for one in unplaced)


def _told(rooms: Rooms) -> Refusal:
    """Return the refusal as a decision carries it, short: the journal has the rooms beside it."""
    nodes = _by_name(rooms.nodes)
    told = f"{nodes[0].node_id[:_NAME_CHARS]} {lack(nodes[0], rooms.size)}" if nodes else "no node"
    more = f"; {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return Refusal(what="a launch", reason=told + more, fix="")


def _without(plan: Plan, unplaced: Sequence[Launch], why: str) -> Plan:
    warm = sum(one.is_warm for one in unplaced)
    decision = plan.decision
    return msgspec.structs.replace(
        plan,
        serving_count=plan.serving_count - (len(unplaced) - warm),
        warm_count=plan.warm_count - warm,
        decision=msgspec.structs.replace(
            decision,
            branch=_branch(plan.actions, decision.branch),
            reasons=(*decision.reasons, Reason.NO_ROOM),
            lacking=why,
        ),
    )


def _branch(actions: Sequence[Action], before: Branch) -> Branch:
    # what would have grown the total and goes nowhere is no growth
    if before is not Branch.SCALE_UP or any(isinstance(action, Launch) for action in actions):
        return before
    return Branch.PROMOTE if actions and isinstance(actions[0], Promote) else Branch.HOLD
