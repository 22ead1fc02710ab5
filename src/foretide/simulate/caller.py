"""This file knows a program that calls a service as its users would, whatever it answers.

A process of its own, so that nothing else delays it, made of the standard library alone. It reads
one JSON order from its standard input, calls at the order's pace in an open loop (a slow answer
holds no later call back), and writes one JSON line per slot: what it has come to so far.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

_PATHS = ("home", "search", "product", "product", "search", "cart", "checkout", "account")
_LOOK_S = 0.05  # how often the list of endpoints is looked at
_MOST_CONNECTIONS = 512
_Address = tuple[str, int]


class Tally:
    """What became of the calls so far."""

    def __init__(self) -> None:
        self.sent = self.served = self.refused = self.broken = 0
        self.latest_lag_s = 0.0

    def line(self, slot: int) -> str:
        """Return the tally at the end of a slot as a line of JSON."""
        return json.dumps(
            {
                "slot": slot, "sent": self.sent, "served": self.served, "refused": self.refused,
                "broken": self.broken, "lag_s": round(self.latest_lag_s, 4),
            }
        )  # fmt: skip


class _Connection(asyncio.Protocol):
    # One call at a time; goes back to the idle ones after each answer that lets it.
    def __init__(self, crowd: Crowd, address: _Address) -> None:
        self._crowd = crowd
        self._address = address
        self._heard = b""
        self._is_fresh, self._is_late = True, False
        self._path: str | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def call(self, path: str, timeout_s: float) -> None:
        self._path = path
        self._deadline = asyncio.get_running_loop().call_later(timeout_s, self._give_up)
        self._transport.write(f"GET /{path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return
        self._heard, self._path, self._is_fresh = b"", None, False
        self._stop_waiting()
        self._crowd.answered(int(head[9:12]))
        if b"connection: close" in head.lower():
            self._transport.close()
        else:
            self._crowd.is_free(self._address, self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's own)
        self._crowd.is_gone(self._address, self)
        self._stop_waiting()
        if self._path is not None:
            # who closes an idle connection may do so while a call is on its way to it
            is_closed_idle = not (self._is_fresh or self._heard or self._is_late)
            self._crowd.lost(self._path, may_repeat=is_closed_idle)

    def _give_up(self) -> None:
        self._is_late = True
        self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class Crowd:
    """Everybody who calls.

    Parameters
    ----------
    where : callable
        Returns the addresses to call, newest knowledge.
    timeout_s : float
        A call without an answer by then has failed.
    """

    def __init__(self, where: Endpoints, *, timeout_s: float) -> None:
        self.tally = Tally()
        self._where = where
        self._timeout_s = timeout_s
        self._idle: dict[_Address, list[_Connection]] = {}
        self._under_way = 0
        self._turn = 0

    def call(self, path: str) -> None:
        """Send one call; what becomes of it is counted when it is known."""
        self.tally.sent += 1
        self._under_way += 1
        self._send(path)

    async def ended(self) -> None:
        """Wait for the last answer."""
        while self._under_way:
            await asyncio.sleep(_LOOK_S)

    def _send(self, path: str) -> None:
        addresses = self._where.addresses()
        if not addresses or self._under_way > _MOST_CONNECTIONS:
            self._count_broken()
            return
        self._turn += 1
        address = addresses[self._turn % len(addresses)]
        idle = self._idle.get(address)
        if idle:
            self._begin(idle.pop(), path)
        else:
            task = asyncio.ensure_future(self._open(address, path))
            _KEPT.add(task)
            task.add_done_callback(_KEPT.discard)

    async def _open(self, address: _Address, path: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, one = await loop.create_connection(lambda: _Connection(self, address), *address)
        except (OSError, TimeoutError):
            self._count_broken()
        else:
            self._begin(one, path)

    def _begin(self, connection: _Connection, path: str) -> None:
        connection.call(path, self._timeout_s)

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._under_way -= 1
        if status < 400:
            self.tally.served += 1
        else:
            self.tally.refused += 1

    def lost(self, path: str, *, may_repeat: bool) -> None:
        """Count a call without an answer; one on an idle connection that had gone is sent again."""
        if may_repeat:
            self._send(path)
        else:
            self._count_broken()

    def _count_broken(self) -> None:
        self._under_way -= 1
        self.tally.broken += 1

    def is_free(self, address: _Address, connection: _Connection) -> None:
        """Keep a connection for the next call."""
        self._idle.setdefault(address, []).append(connection)

    def is_gone(self, address: _Address, connection: _Connection) -> None:
        """Forget a connection."""
        idle = self._idle.get(address, [])
        if connection in idle:
            idle.remove(connection)


class Endpoints:
    """Where the service is: one address, or a list that somebody publishes.

    Parameters
    ----------
    address : (str, int), optional
        Host and port of who shares the calls out.
    listing : Path, optional
        A published list: `{"endpoints": [{"host": ..., "port": ...}, ...]}`, replaced as a whole.
    """

    def __init__(self, *, address: _Address | None, listing: Path | None) -> None:
        self._addresses = [address] if address else []
        self._listing = listing
        self._looked_s = -_LOOK_S

    def addresses(self) -> list[_Address]:
        """Return the addresses known now."""
        now_s = time.monotonic()
        if self._listing is not None and now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            try:
                told = json.loads(self._listing.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return []
            self._addresses = [(one["host"], one["port"]) for one in told["endpoints"]]
        return self._addresses


_KEPT = set[asyncio.Future[None]]()  # a task nobody holds may be collected before it is done


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def call_all(order: dict[str, Any]) -> None:
    """Call as ordered, and tell of it slot by slot.

    Parameters
    ----------
    order : dict
        `address` ([host, port]) or `listing` (path), `counts` (calls of each slot), `slot_s`,
        `timeout_s`, and `begin_s`, the monotonic second at which the first slot begins.
    """
    listing = order.get("listing")
    address = order.get("address")
    where = Endpoints(
        address=(address[0], address[1]) if address else None,
        listing=Path(listing) if listing else None,
    )
    crowd = Crowd(where, timeout_s=order["timeout_s"])
    asyncio.get_running_loop().add_reader(sys.stdin, _end_with_the_one_who_asked)
    slot_s, number = order["slot_s"], 0
    for slot, count in enumerate(order["counts"]):
        begin_s = order["begin_s"] + slot * slot_s
        crowd.tally.latest_lag_s = 0.0
        for at in range(count):
            lag_s = await _until(begin_s + (at + 0.5) * slot_s / count)
            crowd.tally.latest_lag_s = max(crowd.tally.latest_lag_s, lag_s)
            crowd.call(_PATHS[number % len(_PATHS)])
            number += 1
        await _until(begin_s + slot_s)
        sys.stdout.write(crowd.tally.line(slot) + "\n")
        sys.stdout.flush()
    await crowd.ended()
    sys.stdout.write(crowd.tally.line(len(order["counts"])) + "\n")
    sys.stdout.flush()


def _end_with_the_one_who_asked() -> None:
    # its end of our input closes when it ends, however it ends
    if not os.read(sys.stdin.fileno(), 1):
        os._exit(0)


async def _until(due_s: float) -> float:
    """Return by how much a due time was missed, after waiting for it."""
    left_s = due_s - time.monotonic()
    if left_s > 0:
        await asyncio.sleep(left_s)
    return max(0.0, time.monotonic() - due_s)


if __name__ == "__main__":
    asyncio.run(call_all(json.loads(sys.stdin.readline())))
