"""This file knows the nodes of this machine: what is promised on each, and what each has fetched.

Without any configured there is one, the machine itself, where every installed content lies already.
A configured node is a part of the machine with a folder, a link and shares of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.model.fleet import Node
from foretide.model.instant import Clock
from foretide.model.placement import MBIT_PER_MIB, NodeRoom, Rooms, Size
from foretide.model.plan import Refusal
from foretide.plan.place import lack
from foretide.platforms.local.content import MIB, Content
from foretide.platforms.local.link_use import LinkUse
from foretide.platforms.local.manifest import Needs
from foretide.platforms.local.transfer import Link, clear_broken, transferred

HOME = "here"
_HOME_LINK_MBPS = 1000.0  # where no card says how fast it is
_TRANSFERS_KEPT = 100


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """Where a content lies on a node, and what bringing it there took.

    Parameters
    ----------
    node_id : str
    folder : Path
    transfer_s : float
        0 where it lay there already.
    mib : float
        What was brought.
    """

    node_id: str
    folder: Path
    transfer_s: float
    mib: float

    @property
    def mbps(self) -> float | None:
        """The rate that was measured; None where nothing was brought."""
        return self.mib * MBIT_PER_MIB / self.transfer_s if self.transfer_s > 0 else None


class _Promise(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    node_id: str
    needs: Needs
    carries_mbps: float = 0.0  # its own traffic as last measured


def this_machine() -> Node:
    """Return the machine as one node: its cores, its memory, its fastest network card."""
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Node(
        node_id=HOME,
        cpu_cores=float(len(os.sched_getaffinity(0))),
        memory_mib=pages * page / MIB,
        link_mbps=_link_mbps(Path("/sys/class/net")),
    )


def _link_mbps(cards: Path) -> float:
    speeds = list[float]()
    for path in cards.glob("*/speed"):
        try:
            speeds.append(float(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # a card that is down, or knows no speed
    fastest = max(speeds, default=0.0)
    return fastest if fastest > 0 else _HOME_LINK_MBPS


class Nodes:
    """The nodes of a platform; may be asked from any thread.

    Parameters
    ----------
    root : Path
        The platform's folder.
    nodes : sequence of Node
        Empty: this machine is the one node.
    clock : Clock
        Tells which minute the use of links is counted in.

    Raises
    ------
    InputError
        When two nodes have one name.
    """

    def __init__(self, root: Path, nodes: Sequence[Node] = (), *, clock: Clock) -> None:
        self._root, self._clock = root, clock
        self._is_home = not nodes
        self.nodes: Mapping[str, Node] = {
            node.node_id: node for node in (nodes or (this_machine(),))
        }
        if len(self.nodes) < len(nodes):
            raise InputError("two nodes have one name; give each its own")
        self._links = {name: Link(node.link_mbps) for name, node in self.nodes.items()}
        self._uses = {name: LinkUse(self._folder(name) / "link.csv") for name in self.nodes}
        self._promises: dict[str, _Promise] = {}
        self._fetching: dict[Path, asyncio.Lock] = {}
        self._sampled_s = time.monotonic()
        self._sent_mbit = dict.fromkeys(self.nodes, 0.0)
        self._transfers: deque[Fetched] = deque(maxlen=_TRANSFERS_KEPT)
        self._mutex = threading.Lock()
        for name in self.nodes:
            clear_broken(self._contents(name))

    def _folder(self, node_id: str) -> Path:
        return self._root / "nodes" / node_id

    def _contents(self, node_id: str) -> Path:
        return self._folder(node_id) / "content"

    def has(self, node_id: str, content: Content) -> bool:
        """Return whether a content lies on a node already."""
        return self._is_home or (self._contents(node_id) / content.digest).is_dir()

    def rooms(self, service: str, content: Content, *, boot_s: float = 0.0) -> Rooms:
        """Return where one more instance of a service could go, by what is so at present.

        Parameters
        ----------
        service : str
            Its other instances are counted, to be spread.
        content : Content
            What it runs.
        boot_s : float
            From its content being there to ready, >= 0.
        """
        needs = content.manifest.needs
        size = Size(
            cpu_cores=needs.cpu_cores, memory_mib=needs.memory_mib,
            steady_mbps=needs.steady_mbps, boot_s=boot_s,
        )  # fmt: skip
        with self._mutex:
            promises = list(self._promises.values())
            used = {name: min(1.0, use.latest()) for name, use in self._uses.items()}
        return Rooms(
            size=size,
            nodes=tuple(
                self._room(node, service, content, promises, used[name])
                for name, node in self.nodes.items()
            ),
        )

    def _room(
        self,
        node: Node,
        service: str,
        content: Content,
        promises: Sequence[_Promise],
        used_fraction: float,
    ) -> NodeRoom:
        here = [one for one in promises if one.node_id == node.node_id]
        of_service = [self.nodes[one.node_id] for one in promises if one.service == service]
        return NodeRoom(
            node_id=node.node_id,
            failure_domain=node.failure_domain,
            free_cpu_cores=round(node.cpu_cores - sum(p.needs.cpu_cores for p in here), 6),
            free_memory_mib=round(node.memory_mib - sum(p.needs.memory_mib for p in here), 3),
            link_mbps=node.link_mbps,
            used_fraction=round(used_fraction, 4),
            promised_fraction=round(sum(p.needs.steady_mbps for p in here) / node.link_mbps, 4),
            fetch_mib=0.0 if self.has(node.node_id, content) else round(content.size_mib, 4),
            domain_count=sum(at.failure_domain == node.failure_domain for at in of_service),
            node_count=sum(at.node_id == node.node_id for at in of_service),
            price_usd_per_hour=node.price_usd_per_hour,
        )

    def refusal(self, service: str, content: Content, node_id: str) -> Refusal | None:
        """Return why an instance may not go to a node that was chosen for it; None when it may."""
        rooms = self.rooms(service, content)
        room = next((one for one in rooms.nodes if one.node_id == node_id), None)
        if room is None:
            known = ", ".join(self.nodes)
            return Refusal(
                what="a launch", reason=f"there is no node {node_id}", fix=f"use {known}"
            )
        lacking = lack(room, rooms.size)
        if not lacking:
            return None
        return Refusal(what="a launch", reason=f"{node_id} has {lacking}", fix="use another node")

    def take(
        self,
        instance_id: str,
        *,
        service: str,
        node_id: str,
        needs: Needs,
    ) -> None:
        """Promise an instance what it needs of a node; said again it replaces what was promised.

        Raises
        ------
        InputError
            When there is no such node (any more).
        """
        if node_id not in self.nodes:
            raise InputError(f"{instance_id}: there is no node {node_id}; configure it again")
        with self._mutex:
            self._promises[instance_id] = _Promise(service=service, node_id=node_id, needs=needs)

    def release(self, instance_id: str) -> None:
        """Take back what was promised to an instance; one that is unknown has nothing."""
        with self._mutex:
            self._promises.pop(instance_id, None)

    def carried(self, instance_id: str, mbps: float) -> None:
        """Note what an instance's own traffic takes of its node's link, where it is known."""
        with self._mutex:
            promise = self._promises.get(instance_id)
            if promise is not None:
                self._promises[instance_id] = msgspec.structs.replace(promise, carries_mbps=mbps)

    async def fetched(self, node_id: str, content: Content) -> Fetched:
        """Bring a content to a node over its link, unless it lies there; return where it is.

        Whoever needs the same content of the same node waits for the one transfer.
        """
        if self._is_home:
            return Fetched(node_id=node_id, folder=content.folder, transfer_s=0.0, mib=0.0)
        into = self._contents(node_id)
        folder = into / content.digest
        async with self._fetching.setdefault(folder, asyncio.Lock()):
            took_s = await transferred(content, into, link=self._links[node_id])
        mib = content.size_mib if took_s > 0 else 0.0
        found = Fetched(node_id=node_id, folder=folder, transfer_s=took_s, mib=mib)
        if mib:
            self._transfers.append(found)
        return found

    def transfers(self) -> tuple[Fetched, ...]:
        """Return the latest transfers and so the rates that were measured, newest last."""
        return tuple(self._transfers)

    def sample(self) -> None:
        """Note how the links were used since the last time; to be called about once a second.

        What instances carry is what was measured of them, and never less than they were promised.
        """
        now_s, now = time.monotonic(), self._clock.now()
        passed_s, self._sampled_s = now_s - self._sampled_s, now_s
        if passed_s <= 0:
            return
        with self._mutex:
            for name, node in self.nodes.items():
                sent = self._links[name].sent_mbit
                brought, self._sent_mbit[name] = sent - self._sent_mbit[name], sent
                own_mbps = sum(
                    max(p.needs.steady_mbps, p.carries_mbps)
                    for p in self._promises.values() if p.node_id == name
                )  # fmt: skip
                used = (brought / passed_s + own_mbps) / node.link_mbps
                self._uses[name].note(now, min(1.0, used), passed_s)

    def link_use(self) -> tuple[Demand, ...]:
        """Return the share of each node's link in use, by the minute; see `LinkUse.series`."""
        with self._mutex:
            found = [use.series(name) for name, use in self._uses.items()]
        return tuple(series for series in found if series is not None)
