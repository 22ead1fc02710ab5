"""This file knows how to ask for the same page again and again, at a rate that does not give way.

Run as a program of its own, so that whoever counts is not slowed down by who is counted:
`python load.py PORT --rps 100 --seconds 5`. It prints one line of JSON when all are answered or
given up. A request is due at its instant whether earlier ones were answered or not, and its latency
counts from there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from math import ceil

REQUEST = b"GET /work HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GIVEN_UP_S = 10.0
RATE_MAX_RPS, TIME_MAX_S = 5000.0, 120.0


class Asked:
    """What became of all requests so far."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        self.failures: Counter[str] = Counter()
        self.idle: list[Connection] = []
        self.open_count = 0


class Connection(asyncio.Protocol):
    """A connection that is kept open: one request at a time."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.so_far = asked, b""
        self.transport: asyncio.Transport | None = None
        self.due_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask what was waiting for the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.due_s is not None:
            transport.write(REQUEST)

    def ask(self, due_s: float) -> None:
        """Ask once more."""
        self.due_s, self.so_far = due_s, b""
        self.asked.open_count += 1
        if self.transport is not None:
            self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        self.so_far += data
        head, end, body = self.so_far.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
        if len(body) >= length:
            status = head[9:12].decode()
            self.over("" if status == "200" else status)
            if b"connection: close" in lines:
                assert self.transport is not None
                self.transport.close()
            else:
                self.asked.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """Count the request that was under way as cut."""
        if self in self.asked.idle:
            self.asked.idle.remove(self)
        self.over("cut")

    def over(self, failure: str) -> None:
        """Count the request that was under way, if any."""
        if self.due_s is None:
            return
        took_ms = (asyncio.get_running_loop().time() - self.due_s) * 1000
        self.due_s = None
        self.asked.open_count -= 1
        if failure:
            self.asked.failures[failure] += 1
        else:
            self.asked.latencies_ms.append(took_ms)


async def connected(port: int, connection: Connection) -> None:
    """Open a connection whose first request is due already."""
    try:
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
    except OSError:
        connection.over("not connected")


async def load(port: int, *, rps: float, seconds: float) -> Asked:
    """Ask `rps` times a second for `seconds`, and wait for the last answers."""
    asked, loop = Asked(), asyncio.get_running_loop()
    opening: set[asyncio.Task[None]] = set()
    begun_s = loop.time() + 0.05
    for number in range(int(rps * seconds)):
        due_s = begun_s + number / rps
        if (early_s := due_s - loop.time()) > 0:
            await asyncio.sleep(early_s)
        elif number % 50 == 0:
            await asyncio.sleep(0)
        if asked.idle:
            asked.idle.pop().ask(due_s)
        else:
            connection = Connection(asked)
            connection.ask(due_s)
            task = asyncio.ensure_future(connected(port, connection))
            opening.add(task)
            task.add_done_callback(opening.discard)
    until_s = loop.time() + GIVEN_UP_S
    while asked.open_count and loop.time() < until_s:
        await asyncio.sleep(0.01)
    asked.failures["not answered"] += asked.open_count
    for connection in list(asked.idle):
        if connection.transport is not None:
            connection.transport.close()
    return asked


def quantile(sorted_values: list[float], fraction: float) -> float:
    """Return the smallest value that `fraction` of all do not exceed."""
    return sorted_values[max(ceil(fraction * len(sorted_values)), 1) - 1] if sorted_values else -1.0


def main() -> None:
    """Ask as told and print what became of it."""
    told = argparse.ArgumentParser()
    told.add_argument("port", type=int)
    told.add_argument("--rps", type=float, default=100)
    told.add_argument("--seconds", type=float, default=5)
    words = told.parse_args()
    rps, seconds = min(words.rps, RATE_MAX_RPS), min(words.seconds, TIME_MAX_S)
    asked = asyncio.run(load(words.port, rps=rps, seconds=seconds))
    taken_ms = sorted(asked.latencies_ms)
    answered = {
        "sent": int(rps * seconds),
        "answered": len(taken_ms),
        "failures": {why: count for why, count in asked.failures.items() if count},
        "p50_ms": quantile(taken_ms, 0.5),
        "p99_ms": quantile(taken_ms, 0.99),
        "max_ms": quantile(taken_ms, 1.0),
    }
    sys.stdout.write(json.dumps(answered) + "\n")


if __name__ == "__main__":
    main()
