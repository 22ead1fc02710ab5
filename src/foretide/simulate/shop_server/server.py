"""This file knows a small web shop: it starts slowly, answers what it can, and says no to the rest.

Standard library alone: it is installed and started as a package, by whatever Python is there.
`python3 server.py PORT` serves until SIGTERM, which lets it finish what it is answering.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

_WORK_S = 0.02  # what a call takes
_BURST_S = 0.5  # calls may come unevenly by what is served in this time
_MOST_HEADER_BYTES = 16_384
_PHRASES = {200: b"OK", 404: b"Not Found", 503: b"Service Unavailable"}
_PAGES = ("home", "search", "product", "cart", "checkout", "account")


class Till:
    """Lets through so many requests a second, and no more.

    Parameters
    ----------
    capacity_rps : float
        Requests/s; 0 lets through all.
    now_s : float
        The present, in seconds of any clock.
    """

    def __init__(self, capacity_rps: float, now_s: float) -> None:
        self._capacity_rps = capacity_rps
        self._most = max(1.0, capacity_rps * _BURST_S)
        self._room = self._most
        self._seen_s = now_s

    def takes(self, now_s: float) -> bool:
        """Return whether one more request is taken at `now_s`."""
        if self._capacity_rps <= 0:
            return True
        earned = (now_s - self._seen_s) * self._capacity_rps
        self._room = min(self._most, self._room + earned)
        self._seen_s = now_s
        if self._room < 1:
            return False
        self._room -= 1
        return True


class Counter(asyncio.Protocol):
    """One connection: requests without a body, answered in their order.

    Parameters
    ----------
    till : Till
        Shared by all connections.
    open_connections : set
        Where the connection enters itself.
    """

    def __init__(self, till: Till, open_connections: set[Counter]) -> None:
        self._till = till
        self._open = open_connections
        self._heard = b""
        self._is_answering = False
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection that cannot be written to")
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's own)
        """Forget the connection."""
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer it when it is a whole request."""
        self._heard += data
        if len(self._heard) > _MOST_HEADER_BYTES:
            self._transport.abort()
        elif not self._is_answering:
            self._answer_next()

    def finish(self) -> None:
        """Close once what is being answered is answered."""
        self._is_closing = True
        if not self._is_answering:
            self._transport.close()

    def _answer_next(self) -> None:
        head, end, rest = self._heard.partition(b"\r\n\r\n")
        if not end:
            return
        self._heard = rest
        self._is_answering = True
        parts = head.split(b" ", 2)
        path = parts[1] if len(parts) == 3 else b""
        loop = asyncio.get_running_loop()
        if path == b"/healthz":
            self._write(200, b"well\n")
        elif path.lstrip(b"/").decode("ascii", "replace") not in _PAGES:
            self._write(404, b"no such page\n")
        elif self._till.takes(loop.time()):
            loop.call_later(_WORK_S, self._write, 200, b"<!doctype html><title>shop</title>\n")
        else:
            self._write(503, b"the shop is full\n")

    def _write(self, status: int, body: bytes) -> None:
        if self._transport.is_closing():
            return
        closing = b"Connection: close\r\n" if self._is_closing else b""
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, _PHRASES[status], len(body), closing, body)
        )
        self._is_answering = False
        if self._is_closing:
            self._transport.close()
        elif self._heard:
            self._answer_next()


async def serve(port: int, *, start_s: float, capacity_rps: float) -> None:
    """Serve on the loopback address until told to end.

    Parameters
    ----------
    port : int
        Where.
    start_s : float
        Seconds until the first connection is taken.
    capacity_rps : float
        Requests/s answered; 0 = all.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), start_s)
    except TimeoutError:
        pass
    else:
        return
    till, open_connections = Till(capacity_rps, loop.time()), set[Counter]()
    server = await loop.create_server(
        lambda: Counter(till, open_connections), "127.0.0.1", port, backlog=256
    )
    print(f"open on port {port}", flush=True)  # noqa: T201  (an instance's log is its output)
    await ended.wait()
    server.close()
    for connection in tuple(open_connections):
        connection.finish()
    while open_connections:
        await asyncio.sleep(_WORK_S)
    print("closed", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(
        serve(
            int(sys.argv[1]),
            start_s=float(os.environ.get("SHOP_START_S", "0")),
            capacity_rps=float(os.environ.get("SHOP_CAPACITY_RPS", "0")),
        )
    )
