"""Traffic through a real HAProxy: nothing lost, nothing hung, and back after each death."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cases.running import Running, pause, running, until
from cases.traffic import Load, asked, counted, endpoint
from foretide.platforms.local.traffic.base import Endpoint, Traffic

Start = Callable[[int], list[Running]]
Open = Callable[..., Traffic]


def raw(port: int, request: bytes, *, timeout_s: float = 10) -> bytes:
    """Return what is answered before the connection ends, or the first part of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def test_cycles_of_parking_under_load_lose_no_request(
    proxied: Open, port: int, instances: Start, loading: Callable[..., Load]
) -> None:
    """Each is really stopped while it is parked: whatever reached it then would hang and fail."""
    three = instances(3)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(one) for one in three])
    load = loading(port, rps=100, seconds=4)
    until(lambda: counted(traffic).request_count > 10)
    for cycle in range(8):
        one = three[cycle % 3]
        traffic.dismiss("web", endpoint(one))
        until(lambda one=one: traffic.is_idle("web", endpoint(one)))
        traffic.forget("web", endpoint(one))
        os.kill(one.who.pid, signal.SIGSTOP)
        pause(0.15)
        os.kill(one.who.pid, signal.SIGCONT)
        traffic.admit("web", endpoint(one))
    assert load.is_on(), "the load was over before the cycles were"
    answered = load.answered()
    assert answered.failures == {}
    assert answered.answered == answered.sent == 400
    total = counted(traffic)
    assert (total.request_count, total.failed_count, total.aborted_count) == (400, 0, 0)


def test_a_request_under_way_is_finished_before_its_instance_is_idle(
    proxied: Open, port: int, tmp_path: Path
) -> None:
    with running(tmp_path, instance_id="a", capacity_rps=2.0) as slow:
        traffic = proxied()
        traffic.reconcile("web", [endpoint(slow)])
        with ThreadPoolExecutor() as others:
            answer = others.submit(asked, port)
            until(lambda: counted(traffic).in_flight_count == 1)
            traffic.dismiss("web", endpoint(slow))
            assert not traffic.is_idle("web", endpoint(slow))
            assert asked(port) == "503"  # a new one does not reach it
            assert answer.result() == "a"
        until(lambda: traffic.is_idle("web", endpoint(slow)))


def test_what_is_forgotten_has_no_connection_left(
    proxied: Open, port: int, instances: Start
) -> None:
    (a,) = instances(1)

    def connected() -> int:
        # rows of "number: local remote state ..."; 01 is an established connection
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{a.port:04X}") and row[3] == "01" for row in rows)

    until(lambda: connected() == 0)  # who asked whether it was ready has hung up
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a)])
    assert asked(port) == "a"
    assert connected() == 1  # kept open for the next request
    traffic.dismiss("web", endpoint(a))
    traffic.forget("web", endpoint(a))
    until(lambda: connected() == 0)


def test_a_request_that_hangs_is_given_to_another_when_its_instance_is_forgotten(
    proxied: Open, port: int, instances: Start
) -> None:
    a, b = instances(2)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a)])
    os.kill(a.who.pid, signal.SIGSTOP)
    with ThreadPoolExecutor() as others:
        answer = others.submit(asked, port)
        until(lambda: counted(traffic).in_flight_count == 1)
        traffic.admit("web", endpoint(b))
        traffic.dismiss("web", endpoint(a))
        assert not traffic.is_idle("web", endpoint(a))
        traffic.forget("web", endpoint(a))
        assert answer.result(timeout=3) == "b"


def test_a_crash_costs_no_request_that_may_be_asked_again(
    proxied: Open, port: int, instances: Start, loading: Callable[..., Load]
) -> None:
    """It is not even dismissed: nobody has noticed yet."""
    a, b = instances(2)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a), endpoint(b)])
    load = loading(port, rps=200, seconds=1.5)
    until(lambda: counted(traffic).request_count > 50)
    os.kill(a.who.pid, signal.SIGKILL)
    assert load.answered().failures == {}


def test_what_changes_something_is_never_asked_twice(
    proxied: Open, port: int, instances: Start
) -> None:
    a, b = instances(2)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a), endpoint(b)])
    assert asked(port, "/crash", method="POST") == "502"
    until(lambda: a.is_well("/live") + b.is_well("/live") == 1)
    total = counted(traffic)
    assert total.failed_count == 1


def test_failed_cut_and_given_up_are_told_apart(proxied: Open, port: int) -> None:
    answers = {
        b"/well": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"/bad": b"HTTP/1.1 500 Bad\r\nContent-Length: 2\r\n\r\nno",
        b"/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf of",
    }
    traffic = proxied()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all() -> None:
            for _ in answers:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(answers[connection.recv(4096).split(b" ")[1]])

        at = Endpoint(instance_id="a", host="127.0.0.1", port=server.getsockname()[1])
        traffic.reconcile("web", [at])
        with ThreadPoolExecutor() as others:
            answering = others.submit(answer_all)
            for path in answers:
                raw(port, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answering.result()
        # accepted by nobody: the one who asks goes away before the answer's end
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nlong")
                client.recv(4096)
                client.close()
                with suppress(OSError):
                    for _ in range(200):  # more than all buffers on the way hold
                        connection.sendall(b"x" * 65_536)
    until(lambda: counted(traffic).in_flight_count == 0)
    total = counted(traffic)
    assert (total.request_count, total.failed_count, total.aborted_count) == (4, 2, 1)
