"""This file knows how an instance is asked whether it can serve.

A probe is one connection and, where a path is given, one request, by the bare event loop: it is
asked of every instance every few seconds and every ten milliseconds while one starts.
"""

from __future__ import annotations

import asyncio
import socket

_HEAD_MAX_BYTES = 4096  # a status line stands in the first bytes of any answer
_CAN_SERVE = range(200, 400)


async def is_ready(host: str, port: int, path: str | None, timeout_s: float) -> bool:
    """Return whether an instance accepts a connection and answers well.

    Parameters
    ----------
    host : str
        A numeric address.
    port : int
        Where it listens.
    path : str, optional
        Asked by GET, where 200-399 is well; None: to be connected is enough.
    timeout_s : float
        After which silence is a no, > 0.

    Returns
    -------
    bool
        False also when it refuses, resets, or is too slow.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            async with asyncio.timeout(timeout_s):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(connection, (host, port))
                return path is None or await _answers_well(connection, host, path)
        except (OSError, TimeoutError):
            return False


async def _answers_well(connection: socket.socket, host: str, path: str) -> bool:
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    await loop.sock_sendall(connection, request.encode("ascii"))
    head = b""
    while b"\n" not in head and len(head) < _HEAD_MAX_BYTES:
        more = await loop.sock_recv(connection, _HEAD_MAX_BYTES)
        if not more:
            break
        head += more
    words = head.split(b"\r\n", 1)[0].split(maxsplit=2)
    is_http = len(words) >= 2 and words[0].startswith(b"HTTP/1.")
    return is_http and words[1].isdigit() and int(words[1]) in _CAN_SERVE
