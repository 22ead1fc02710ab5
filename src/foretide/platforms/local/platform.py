"""This file knows the embedded platform: instances are processes of this machine.

Nothing here waits for an instance: `apply` begins, `observe` tells. A promote is done in full, as
it takes milliseconds. When this process ends, in whatever way, the instances go on, and the next
platform on the same folder adopts them; bound to it they end with it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from foretide.errors import ForetideError
from foretide.model.demand import Demand
from foretide.model.fleet import Fleet, LeadTimes, Node
from foretide.model.instant import Clock
from foretide.model.placement import Rooms
from foretide.model.plan import Action
from foretide.platforms.base import Outcome, Receipt
from foretide.platforms.local.adoption import adopt
from foretide.platforms.local.contents import Contents
from foretide.platforms.local.doors import Doors
from foretide.platforms.local.down import ended_in
from foretide.platforms.local.failures import Failure, Failures
from foretide.platforms.local.guard import Guard
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.keeper import Keeper
from foretide.platforms.local.lead import Leads
from foretide.platforms.local.lives import Lives
from foretide.platforms.local.nodes import Nodes
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.orders import carried_out
from foretide.platforms.local.ports import Ports
from foretide.platforms.local.receipts import Receipts, already_done
from foretide.platforms.local.record import Records
from foretide.platforms.local.root import Root
from foretide.platforms.local.rounds import rounds
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.site import Site
from foretide.platforms.local.traffic.base import Traffic
from foretide.platforms.local.warmth import Warmth


class LocalPlatform:
    """A platform of processes; may be asked from any thread.

    Parameters
    ----------
    root : Path
        Its folder; one process owns it at a time.
    services : mapping of LocalService
        What it runs, by name.
    nodes : sequence of Node
        Parts of this machine; none: the machine is one node.
    traffic : Traffic, optional
        How requests reach instances; closed together with the platform.
    clock : Clock
        The time in which fleets and lead times are told.
    is_bound : bool
        Whether instances end with this process, however that ends.

    Attributes
    ----------
    changed : threading.Event
        Set when an instance is ready, is lost or fails; cleared by whoever has looked.

    Raises
    ------
    InputError
        When another process owns the folder, or it cannot be used.
    PlatformError
        When what is in it cannot be read.
    """

    def __init__(
        self,
        root: Path,
        *,
        services: Mapping[str, LocalService],
        nodes: Sequence[Node] = (),
        traffic: Traffic | None = None,
        clock: Clock,
        is_bound: bool = False,
    ) -> None:
        self.changed = threading.Event()
        self._root = Root(root)
        self._traffic = traffic
        self._is_open = True
        try:
            self._receipts = Receipts(self._root.path / "receipts.jsonl")
            self._site = _site(
                self._root, services, nodes, traffic,
                clock=clock, changed=self.changed, is_bound=is_bound,
            )  # fmt: skip
        except (ForetideError, OSError):
            self._root.close()
            raise
        self._guard = Guard(self._root.id, self._site.isolation.folders) if is_bound else None
        try:
            adopt(self._site, self._receipts)
        except (ForetideError, OSError):
            self.close()
            raise
        self._site.keeper.begin("", lambda: rounds(self._site))

    def observe(self, service: str) -> Fleet:
        """Return what runs for a service; see `Platform.observe`."""
        with self._site.lives.lock:
            return self._site.lives.fleet(service)

    def apply(self, action: Action) -> Receipt:
        """Begin one action; see `Platform.apply`."""
        with self._site.lives.lock:
            known = self._receipts.known(action.action_id)
            if known is not None:
                return known if known.outcome is Outcome.REFUSED else already_done(action)
            self._receipts.begin(action)
            receipt = carried_out(self._site, action)
            self._receipts.answer(receipt)
            return receipt

    def failures(self, service: str) -> tuple[Failure, ...]:
        """Return what went wrong with a service's instances lately, newest last."""
        return self._site.failures.of(service)

    def lead_times(self, service: str) -> LeadTimes:
        """Return how long its instances take to come, as measured lately."""
        return self._site.leads.of(service)

    def rooms(self, service: str, version: str) -> Rooms:
        """Return where one more instance of a version may go.

        Raises
        ------
        InputError
            When there is no such version.
        """
        boot_s = self.lead_times(service).boot_p50_s or 0.0
        return self._site.nodes.rooms(
            service, self._site.contents.of(service, version), boot_s=boot_s
        )

    @property
    def root(self) -> Path:
        """Its folder."""
        return self._root.path

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes, by name."""
        return self._site.nodes.nodes

    def link_use(self) -> tuple[Demand, ...]:
        """Return the share of each node's link in use, by the minute."""
        return self._site.nodes.link_use()

    def notes(self) -> tuple[str, ...]:
        """Return what was worked around, each once."""
        if self._traffic is not None:
            for text in self._traffic.notes():
                self._site.notes.add(text)
        for text in self._site.isolation.notes():
            self._site.notes.add(text)
        return self._site.notes.all()

    def close(self) -> None:
        """Let go of the folder: instances go on, those bound to this process are ended."""
        if self._site.is_bound:
            self.down()
        elif self._is_open:
            self._let_go()
            self._site.doors.close(is_final=False)
            self._root.close()

    def down(self) -> tuple[str, ...]:
        """End everything this folder ever started, and return the instances that were ended."""
        if not self._is_open:
            return ()
        self._let_go()
        self._site.doors.close(is_final=True)
        names = ended_in(self._root, isolation=self._site.isolation)
        if self._guard is not None:
            self._guard.close()
        self._root.close()
        return names

    def _let_go(self) -> None:
        self._is_open = False
        self._site.keeper.close()
        self._site.leads.save()
        self._receipts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _site(
    root: Root,
    services: Mapping[str, LocalService],
    nodes: Sequence[Node],
    traffic: Traffic | None,
    *,
    clock: Clock,
    changed: threading.Event,
    is_bound: bool,
) -> Site:
    notes = Notes()
    isolation = Isolation(root.id)
    lives = Lives(Records(root.path / "instances"), clock=clock, notes=notes)
    rooms = Nodes(root.path, nodes, clock=clock)
    contents = Contents(root.path)
    return Site(
        root=root, services=services, lives=lives, keeper=Keeper(notes),
        doors=Doors(traffic, notes=notes), contents=contents, nodes=rooms, isolation=isolation,
        warmth=Warmth(services, contents, isolation, notes=notes), failures=Failures(),
        leads=Leads(root.path / "leads.json"), ports=Ports(root.id), notes=notes, clock=clock,
        changed=changed, is_bound=is_bound,
    )  # fmt: skip
