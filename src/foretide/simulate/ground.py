"""This file knows the nodes of a made world: what is promised on them, and how contents come there.

By equations: all that is fetched to a node at once shares what its instances and others leave of
the link. A content lies on a node once it came; a node that was lost comes back with none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.model.demand import Demand, FloatArray
from foretide.model.fleet import Node
from foretide.model.placement import MBIT_PER_MIB, NodeRoom, Rooms, Size
from foretide.model.plan import Refusal
from foretide.plan.place import lack, place, taken
from foretide.simulate.faults import Faults
from foretide.simulate.node_mishaps import NodeMishaps

STEP_S = 60
_KEPT_BUCKETS = 7 * 1440  # twice as long to forecast from, and hardly better, are two weeks
_EPSILON_S = 1e-9


class Terrain(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes, and what an instance is there.

    Parameters
    ----------
    nodes : tuple of Node
        Each name once.
    needs : Size
        What an instance takes; how long it boots is the world's to say.
    content_mib : float
        What a node that has none of a version must fetch, MiB, >= 0.
    """

    nodes: tuple[Node, ...]
    needs: Size
    content_mib: float


# What a world has whose faults befall nodes: room for every fleet, a package of a few seconds.
SIX_NODES = Terrain(
    nodes=tuple(
        Node(
            node_id=f"node-{n}", cpu_cores=1e5, memory_mib=1e8, link_mbps=1000.0,
            failure_domain=f"zone-{n % 3}",
        )
        for n in range(6)
    ),
    needs=Size(cpu_cores=1.0, memory_mib=512.0, steady_mbps=0.05),
    content_mib=200.0,
)  # fmt: skip


def terrain_for(terrain: Terrain | None, faults: Faults) -> Terrain | None:
    """Return the terrain of a world: the one given, or six nodes where faults need some."""
    needs_nodes = faults.node_losses or faults.partitions or faults.contention
    return SIX_NODES if terrain is None and needs_nodes is not None else terrain


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on the nodes while time passed.

    Parameters
    ----------
    fetched : tuple of (str, datetime)
        Instances whose content came, and when.
    lost : tuple of str
        Instances whose node is lost.
    """

    fetched: tuple[tuple[str, datetime], ...] = ()
    lost: tuple[str, ...] = ()


class Ground:
    """The nodes of one made world.

    Parameters
    ----------
    terrain : Terrain
    start : datetime
        The first instant, aware UTC.
    faults : Faults
        What befalls nodes.
    service : str
        The one service there is.
    """

    def __init__(self, terrain: Terrain, *, start: datetime, faults: Faults, service: str) -> None:
        self._terrain = terrain
        self._nodes = {node.node_id: node for node in terrain.nodes}
        self._start = self._now = start
        self._mishaps = NodeMishaps(faults, service, tuple(self._nodes))
        self._at: dict[str, tuple[str, str]] = {}  # where each is, and its version
        self._there: set[tuple[str, str]] = set()  # contents that lie on nodes
        self._left_mib: dict[tuple[str, str], float] = {}  # being fetched
        # by bucket, a share for each node; grown as it fills up
        self._used = np.empty((1440, len(self._nodes)))
        self._used_count = 0
        self._open = np.zeros(len(self._nodes))  # seconds of use in the bucket that is open

    def settle(self, names: Iterable[str], version: str) -> dict[str, str]:
        """Place what runs from the start, its content there already; return where."""
        found = dict[str, str]()
        rooms = self.rooms(version, boot_s=0.0)
        left = Rooms(
            size=rooms.size,
            nodes=tuple(msgspec.structs.replace(room, fetch_mib=0.0) for room in rooms.nodes),
        )
        for name in names:
            at = place(left.nodes, left.size)
            if isinstance(at, Refusal):
                break  # a world may begin with more than its nodes hold
            left = taken(left, at.node_id)
            self.take(name, at.node_id, version)
            self._there.add((at.node_id, version))
            found[name] = at.node_id
        return found

    def rooms(self, version: str, *, boot_s: float) -> Rooms:
        """Return where one more instance could go, by what is so now: nodes that are reached."""
        size = msgspec.structs.replace(self._terrain.needs, boot_s=boot_s)
        away = self._mishaps.away | self._mishaps.hidden
        counts = self._counts()
        return Rooms(
            size=size,
            nodes=tuple(
                self._room(node, version, counts)
                for node in self._terrain.nodes
                if node.node_id not in away
            ),
        )

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(self._nodes, 0)
        for node_id, _ in self._at.values():
            counts[node_id] += 1
        return counts

    def _room(self, node: Node, version: str, counts: dict[str, int]) -> NodeRoom:
        needs, here = self._terrain.needs, counts[node.node_id]
        key = (node.node_id, version)
        is_there = key in self._there
        return NodeRoom(
            node_id=node.node_id,
            failure_domain=node.failure_domain,
            free_cpu_cores=round(node.cpu_cores - here * needs.cpu_cores, 6),
            free_memory_mib=round(node.memory_mib - here * needs.memory_mib, 3),
            link_mbps=node.link_mbps,
            used_fraction=round(self._use_now(node, here), 4),
            promised_fraction=round(here * needs.steady_mbps / node.link_mbps, 6),
            fetch_mib=0.0 if is_there else self._left_mib.get(key, self._terrain.content_mib),
            domain_count=sum(
                counts[other.node_id]
                for other in self._terrain.nodes
                if other.failure_domain == node.failure_domain
            ),
            node_count=here,
            price_usd_per_hour=node.price_usd_per_hour,
        )

    def _use_now(self, node: Node, count: int) -> float:
        own = count * self._terrain.needs.steady_mbps / node.link_mbps
        return min(1.0, own + self._mishaps.others_fraction(node.node_id))

    def choose(self, version: str, *, boot_s: float = 0.0) -> str | Refusal:
        """Return the node an instance goes to where nobody said which, or why none."""
        rooms = self.rooms(version, boot_s=boot_s)
        found = place(rooms.nodes, rooms.size)
        return found if isinstance(found, Refusal) else found.node_id

    def refusal(self, node_id: str, version: str) -> str:
        """Return why an instance may not go to the node chosen for it; empty when it may."""
        rooms = self.rooms(version, boot_s=0.0)
        room = next((one for one in rooms.nodes if one.node_id == node_id), None)
        if room is None:
            return (
                f"{node_id} cannot be reached" if node_id in self._nodes else f"no node {node_id}"
            )
        lacking = lack(room, rooms.size)
        return f"{node_id} has {lacking}" if lacking else ""

    def take(self, name: str, node_id: str, version: str) -> None:
        """Promise an instance what it takes of a node."""
        self._at[name] = (node_id, version)

    def release(self, name: str) -> None:
        """Take back what was promised; a content nobody waits for any more is fetched no further.

        An instance that is unknown has nothing.
        """
        key = self._at.pop(name, None)
        if key in self._left_mib and key not in self._at.values():
            del self._left_mib[key]

    def begin(self, name: str) -> bool:
        """Begin to bring an instance its content; return whether it lies there already."""
        key = self._at[name]
        if key in self._there or self._terrain.content_mib <= 0:
            return True
        self._left_mib.setdefault(key, self._terrain.content_mib)
        return False

    def is_hidden(self, name: str) -> bool:
        """Return whether the node of an instance cannot be reached."""
        at = self._at.get(name)
        return at is not None and at[0] in self._mishaps.hidden

    @property
    def hides(self) -> bool:
        """Whether any node cannot be reached."""
        return bool(self._mishaps.hidden)

    def advance(self, now: datetime) -> Passed:
        """Let time pass until `now`."""
        fetched = tuple(self._fetch(now))
        self._account(now)
        before, self._now = self._now, now
        gone = self._mishaps.advance(before, now)
        lost = tuple(name for name, (node_id, _) in self._at.items() if node_id in gone)
        self._there = {key for key in self._there if key[0] not in gone}
        return Passed(
            fetched=tuple((n, at) for n, at in fetched if self._at[n][0] not in gone), lost=lost
        )

    def _fetch(self, now: datetime) -> Iterable[tuple[str, datetime]]:
        if not self._left_mib:
            return
        for row, node in enumerate(self._terrain.nodes):
            yield from self._fetch_to(node, row, now)

    def _fetch_to(self, node: Node, row: int, now: datetime) -> Iterable[tuple[str, datetime]]:
        # those under way share the link: the first to end is the next to tell of
        count = sum(at == node.node_id for at, _ in self._at.values())
        free_mbps = node.link_mbps * (1 - self._use_now(node, count))
        at, left_s = self._now, (now - self._now).total_seconds()
        while left_s > _EPSILON_S and free_mbps > 0:
            waiting = {key: mib for key, mib in self._left_mib.items() if key[0] == node.node_id}
            if not waiting:
                return
            rate = free_mbps / MBIT_PER_MIB / len(waiting)
            step_s = min(left_s, min(waiting.values()) / rate)
            at, left_s = at + timedelta(seconds=step_s), left_s - step_s
            self._open[row] += step_s * free_mbps / node.link_mbps
            for key, mib in waiting.items():
                self._left_mib[key] = mib - rate * step_s
                if self._left_mib[key] <= rate * _EPSILON_S:
                    del self._left_mib[key]
                    self._there.add(key)
                    yield from ((name, at) for name, where in self._at.items() if where == key)

    def _account(self, now: datetime) -> None:
        passed_s = (now - self._now).total_seconds()
        counts = self._counts()
        for row, node in enumerate(self._terrain.nodes):
            self._open[row] += passed_s * self._use_now(node, counts[node.node_id])
        closed = int((now - self._start).total_seconds() // STEP_S)
        fresh = closed - int((self._now - self._start).total_seconds() // STEP_S)
        if fresh > 0:
            self._keep(np.minimum(1.0, self._open / (fresh * STEP_S)).round(4), fresh)
            self._open[:] = 0.0

    def _keep(self, used: FloatArray, bucket_count: int) -> None:
        end = self._used_count + bucket_count
        if end > len(self._used):
            more = np.empty((max(end, 2 * len(self._used)), len(self._nodes)))
            more[: self._used_count] = self._used[: self._used_count]
            self._used = more
        self._used[self._used_count : end] = used
        self._used_count = end

    def link_use(self) -> tuple[Demand, ...]:
        """Return which share of each node's link was in use, minute by minute."""
        first = max(0, self._used_count - _KEPT_BUCKETS)
        table = self._used[first : self._used_count]
        start = self._start + timedelta(seconds=STEP_S * first)
        return tuple(
            Demand(series_id=node, start=start, step_s=STEP_S, values=table[:, row].copy())
            for row, node in enumerate(self._nodes)
        )
