"""Whether an instance can serve is asked cheaply, and silence is a no."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases.running import free_port, running, until
from foretide.platforms.local.probe import is_ready

HOST = "127.0.0.1"


def _asked(port: int, path: str | None = "/ready", timeout_s: float = 2) -> bool:
    return asyncio.run(is_ready(HOST, port, path, timeout_s))


@contextmanager
def answering(answer: bytes) -> Generator[int]:
    """Answer every connection with `answer` and close it; nothing: keep it open in silence."""
    listener = socket.create_server((HOST, 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            if answer:
                connection.recv(1024)
                connection.sendall(answer)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK", "HTTP/1.0 204", "HTTP/1.1 302 Found"])
def test_a_good_answer_is_a_yes(head: str) -> None:
    with answering(f"{head}\r\n\r\n".encode()) as port:
        assert _asked(port)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 199 Odd\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"SSH-2.0-server\r\n", b"HTTP/1.1\r\n",
        b"HTTP/1.1 2x0 OK\r\n", b"\n", b"x" * 10_000, b"HTTP/1.1 \xb2\xb0\xb0 OK\r\n",
    ],
)  # fmt: skip
def test_any_other_answer_is_a_no(answer: bytes) -> None:
    with answering(answer) as port:
        assert not _asked(port)
        assert _asked(port, None)  # to be connected is enough where nothing is asked


def test_silence_is_a_no_in_time() -> None:
    with answering(b"") as port:
        begun_s = time.monotonic()
        assert not _asked(port, timeout_s=0.2)
        assert 0.15 < time.monotonic() - begun_s < 2
        assert _asked(port, None, timeout_s=0.2)


def test_nobody_there_is_a_no_at_once() -> None:
    assert not _asked(free_port())
    assert not _asked(free_port(), None)


def test_a_starting_program_is_not_ready_before_it_is(tmp_path: Path) -> None:
    with running(tmp_path, is_awaited=False, start_s=0.5, listen_first=True) as app:
        until(lambda: _asked(app.port, None))
        assert not _asked(app.port)
        assert _asked(app.port, "/live")
        until(lambda: _asked(app.port))


def test_an_address_of_the_newer_kind_can_be_asked() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = int(listener.getsockname()[1])
        assert asyncio.run(is_ready("::1", port, None, 1))


def test_two_hundred_instances_are_asked_within_a_tenth_of_a_core(tmp_path: Path) -> None:
    async def ask_all(port: int) -> list[bool]:
        return [await is_ready(HOST, port, "/live", 2) for _ in range(200)]

    with running(tmp_path) as app:
        begun_s = time.process_time()
        assert all(asyncio.run(ask_all(app.port)))
        # asked every ten seconds; half a millisecond each would be one hundredth of a core
        assert time.process_time() - begun_s < 1.0
