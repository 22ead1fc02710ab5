"""This file knows how the warm instances of each service are held, and let go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from foretide.platforms.local.contents import Contents
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.isolation import Isolation
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.record import Record
from foretide.platforms.local.service import LocalService
from foretide.platforms.local.warm import WarmState, warm_state


def worker_count(who: Identity) -> int:
    """Return how many processes a program has started itself that still run."""
    try:
        told = Path(f"/proc/{who.pid}/task/{who.pid}/children").read_text(encoding="ascii")
    except OSError:
        return 0
    return len(told.split())


class Warmth:
    """How instances become warm and grow again, each as its service asks and its package can.

    Parameters
    ----------
    services : mapping of LocalService
        By name.
    contents : Contents
        What packages say of themselves.
    isolation : Isolation
        By which resources are taken and given.
    notes : Notes
        Where it is said what cannot be as asked.
    """

    def __init__(
        self,
        services: Mapping[str, LocalService],
        contents: Contents,
        isolation: Isolation,
        *,
        notes: Notes,
    ) -> None:
        self._services, self._contents, self._isolation = services, contents, isolation
        self._notes = notes
        self._states: dict[tuple[str, str], WarmState] = {}
        self._full_counts: dict[str, int] = {}

    def is_minimal(self, record: Record) -> bool:
        """Return whether an instance goes on in one worker while it is warm."""
        service = self._services.get(record.service)
        return (
            service is not None
            and service.warm == "minimal"
            and self._contents.manifest(record).minimal is not None
        )

    def hold(self, record: Record) -> None:
        """Hold an instance that serves nobody warm; asked again nothing changes."""
        if record.identity is not None:
            if self.is_minimal(record):
                count = max(worker_count(record.identity), self.full_count(record))
                self._full_counts[record.instance_id] = count
            self._state(record).hold(record.instance_id, record.identity)

    def grow(self, record: Record) -> None:
        """Let an instance serve again; asked again nothing changes."""
        if record.identity is not None:
            self._state(record).grow(record.instance_id, record.identity)

    def full_count(self, record: Record) -> int:
        """Return how many workers an instance had before it was shrunk; 0 where nobody saw it."""
        return self._full_counts.get(record.instance_id, 0)

    def forget(self, instance_id: str) -> None:
        """Forget an instance that is gone."""
        self._full_counts.pop(instance_id, None)

    def let_go(self, record: Record) -> None:
        """Let an instance that is to end hear of it; one that is shrunk need not grow for that."""
        if not self.is_minimal(record):
            self.grow(record)

    def _state(self, record: Record) -> WarmState:
        key = record.service, record.version
        state = self._states.get(key)
        if state is None:
            manifest = self._contents.manifest(record)
            kind = "minimal" if self.is_minimal(record) else "frozen"
            service = self._services.get(record.service)
            if service is not None and service.warm != kind:
                self._notes.add(
                    f'warm instances of {record.service} {record.version} are held "{kind}": '
                    f'its package.toml has no [{service.warm}], which warm = "{service.warm}" needs'
                )
            state = warm_state(kind, manifest.minimal, self._isolation, needs=manifest.needs)
            self._states[key] = state
        return state
