"""This file knows which port the next instance listens on.

Ports that the system gives to whoever connects are left alone: one of a closed connection would
keep an instance from listening on it.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Collection
from pathlib import Path

from foretide.errors import ActionFailedError

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports:
    """Gives free ports, each root from a place of its own on.

    Parameters
    ----------
    root_id : str
        Hexadecimal; roots that begin at the same place would often reach for the same port.
    """

    def __init__(self, root_id: str) -> None:
        span = max(_first_given() - _LOWEST, 1_000)
        begin = int(root_id, 16) % span
        self._next = itertools.cycle((*range(begin, span), *range(begin)))
        self._span = span

    def free(self, taken: Collection[int]) -> int:
        """Return a port nobody listens on, and that is not one of `taken`.

        Raises
        ------
        ActionFailedError
            When there is none left.
        """
        for place in itertools.islice(self._next, self._span):
            port = _LOWEST + place
            if port not in taken and _is_free(port):
                return port
        raise ActionFailedError(f"no port from {_LOWEST} on is free; end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _first_given() -> int:
    try:
        return int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 32_768
