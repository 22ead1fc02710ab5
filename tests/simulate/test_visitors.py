"""Who calls the shop counts what really came back, and nobody is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from foretide.errors import SourceError
from foretide.simulate.live_morning import PACKAGE
from foretide.simulate.visitors import Visitors

_SLOT_S = 0.25


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def _shop(capacity_rps: float = 0) -> Generator[tuple[int, subprocess.Popen[bytes]]]:
    """Lend the port of a shop that has opened, and its process."""
    port = _free_port()
    shop = subprocess.Popen(
        [sys.executable, "-I", str(PACKAGE / "server.py"), str(port)],
        env={"SHOP_CAPACITY_RPS": str(capacity_rps)},
        stdout=subprocess.PIPE,
    )
    try:
        assert shop.stdout is not None
        assert shop.stdout.readline() == f"open on port {port}\n".encode()
        yield port, shop
    finally:
        shop.kill()
        shop.communicate()


def test_all_are_served_in_their_slots() -> None:
    with _shop() as (port, _):
        counts = [10, 0, 25]
        with Visitors(counts, slot_s=_SLOT_S, address=("127.0.0.1", port)) as visitors:
            visitors.begin()
            last = visitors.ended()
            told = visitors.tallies(2)
    assert (last.sent, last.served, last.failed) == (35, 35, 0)
    assert [one.sent for one in told] == [10, 10, 35]


def test_what_comes_over_capacity_is_refused_and_counted() -> None:
    with (
        _shop(capacity_rps=20) as (port, _),
        Visitors([50] * 4, slot_s=_SLOT_S, address=("127.0.0.1", port)) as visitors,
    ):
        visitors.begin()
        last = visitors.ended()
    # a second of 20 requests/s, and half a second's more that may come at once
    assert 18 <= last.served <= 34
    assert last.served + last.refused == last.sent == 200


def test_a_list_of_endpoints_is_called_in_turn_and_looked_at_again(tmp_path: Path) -> None:
    listing = tmp_path / "shop.json"

    def publish(*ports: int) -> None:
        part = tmp_path / "part"
        part.write_text(
            json.dumps({"endpoints": [{"host": "127.0.0.1", "port": port} for port in ports]})
        )
        part.replace(listing)

    with _shop() as (one, _), _shop() as (other, ended):
        publish(one, other)
        with Visitors([20] * 4, slot_s=_SLOT_S, listing=listing) as visitors:
            visitors.begin()
            visitors.tallies(0, wait_s=5)
            publish(one)
            visitors.tallies(1, wait_s=5)
            ended.send_signal(signal.SIGTERM)
            assert ended.wait(5) == 0
            last = visitors.ended()
    assert (last.sent, last.served) == (80, 80)


def test_where_nobody_answers_every_call_is_lost() -> None:
    address = ("127.0.0.1", _free_port())
    with Visitors([5, 5], slot_s=_SLOT_S, address=address) as visitors:
        visitors.begin()
        last = visitors.ended()
    assert (last.sent, last.broken) == (10, 10)


def test_an_answer_that_never_comes_is_waited_for_only_so_long() -> None:
    with _shop() as (port, shop):
        os.kill(shop.pid, signal.SIGSTOP)
        address = ("127.0.0.1", port)
        with Visitors([4], slot_s=_SLOT_S, address=address, timeout_s=0.3) as visitors:
            visitors.begin()
            last = visitors.ended()
    assert (last.sent, last.broken) == (4, 4)


def test_a_caller_that_was_killed_is_noticed() -> None:
    with Visitors([1] * 40, slot_s=_SLOT_S, address=("127.0.0.1", _free_port())) as visitors:
        visitors.begin()
        visitors.tallies(0, wait_s=5)
        visitors.close()
        with pytest.raises(SourceError, match="ended after slot"):
            visitors.ended()


def test_the_caller_ends_with_whoever_asked_for_it() -> None:
    code = (
        "import sys\n"
        "from foretide.simulate.visitors import Visitors\n"
        "one = Visitors([1] * 400, slot_s=0.25, address=('127.0.0.1', 9))\n"
        "one.begin()\n"
        "print(one._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asker.stdout is not None
    caller = Path(f"/proc/{int(asker.stdout.readline())}/status")
    asker.kill()
    asker.communicate()
    end_s = time.monotonic() + 5
    while _runs(caller) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not _runs(caller)


def _runs(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_shop_finishes_what_it_is_answering_when_it_is_ended() -> None:
    with _shop() as (port, shop), socket.create_connection(("127.0.0.1", port)) as asked:
        asked.sendall(b"GET /healthz HTTP/1.1\r\n\r\nGET /cart HTTP/1.1\r\n\r\n")
        answer = asked.recv(4096)  # the second is being answered
        shop.send_signal(signal.SIGTERM)
        while part := asked.recv(4096):
            answer += part
        assert shop.wait(5) == 0
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"</title>" in answer


@pytest.mark.parametrize(
    ("asked", "status"),
    [(b"GET /healthz HTTP/1.1\r\n\r\n", b"200"), (b"GET /till HTTP/1.1\r\n\r\n", b"404"),
     (b"nonsense\r\n\r\n", b"404")],
)  # fmt: skip
def test_the_shop_answers_whatever_comes(asked: bytes, status: bytes) -> None:
    with _shop() as (port, _), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(asked)
        assert one.recv(64).split(b" ")[1] == status
