"""This file knows the instances of a root as they stand, and moves them as the lifecycle allows.

Whoever reads or moves holds `lock`: orders come from one thread, news of processes from another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.fleet import LIFECYCLE, Fleet, InstanceState
from foretide.model.instant import Clock
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.record import GONE, Record, Records


class Lives:
    """All instances of which anything is left.

    Parameters
    ----------
    records : Records
        Where each move is written down.
    clock : Clock
        Says when it happened.
    notes : Notes
        Told when a move could not be written down: the instance goes on nevertheless, and a
        new control plane finds it one move behind.
    """

    def __init__(self, records: Records, *, clock: Clock, notes: Notes) -> None:
        self.lock = threading.RLock()
        self._records, self._clock, self._notes = records, clock, notes
        self._lives = {record.instance_id: record for record in records.read()}
        self._ordinal = max((r.ordinal for r in self._lives.values()), default=0)
        self._fleets: dict[str, Fleet] = {}

    def get(self, instance_id: str) -> Record | None:
        """Return what is known of an instance, None when nothing is left of it."""
        return self._lives.get(instance_id)

    def all(self) -> tuple[Record, ...]:
        """Return all, oldest first."""
        return tuple(self._lives.values())

    def ports(self) -> frozenset[int]:
        """Return the ports in use."""
        return frozenset(record.port for record in self._lives.values())

    def add(
        self, instance_id: str, *, service: str, version: str, node_id: str, is_serving_next: bool
    ) -> Record:
        """Add an instance that was asked for."""
        now = self._clock.now()
        self._ordinal += 1
        record = Record(
            instance_id=instance_id, service=service, version=version, ordinal=self._ordinal,
            state=InstanceState.REQUESTED, since=now, asked_at=now, node_id=node_id,
            is_serving_next=is_serving_next,
        )  # fmt: skip
        self._keep(record)
        return record

    def move(self, instance_id: str, *states: InstanceState) -> Record:
        """Move an instance through `states`, and write the last of them down.

        Raises
        ------
        InvalidValueError
            When the lifecycle knows no such move.
        """
        record = self._lives[instance_id]
        now = self._clock.now()
        for state in states:
            if (record.state, state) not in LIFECYCLE:
                raise InvalidValueError(f"{instance_id} must not go from {record.state} to {state}")
            record = msgspec.structs.replace(record, state=state, since=now)
        self._keep(record)
        return record

    def started(self, instance_id: str, who: Identity, *, port: int) -> Record:
        """Say which process an instance is, and where it listens."""
        return self._changed(instance_id, identity=who, port=port)

    def listens(self, instance_id: str, port: int) -> Record:
        """Say where an instance will listen, before it is started."""
        return self._changed(instance_id, port=port)

    def followed(self, instance_id: str, version: str) -> Record:
        """Say which version an instance is to be started with once it has ended."""
        return self._changed(instance_id, next_version=version)

    def begun_anew(self, instance_id: str) -> Record:
        """Put in the place of an instance that ended one of its next version, asked for now."""
        record = self._lives[instance_id]
        now = self._clock.now()
        anew = Record(
            instance_id=instance_id, service=record.service,
            version=record.next_version or record.version, ordinal=record.ordinal,
            state=InstanceState.REQUESTED, since=now, asked_at=now, node_id=record.node_id,
            is_serving_next=record.is_serving_next,
        )  # fmt: skip
        self._keep(anew)
        return anew

    def forget(self, instance_id: str) -> None:
        """Forget an instance of which nothing is left."""
        record = self._lives.pop(instance_id, None)
        if record is None:
            return
        self._fleets.pop(record.service, None)
        try:
            self._records.remove(instance_id)
        except OSError as error:
            self._notes.add(f"the record of {instance_id} stays behind: {error.strerror}")

    def fleet(self, service: str) -> Fleet:
        """Return all of a service that are not gone, oldest first."""
        known = self._fleets.get(service)
        if known is None:
            known = Fleet(
                service=service,
                observed_at=self._clock.now(),
                instances=tuple(r.instance for r in _seen(self._lives.values(), service)),
            )
            self._fleets[service] = known
        return Fleet(service=service, observed_at=self._clock.now(), instances=known.instances)

    def _changed(self, instance_id: str, **what: object) -> Record:
        record = msgspec.structs.replace(self._lives[instance_id], **what)
        self._keep(record)
        return record

    def _keep(self, record: Record) -> None:
        self._lives[record.instance_id] = record
        self._fleets.pop(record.service, None)
        try:
            self._records.write(record)
        except OSError as error:
            self._notes.add(f"moves of instances are not written down: {error.strerror}")


def _seen(records: Iterable[Record], service: str) -> list[Record]:
    return [r for r in records if r.service == service and r.state not in GONE]
