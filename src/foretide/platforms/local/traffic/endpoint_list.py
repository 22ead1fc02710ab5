"""This file knows how instances are made known where no proxy stands before them.

`endpoints/SERVICE.json` in the platform's folder is replaced wholly at each change, so whoever
reads it sees one state or the next. Nobody counts requests there: an instance that is taken off the
list is idle after a time of grace, in which clients read the list again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from foretide.errors import PlatformUnavailableError
from foretide.model.instant import Clock
from foretide.platforms.local.root import replaced
from foretide.platforms.local.traffic.base import Counted, Endpoint

GRACE_S = 5.0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds.

    Parameters
    ----------
    service : str
        Whose instances these are.
    version : int
        Counts changes.
    changed_at : datetime
        When the last one was, by the platform's clock.
    endpoints : tuple of Endpoint
        Where requests may be sent.
    """

    service: str
    version: int
    changed_at: datetime
    endpoints: tuple[Endpoint, ...]


class EndpointList:
    """Traffic by a published list.

    Parameters
    ----------
    root : Path
        The platform's folder.
    clock : Clock
        Whose time a change is stamped with.
    grace_s : float
        How long after it was taken off the list an instance may still be asked, >= 0.
    notes : sequence of str
        Why there is no proxy.
    """

    def __init__(
        self, root: Path, *, clock: Clock, grace_s: float = GRACE_S, notes: Sequence[str] = ()
    ) -> None:
        self._folder = root.absolute() / "endpoints"
        self._clock = clock
        self._grace_s = grace_s
        self._notes = tuple(notes)
        self._lists = dict[str, Published]()
        self._turn = threading.RLock()  # a change reads what it changes
        # until when one that was taken off may still be asked, by the machine's steady clock
        self._busy_until_s = dict[tuple[str, str, int], float]()

    def admit(self, service: str, endpoint: Endpoint) -> None:
        """Put an instance on the list."""
        with self._turn:
            self._busy_until_s.pop((service, *endpoint.address), None)
            now = self.published(service).endpoints
            if endpoint not in now:
                self._publish(service, (*_without(now, endpoint), endpoint))

    def dismiss(self, service: str, endpoint: Endpoint) -> None:
        """Take an instance off the list."""
        with self._turn:
            now = self.published(service).endpoints
            others = _without(now, endpoint)
            if len(others) < len(now):
                self._publish(service, others)
                key = (service, *endpoint.address)
                self._busy_until_s[key] = time.monotonic() + self._grace_s

    def is_idle(self, service: str, endpoint: Endpoint) -> bool:
        """Return whether it is off the list, and has been for the time of grace."""
        with self._turn:
            now = self.published(service).endpoints
            until_s = self._busy_until_s.get((service, *endpoint.address))
        is_listed = len(_without(now, endpoint)) < len(now)
        return not is_listed and (until_s is None or time.monotonic() >= until_s)

    def forget(self, service: str, endpoint: Endpoint) -> None:
        """Take an instance off the list, however it is used."""
        with self._turn:
            self.dismiss(service, endpoint)
            self._busy_until_s.pop((service, *endpoint.address), None)

    def reconcile(self, service: str, serving: Sequence[Endpoint]) -> None:
        """Publish exactly `serving`."""
        with self._turn:
            kept = {endpoint.address for endpoint in serving}
            for endpoint in self.published(service).endpoints:
                if endpoint.address not in kept:
                    self.dismiss(service, endpoint)
            if self.published(service).endpoints != tuple(serving):
                self._publish(service, tuple(serving))

    def counted(self, service: str) -> Counted | None:  # noqa: ARG002 - the port's
        """Return None: nobody counts."""
        return None

    def notes(self) -> tuple[str, ...]:
        """Return why there is no proxy, once."""
        said, self._notes = self._notes, ()
        return said

    def close(self, *, is_final: bool) -> None:
        """Leave the lists as they are; a final close removes them."""
        if is_final:
            for path in self._folder.glob("*.json"):
                self.withdraw(path.stem)

    def withdraw(self, service: str) -> None:
        """Publish nothing of a service any more: a proxy stands before it, or all is over.

        Raises
        ------
        PlatformUnavailableError
            When the list cannot be changed.
        """
        path = self._folder / f"{service}.json"
        with self._turn:
            for endpoint in self.published(service).endpoints:
                self.dismiss(service, endpoint)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise _unwritable(path, error) from error

    def published(self, service: str) -> Published:
        """Return what is on the list of a service.

        Raises
        ------
        PlatformUnavailableError
            When what another process published cannot be read.
        """
        if service not in self._lists:
            self._lists[service] = self._read(service)
        return self._lists[service]

    def _read(self, service: str) -> Published:
        path = self._folder / f"{service}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Published)
        except (FileNotFoundError, msgspec.DecodeError):
            # one that cannot be read is replaced by the next change
            return Published(service=service, version=0, changed_at=self._clock.now(), endpoints=())
        except OSError as error:
            raise PlatformUnavailableError(f"{path} cannot be read: {error.strerror}") from error

    def _publish(self, service: str, endpoints: tuple[Endpoint, ...]) -> None:
        path = self._folder / f"{service}.json"
        changed = Published(
            service=service, version=self.published(service).version + 1,
            changed_at=self._clock.now(), endpoints=endpoints,
        )  # fmt: skip
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replaced(path, msgspec.json.encode(changed))
        except OSError as error:
            raise _unwritable(path, error) from error
        self._lists[service] = changed


def _without(endpoints: tuple[Endpoint, ...], left_out: Endpoint) -> tuple[Endpoint, ...]:
    return tuple(one for one in endpoints if one.address != left_out.address)


def _unwritable(path: Path, error: OSError) -> PlatformUnavailableError:
    return PlatformUnavailableError(f"{path} cannot be written: {error.strerror}")
