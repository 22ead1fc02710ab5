"""What is published where no proxy stands, and how it is chosen which of the two it is."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from cases.running import until
from foretide.control.clock import WallClock
from foretide.errors import InvalidValueError, PlatformUnavailableError
from foretide.platforms.local.traffic import choose
from foretide.platforms.local.traffic.base import Endpoint, Listen
from foretide.platforms.local.traffic.choose import traffic_for
from foretide.platforms.local.traffic.endpoint_list import EndpointList

A, B = (
    Endpoint(instance_id=name, host="127.0.0.1", port=port)
    for name, port in (("a", 9001), ("b", 9002))
)


def test_the_file_says_who_may_be_asked_and_since_when(listed: EndpointList, root: Path) -> None:
    listed.admit("web", A)
    listed.admit("web", B)
    held = json.loads((root / "endpoints" / "web.json").read_text())
    assert held["service"] == "web"
    assert held["version"] == 2
    assert held["endpoints"] == [
        {"instance_id": "a", "host": "127.0.0.1", "port": 9001},
        {"instance_id": "b", "host": "127.0.0.1", "port": 9002},
    ]
    assert held["changed_at"].endswith("Z")


def test_what_changes_nothing_writes_nothing(listed: EndpointList, root: Path) -> None:
    listed.admit("web", A)
    path = root / "endpoints" / "web.json"
    before = path.stat().st_ino
    listed.admit("web", A)
    listed.dismiss("web", B)
    listed.reconcile("web", [A])
    assert path.stat().st_ino == before


def test_versions_go_on_after_a_restart(listed: EndpointList, root: Path) -> None:
    listed.admit("web", A)
    again = EndpointList(root, clock=WallClock())
    again.admit("web", B)
    held = json.loads((root / "endpoints" / "web.json").read_text())
    assert held["version"] == 2
    assert [one["instance_id"] for one in held["endpoints"]] == ["a", "b"]


def test_who_is_taken_off_is_busy_for_the_time_of_grace(root: Path) -> None:
    listed = EndpointList(root, clock=WallClock(), grace_s=0.2)
    listed.admit("web", A)
    begun_s = time.monotonic()
    listed.dismiss("web", A)
    assert not listed.is_idle("web", A)
    until(lambda: listed.is_idle("web", A))
    assert time.monotonic() - begun_s >= 0.2
    listed.admit("web", A)
    listed.dismiss("web", A)
    listed.forget("web", A)
    assert listed.is_idle("web", A)


def test_a_file_that_cannot_be_read_is_replaced(listed: EndpointList, root: Path) -> None:
    (root / "endpoints").mkdir()
    (root / "endpoints" / "web.json").write_text("{")
    listed.admit("web", A)
    assert json.loads((root / "endpoints" / "web.json").read_text())["version"] == 1


def test_a_folder_that_cannot_be_written_is_said(listed: EndpointList, root: Path) -> None:
    (root / "endpoints").write_text("in the way")
    with pytest.raises(PlatformUnavailableError, match=r"endpoints.*web\.json cannot be"):
        listed.admit("web", A)


def test_without_haproxy_instances_are_published_and_it_is_said_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(choose, "_ALSO_IN", ())
    traffic = traffic_for(root, {"web": Listen(port=8080)}, clock=WallClock())
    assert isinstance(traffic, EndpointList)
    (note,) = traffic.notes()
    assert "HAProxy is not installed" in note
    assert str(root / "endpoints") in note
    assert traffic.notes() == ()


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("echo HAProxy version 1.8.30 2021/04/12", r"is version 1\.8\.30, older than 2\.4"),
        ("echo no proxy at all", "does not say which version"),
        ("exit 1", "does not say which version"),
    ],
)
def test_one_that_is_too_old_or_is_none_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, expected: str
) -> None:
    program = tmp_path / "haproxy"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.defpath]))
    traffic = traffic_for(root, {"web": Listen(port=8080)}, clock=WallClock())
    (note,) = traffic.notes()
    assert re.search(expected, note), note


def test_without_services_that_listen_nothing_is_said(root: Path) -> None:
    traffic = traffic_for(root, {}, clock=WallClock())
    traffic.admit("worker", A)
    assert traffic.notes() == ()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"port": 0}, "port must lie in"),
        ({"port": 65_536}, "port must lie in"),
        ({"port": 80, "host": "example"}, "host must be an IP address"),
        ({"port": 80, "host": "127.0.0.1\n  bind :99"}, "host must be an IP address"),
        ({"port": 80, "host": "fe80::1%a\n  bind :99"}, "host must be an IP address"),
        ({"port": 80, "instances_max": 0}, "instances_max"),
        ({"port": 80, "request_timeout_s": float("nan")}, "request_timeout_s"),
    ],
)
def test_where_nobody_can_listen_is_refused(
    settings: dict[str, str | int | float], expected: str
) -> None:
    with pytest.raises(InvalidValueError, match=expected):
        Listen(**settings)  # pyright: ignore[reportArgumentType]
