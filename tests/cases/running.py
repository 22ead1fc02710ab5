"""How tests start the program of `tests/cases/program` without a platform, and end it for sure."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen
from uuid import uuid4

from cases import packages
from foretide.platforms.local.census import marked
from foretide.platforms.local.identity import Identity
from foretide.platforms.local.process import Limits, Program, reap, signal_group, start

LONGEST_S = 20.0


class Running(NamedTuple):
    """A started program."""

    who: Identity
    port: int
    log: Path
    root_id: str
    instance_id: str

    def get(self, path: str, *, timeout_s: float = 5) -> str:
        """Return what it answers."""
        address = f"http://127.0.0.1:{self.port}{path}"
        with urlopen(address, timeout=timeout_s) as answer:
            return answer.read().decode()

    def is_well(self, path: str) -> bool:
        """Return whether it answers well."""
        try:
            self.get(path)
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(holds: Callable[[], bool], *, within_s: float = LONGEST_S) -> None:
    """Wait until something holds, looking every few milliseconds."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"did not come to hold within {within_s:g} s"
        pause()


def pause(seconds: float = 0.003) -> None:
    """Let a moment pass: what is waited for here is another process."""
    time.sleep(seconds)


def kill_marked(root_id: str) -> None:
    """Kill all that carries a root's mark."""
    for _ in range(200):
        left = marked(root_id)
        if not left:
            return
        for seen in left:
            signal_group(seen.identity, signal.SIGKILL)
            reap(seen.identity)
        pause()
    raise AssertionError(f"not killed: {marked(root_id)}")


@contextmanager
def running(
    folder: Path,
    *,
    root_id: str | None = None,
    instance_id: str = "web-1",
    is_bound: bool = False,
    limits: Limits | None = None,
    is_awaited: bool = True,
    **options: packages.Option,
) -> Generator[Running]:
    """Start the program with `options`, wait until it is ready, and kill it in the end."""
    port, log, root = free_port(), folder / f"{instance_id}.log", root_id or uuid4().hex
    words = packages.command(str(packages.PROGRAM), port, name=instance_id, **options)
    who = start(
        Program(
            command=tuple(words), folder=folder, log=log, root_id=root, instance_id=instance_id,
            port=port, is_bound=is_bound, limits=limits or Limits(),
        )
    )  # fmt: skip
    app = Running(who, port, log, root, instance_id)
    try:
        if is_awaited:
            until(lambda: app.is_well("/full"))
        yield app
    finally:
        kill_marked(root)
        reap(who)


def ended(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that a test started itself, and wait for its end."""
    process.kill()
    process.communicate()
