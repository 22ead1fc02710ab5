"""This file knows what is written down of each instance, so that another process can go on with it.

A record is a file of its own, replaced wholly at each move. One that is not there any more is an
instance of which nothing is left.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from foretide.errors import PlatformError
from foretide.model.fleet import Instance, InstanceState
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.root import replaced

GONE = frozenset({InstanceState.TERMINATED, InstanceState.FAILED})


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of one instance.

    Parameters
    ----------
    instance_id, service, version : str
        Its name, what it belongs to, and the version it runs.
    ordinal : int
        Counts launches: a smaller one is older.
    state : InstanceState
        Where it stands; `TERMINATED` and `FAILED` while its processes are being ended.
    since, asked_at : datetime
        When it entered that state, and when it was asked for, by the platform's clock.
    is_serving_next : bool
        Whether it will serve once it is ready.
    node_id : str
        Where it is.
    port : int
        Where it listens; 0 until it is started.
    identity : Identity, optional
        Its process; None until that is known.
    next_version : str, optional
        The version that it is to be started with once it has ended.
    """

    instance_id: str
    service: str
    version: str
    ordinal: int
    state: InstanceState
    since: datetime
    asked_at: datetime
    node_id: str
    is_serving_next: bool = True
    port: int = 0
    identity: Identity | None = None
    next_version: str | None = None

    @property
    def instance(self) -> Instance:
        """What a platform reports of it."""
        return Instance(
            instance_id=self.instance_id, service=self.service, version=self.version,
            state=self.state, since=self.since, is_serving_next=self.is_serving_next,
            node_id=self.node_id,
        )  # fmt: skip


class Records:
    """The records of a root.

    Parameters
    ----------
    folder : Path
        Where they lie, one file each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Record]:
        """Return all, oldest first.

        Raises
        ------
        PlatformError
            When one cannot be read; nothing may be done then, as what runs would be unknown.
        """
        decoder = msgspec.json.Decoder(Record)
        found = list[Record]()
        for path in self._folder.glob("*.json"):
            if path.name.startswith("."):
                continue  # left by a process that was killed while it wrote
            try:
                found.append(decoder.decode(path.read_bytes()))
            except (OSError, msgspec.DecodeError) as error:
                raise PlatformError(
                    f"{path} cannot be read ({error}); remove it: "
                    "if its instance runs it is found by its process"
                ) from None
        return sorted(found, key=lambda record: record.ordinal)

    def write(self, record: Record) -> None:
        """Write one down in place of what was known of its instance.

        Raises
        ------
        OSError
            When it cannot be written: what was known stays.
        """
        replaced(self._at(record.instance_id), msgspec.json.encode(record))

    def remove(self, instance_id: str) -> None:
        """Forget one; that there is none is no error."""
        self._at(instance_id).unlink(missing_ok=True)

    def _at(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}.json"
