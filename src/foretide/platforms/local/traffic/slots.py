"""This file knows which of HAProxy's servers is which instance's.

An instance is known by its address, which HAProxy keeps: whoever asks it knows
all there is to know. Each change is checked by what HAProxy says of the server in the same breath.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from foretide.platforms.local.traffic.configuration import NOWHERE
from foretide.platforms.local.traffic.runtime import (
    BACKEND,
    Address,
    Runtime,
    address_of,
    show_slot,
)

_ALL = -1
_READY, _DRAIN, _MAINTENANCE = "ready", "drain", "maint"


class Slots:
    """The servers of one HAProxy.

    Every call may raise OSError, when HAProxy does not answer or did not do what it was told.

    Parameters
    ----------
    runtime : Runtime
        Where it is told things.
    count : int
        How many there are.
    """

    def __init__(self, runtime: Runtime, *, count: int) -> None:
        self.count = count
        self._runtime = runtime
        self._numbers = dict[Address, int]()

    def known(self, numbers: Mapping[Address, int]) -> None:
        """Take it as known whose the servers are."""
        self._numbers = dict(numbers)

    def admitted(self, address: Address, *, kept: Collection[Address]) -> bool:
        """Let requests reach an address, and return whether there was room.

        Parameters
        ----------
        address : tuple of str and int
            Where they are to go.
        kept : collection of addresses
            Those whose servers are not up for reuse, however idle.
        """
        number = self._numbers.get(address) or self._free() or self._freed(kept)
        if number is None:
            return False
        self._numbers[address] = number
        self._tell(number, address, _READY, _moved(number, address), _state(number, _READY))
        return True

    def dismissed(self, address: Address) -> None:
        """Let no new request reach an address."""
        number = self._numbers.get(address)
        if number is not None:
            self._tell(number, address, _DRAIN, _state(number, _DRAIN))

    def is_idle(self, address: Address) -> bool:
        """Return whether no request is in flight there."""
        number = self._numbers.get(address)
        return number is None or _is_idle(self._runtime.statistics(show_slot(number))[0])

    def forgotten(self, address: Address) -> None:
        """Cut what connects to an address, and let its server be another's."""
        number = self._numbers.get(address)
        if number is None:
            return
        # out of service first: a request that is cut and may be asked again goes elsewhere
        self._tell(
            number, NOWHERE, _MAINTENANCE, _state(number, _MAINTENANCE),
            f"shutdown sessions server {BACKEND}/i{number}", _moved(number, NOWHERE),
        )  # fmt: skip
        del self._numbers[address]

    def reconciled(self, serving: Collection[Address]) -> None:
        """Let requests reach no other address than these; the servers of idle others are freed."""
        for address in [at for at in self._numbers if at not in serving]:
            self.dismissed(address)
        self._sweep(serving)

    def _free(self) -> int | None:
        taken = set(self._numbers.values())
        return next((n for n in range(1, self.count + 1) if n not in taken), None)

    def _freed(self, kept: Collection[Address]) -> int | None:
        self._sweep(kept)
        return self._free()

    def _sweep(self, kept: Collection[Address]) -> None:
        rows = self._runtime.statistics(show_slot(_ALL))
        idle = {address_of(row) for row in rows if _is_idle(row)}
        for address in [at for at in self._numbers if at not in kept and at in idle]:
            self.forgotten(address)

    def _tell(self, number: int, address: Address, state: str, *commands: str) -> None:
        rows = self._runtime.statistics(*commands, show_slot(number))
        status = rows[0]["status"].lower() if rows else "not known"
        is_open = not status.startswith((_DRAIN, _MAINTENANCE))
        is_so = is_open if state == _READY else status.startswith(state)
        if not rows or address_of(rows[0]) != address or not is_so:
            raise OSError(f"server i{number} was to be {state} but is {status}")


def _state(number: int, state: str) -> str:
    return f"set server {BACKEND}/i{number} state {state}"


def _moved(number: int, address: Address) -> str:
    return f"set server {BACKEND}/i{number} addr {address[0]} port {address[1]}"


def _is_idle(row: Mapping[str, str]) -> bool:
    return row["scur"] == "0" and row["qcur"] == "0"
