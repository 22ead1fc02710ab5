"""This file knows how an instance gets requests, and none any more; also where nobody routes."""

from __future__ import annotations

from collections.abc import Iterable

from foretide.errors import PlatformError, PlatformUnavailableError
from foretide.platforms.local.notes import Notes
from foretide.platforms.local.record import Record
from foretide.platforms.local.traffic.base import Endpoint, Traffic

HOST = "127.0.0.1"


class Doors:
    """The traffic of all services; without one everything is idle at once.

    Parameters
    ----------
    traffic : Traffic, optional
        Who routes.
    notes : Notes
        Told when who routes did not answer where nothing hangs on it.
    """

    def __init__(self, traffic: Traffic | None, *, notes: Notes) -> None:
        self._traffic, self._notes = traffic, notes

    def admit(self, record: Record) -> None:
        """Give an instance requests.

        Raises
        ------
        PlatformUnavailableError
            When who routes does not answer: ask again.
        """
        if self._traffic is not None:
            self._traffic.admit(record.service, _endpoint(record))

    def dismiss(self, record: Record) -> None:
        """Give an instance no new requests.

        Raises
        ------
        PlatformUnavailableError
            When who routes does not answer: ask again.
        """
        if self._traffic is not None:
            self._traffic.dismiss(record.service, _endpoint(record))

    def is_idle(self, record: Record) -> bool:
        """Return whether an instance is known to have no request under way."""
        try:
            return self._traffic is None or self._traffic.is_idle(record.service, _endpoint(record))
        except PlatformUnavailableError as error:
            self._notes.add(str(error))
            return False

    def forget(self, record: Record) -> None:
        """Forget an instance that serves nobody; asked again at the next start if not answered."""
        if self._traffic is None or not record.port:
            return
        try:
            self._traffic.forget(record.service, _endpoint(record))
        except PlatformUnavailableError as error:
            self._notes.add(str(error))

    def reconcile(self, service: str, serving: Iterable[Record]) -> None:
        """Give requests to exactly these instances of a service."""
        if self._traffic is None:
            return
        try:
            self._traffic.reconcile(service, [_endpoint(record) for record in serving])
        except PlatformError as error:  # who is left out is admitted when it is promoted
            self._notes.add(str(error))

    def close(self, *, is_final: bool) -> None:
        """Let who routes go on alone; finally: end it."""
        if self._traffic is not None:
            self._traffic.close(is_final=is_final)


def _endpoint(record: Record) -> Endpoint:
    return Endpoint(instance_id=record.instance_id, host=HOST, port=record.port)
