"""A real HAProxy is started, killed, taken over and ended, and gets around what is in its way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cases.running import Running, until
from cases.traffic import Load, answering_pid, asked, counted, endpoint, proxy_pid
from foretide.control.clock import WallClock
from foretide.errors import ActionFailedError, PlatformUnavailableError
from foretide.platforms.local.identity import identity, is_running
from foretide.platforms.local.traffic.base import Listen, Traffic
from foretide.platforms.local.traffic.choose import traffic_for
from foretide.platforms.local.traffic.configuration import slot_count
from foretide.platforms.local.traffic.ended import ended
from foretide.platforms.local.traffic.endpoint_list import Published
from foretide.platforms.local.traffic.places import place_of

Start = Callable[[int], list[Running]]
Open = Callable[..., Traffic]


def test_one_that_is_killed_is_started_again_with_its_servers(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    a, b, c = instances(3)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a), endpoint(b)])
    traffic.admit("web", endpoint(c))
    traffic.dismiss("web", endpoint(a))
    before = counted(traffic)
    first = proxy_pid(root)
    os.kill(first, signal.SIGKILL)
    traffic.admit("web", endpoint(c))  # waits inside for the next one
    until(lambda: answering_pid(root) not in {first, None})
    assert {asked(port) for _ in range(6)} == {"b", "c"}
    assert traffic.is_idle("web", endpoint(a))
    assert proxy_pid(root) != first
    assert counted(traffic).counter_id != before.counter_id
    (note,) = traffic.notes()
    assert f"process {first}" in note
    assert traffic.notes() == ()


def test_one_that_dies_again_and_again_gives_way_to_the_list(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    (a,) = instances(1)
    traffic = proxied()
    traffic.reconcile("web", [endpoint(a)])
    published = root / "endpoints" / "web.json"
    for _ in range(4):
        assert traffic.counted("web") is not None  # it was seen to be up
        pid = proxy_pid(root)
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: published.exists() or answering_pid(root) not in {pid, None})
    assert published.exists()
    assert "again and again" in traffic.notes()[-1]
    assert traffic.counted("web") is None
    # and after a while it is tried again
    until(lambda: not published.exists(), within_s=10)
    assert asked(port) == "a"


def test_a_taken_port_is_said_once_and_got_around(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    a, b = instances(2)
    published = root / "endpoints" / "web.json"
    with socket.create_server(("127.0.0.1", port)):
        traffic = proxied()
        traffic.reconcile("web", [endpoint(a)])
        traffic.admit("web", endpoint(b))
        traffic.dismiss("web", endpoint(a))
        (note,) = traffic.notes()
        assert f"port {port}" in note
        assert "taken" in note
        assert "listen" in note
        assert "\n" not in note
        held = msgspec.json.decode(published.read_bytes(), type=Published)
        assert [one.instance_id for one in held.endpoints] == ["b"]
        assert not traffic.is_idle("web", endpoint(a)), "those who read the list need a moment"
        assert traffic.notes() == ()
    until(lambda: not published.exists(), within_s=10)
    assert asked(port) == "b"
    assert "started" in traffic.notes()[0]


def test_two_platforms_never_share_a_port(
    proxied: Open, root: Path, port: int, instances: Start, tmp_path: Path
) -> None:
    (a,) = instances(1)
    proxied().reconcile("web", [endpoint(a)])
    other_root = tmp_path / "other"
    other = traffic_for(other_root, {"web": Listen(port=port)}, clock=WallClock(), is_bound=True)
    try:
        other.reconcile("web", [])
        assert "taken" in other.notes()[0]
        assert {asked(port) for _ in range(8)} == {"a"}
    finally:
        other.close(is_final=True)
    assert proxy_pid(root)


def test_more_instances_than_slots_are_refused(proxied: Open, port: int, instances: Start) -> None:
    running_all = [endpoint(one) for one in instances(3)]
    traffic = proxied(instances_max=1)
    assert slot_count(Listen(port=port, instances_max=1)) == 2
    traffic.reconcile("web", running_all[:2])
    with pytest.raises(ActionFailedError, match=r"all 2 slots.*c gets no requests.*max_instances"):
        traffic.admit("web", running_all[2])
    assert {asked(port) for _ in range(6)} == {"a", "b"}
    # the slot of one that left, and was never forgotten, is another's as soon as it is idle
    traffic.dismiss("web", running_all[0])
    traffic.admit("web", running_all[2])
    assert {asked(port) for _ in range(6)} == {"b", "c"}


def test_what_another_process_left_is_taken_over_as_it_is(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    a, b, c = (endpoint(one) for one in instances(3))
    first = proxied()
    first.reconcile("web", [a, b])
    first.dismiss("web", a)
    first.close(is_final=False)
    pid = proxy_pid(root)
    second = proxied()
    assert second.is_idle("web", a)
    assert not second.is_idle("web", b)
    second.reconcile("web", [b, c])
    assert {asked(port) for _ in range(6)} == {"b", "c"}
    assert proxy_pid(root) == pid, "it was started anew"
    assert second.notes() == ()


def test_other_settings_take_over_without_losing_a_request(
    proxied: Open, root: Path, port: int, instances: Start, loading: Callable[..., Load]
) -> None:
    a, b = (endpoint(one) for one in instances(2))
    first = proxied()
    first.reconcile("web", [a, b])
    pid = proxy_pid(root)
    load = loading(port, rps=200, seconds=2)
    until(lambda: counted(first).request_count > 50)
    first.close(is_final=False)
    second = proxied(instances_max=7)
    second.admit("web", a)
    assert proxy_pid(root) != pid
    assert load.answered().failures == {}
    assert counted(second).request_count > 50


def test_a_service_that_listens_no_more_has_no_proxy_any_more(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    (a,) = (endpoint(one) for one in instances(1))
    first = proxied()
    first.reconcile("web", [a])
    who = identity(proxy_pid(root))
    first.close(is_final=False)
    second = traffic_for(root, {}, clock=WallClock())
    assert is_running(who), "nothing is touched before the folder is known to be ours"
    second.reconcile("worker", [])
    assert not is_running(who)
    with pytest.raises(OSError, match="refused"):
        asked(port)
    second.close(is_final=True)


def test_one_that_does_not_answer_is_said_to_and_costs_a_second(
    proxied: Open, root: Path, port: int, instances: Start
) -> None:
    a, b = (endpoint(one) for one in instances(2))
    traffic = proxied()
    traffic.reconcile("web", [a])
    pid = proxy_pid(root)
    os.kill(pid, signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        with pytest.raises(PlatformUnavailableError, match="web: its proxy does not answer"):
            traffic.admit("web", b)
        assert time.monotonic() - begun_s < 2
    finally:
        os.kill(pid, signal.SIGCONT)
    traffic.admit("web", b)
    assert {asked(port) for _ in range(6)} == {"a", "b"}


_OPENS = """
import sys
from pathlib import Path
from foretide.control.clock import WallClock
from foretide.platforms.local.traffic.base import Listen
from foretide.platforms.local.traffic.choose import traffic_for
root, port, is_bound = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "bound"
traffic = traffic_for(root, {"web": Listen(port=port)}, clock=WallClock(), is_bound=is_bound)
traffic.reconcile("web", [])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["bound", "unbound"])
@pytest.mark.usefixtures("needs_haproxy")
def test_a_bound_one_ends_with_who_started_it_and_an_unbound_one_does_not(
    root: Path, port: int, kind: str
) -> None:
    opener = subprocess.Popen(
        [sys.executable, "-c", _OPENS, str(root), str(port), kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert opener.stdout is not None
        assert opener.stdout.readline() == b"open\n"
        who = identity(proxy_pid(root))
    finally:
        opener.kill()
        opener.communicate()
    if kind == "bound":
        until(lambda: not is_running(who))
    else:
        assert asked(port) == "503"  # goes on, with nobody behind it
        assert ended(root) == 1
        assert not is_running(who)
    assert ended(root) == 0


def test_a_folder_too_deep_for_a_socket_is_got_around(
    root: Path, port: int, instances: Start
) -> None:
    deep = root / "it's" / ("deep" * 30)
    traffic = traffic_for(deep, {"web": Listen(port=port)}, clock=WallClock())
    try:
        traffic.reconcile("web", [endpoint(instances(1)[0])])
        assert asked(port) == "a"
        place = place_of(deep, "web")
        assert len(os.fsencode(place.socket)) <= 97
        assert place.socket.parent.stat().st_mode & 0o777 == 0o700
        assert place.socket.stat().st_mode & 0o777 == 0o600
    finally:
        traffic.close(is_final=True)
    assert not place.socket.parent.exists()
    assert traffic.notes() == ()
