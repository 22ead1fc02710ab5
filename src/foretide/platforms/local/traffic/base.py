"""This file knows what is promised of every way in which requests reach instances."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

import msgspec

from foretide.errors import InvalidValueError


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where an instance answers.

    Parameters
    ----------
    instance_id : str
        The instance.
    host : str
        IP address.
    port : int
        TCP port, 1 ... 65535.
    """

    instance_id: str
    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """What tells it from others at one instant: no two instances listen at the same place."""
        return self.host, self.port


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the requests of a service come in, and how many instances may stand behind.

    Parameters
    ----------
    host : str
        IP address to listen on.
    port : int
        TCP port to listen on, 1 ... 65535.
    instances_max : int
        Most instances that serve at once, >= 1.
    request_timeout_s : float
        A request that an instance has not begun to answer after this time has failed, >= 0.1.
    """

    host: str = "127.0.0.1"
    port: int
    instances_max: int = 100
    request_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        try:
            # what follows a "%" may be anything, and this goes into a configuration
            ip_address(self.host.replace("%", " "))
        except ValueError:
            raise InvalidValueError(
                f"host must be an IP address such as 127.0.0.1, was {self.host!r}"
            ) from None
        if not 1 <= self.port <= 65_535:
            raise InvalidValueError(f"port must lie in [1, 65535], was {self.port}")
        if self.instances_max < 1:
            raise InvalidValueError(f"instances_max must be >= 1, was {self.instances_max}")
        if not self.request_timeout_s >= 0.1:
            raise InvalidValueError(
                f"request_timeout_s must be >= 0.1, was {self.request_timeout_s}"
            )


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of a service's requests since its counter began.

    Parameters
    ----------
    counter_id : str
        Which counter: another one has begun at zero.
    request_count : int
        Requests that came in, whatever became of them.
    failed_count : int
        Of these, answered with 5xx by the instance or for want of one, or cut short by it.
    aborted_count : int
        Of these, given up by who asked.
    in_flight_count : int
        Requests being answered right now.
    """

    counter_id: str
    request_count: int
    failed_count: int
    aborted_count: int
    in_flight_count: int


class Traffic(Protocol):
    """How requests reach instances: every call is short, may be repeated, and changes nothing then.

    An instance is parked by `dismiss`, waiting until it `is_idle`, `forget`, and only then frozen;
    it is promoted by thawing it and `admit`.
    """

    def admit(self, service: str, endpoint: Endpoint) -> None:
        """Let new requests reach an instance.

        Raises
        ------
        ActionFailedError
            When as many are admitted as ever may be: never retry.
        PlatformUnavailableError
            When the proxy does not answer: retry.
        """
        ...

    def dismiss(self, service: str, endpoint: Endpoint) -> None:
        """Let no new request reach an instance; those it has begun are finished.

        Raises
        ------
        PlatformUnavailableError
            When the proxy does not answer: retry.
        """
        ...

    def is_idle(self, service: str, endpoint: Endpoint) -> bool:
        """Return whether no request can be in flight on an instance, nor reach it.

        Raises
        ------
        PlatformUnavailableError
            When the proxy does not answer: retry.
        """
        ...

    def forget(self, service: str, endpoint: Endpoint) -> None:
        """Cut whatever still connects to an instance, so that nothing hangs when it is frozen.

        Raises
        ------
        PlatformUnavailableError
            When the proxy does not answer: retry.
        """
        ...

    def reconcile(self, service: str, serving: Sequence[Endpoint]) -> None:
        """Admit exactly `serving`: at the start, when another process has gone on without us.

        Requests in flight on others are finished.

        Raises
        ------
        ActionFailedError
            When these are more than may be admitted.
        PlatformUnavailableError
            When the proxy does not answer: retry.
        """
        ...

    def counted(self, service: str) -> Counted | None:
        """Return what was counted so far; None where nobody counts.

        Raises
        ------
        PlatformUnavailableError
            When the proxy does not answer.
        """
        ...

    def notes(self) -> tuple[str, ...]:
        """Return what was worked around since the last call, one line each, each said once."""
        ...

    def close(self, *, is_final: bool) -> None:
        """Let go: a final close ends what was started, else it goes on and is adopted later."""
        ...
