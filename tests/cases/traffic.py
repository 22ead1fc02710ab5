"""What tests and measurements of traffic are made of: where an instance answers, and load."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from cases.running import Running
from foretide.platforms.local.traffic.base import Counted, Endpoint, Traffic
from foretide.platforms.local.traffic.places import place_of
from foretide.platforms.local.traffic.runtime import Runtime

_LOAD = Path(__file__).with_name("load.py")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a load: see load.py."""

    sent: int
    answered: int
    failures: dict[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float


class Load:
    """Requests at a constant rate from a process of its own, while who began it goes on."""

    def __init__(self, port: int, *, rps: float, seconds: float) -> None:
        words = [str(port), f"--rps={rps}", f"--seconds={seconds}"]
        self._process = subprocess.Popen(
            [sys.executable, "-E", str(_LOAD), *words], stdout=subprocess.PIPE
        )

    def is_on(self) -> bool:
        """Return whether it goes on."""
        return self._process.poll() is None

    def answered(self) -> Answered:
        """Wait for its end and return what became of it."""
        told, _ = self._process.communicate(timeout=150)
        return msgspec.json.decode(told, type=Answered)

    def end(self) -> None:
        """End it before its time, if it goes on."""
        self._process.kill()
        self._process.communicate()


def endpoint(of: Running) -> Endpoint:
    """Return where an instance answers."""
    return Endpoint(instance_id=of.instance_id, host="127.0.0.1", port=of.port)


def asked(port: int, path: str = "/", *, method: str = "GET", timeout_s: float = 5) -> str:
    """Return the body of an answer on a new connection, or its status if that is not 200."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)


def proxy_pid(root: Path) -> int:
    """Return the process of the proxy of `web`."""
    return Runtime(place_of(root, "web").socket).pid()


def answering_pid(root: Path) -> int | None:
    """Return the process of the proxy of `web`, None while there is none."""
    try:
        return proxy_pid(root)
    except OSError:
        return None


def counted(traffic: Traffic) -> Counted:
    """Return what the proxy of `web` has counted."""
    found = traffic.counted("web")
    assert found is not None
    return found
