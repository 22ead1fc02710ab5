"""Thirty times the control plane is killed while it acts: no instance is lost, none is there twice.

The need changes every few minutes, so that launches, promotes, parks, drains and ends are under way
all the time. Between rounds the root's records and the system's own list of processes are compared;
in the end the fleet is the planned one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from cases.local import local_platform, reopened, running, settled, states
from foretide.model.fleet import InstanceState
from foretide.platforms.local.down import ended

CASES = Path(__file__).parents[2] / "cases"
ROUND_COUNT = 30
SPEED = 500  # a minute takes 120 ms
S = InstanceState


class Ticking:
    """Control planes, one after the other, each killed."""

    def __init__(self, root: Path) -> None:
        epoch_s = root.stat().st_mtime  # its time begins when the root was made
        words = ["ticking", root, str(epoch_s), str(SPEED), root / "journal"]
        self._pids = list[int]()
        self._process = subprocess.Popen(
            [sys.executable, CASES / "control_plane.py", *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(CASES.parent)},
        )  # fmt: skip
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        assert self._line() == b"ready"

    def _line(self) -> bytes:
        return self._lines.readline().strip()

    def begin(self, how: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{how}\n".encode())
        self._process.stdin.flush()
        told = [self._line()]
        while not told[-1].startswith(b"pid "):
            told.append(self._line())  # a tick was faster to tell
        self._pids = [int(told[-1].split()[1])]
        return self._pids[0]

    def end(self, pid: int) -> list[dict[str, object]]:
        os.kill(pid, signal.SIGKILL)
        told = list[dict[str, object]]()
        self._pids = []
        while (line := self._line()) != b"ended":
            if line.endswith(b"}"):
                told.append(json.loads(line))
        return told

    def wait(self, seconds: float) -> None:
        select.select([], [], [], seconds)

    def close(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def root(tmp_path: Path) -> Generator[Path]:
    local_platform(tmp_path).close()
    yield tmp_path / "root"
    ended(tmp_path / "root")


def rest(root: Path) -> Counter[str]:
    """Return what is there once a new owner has let everything under way come to its end."""
    with reopened(root) as platform:
        settled(platform)
        fleet = states(platform)
        limit_s = time.monotonic() + 10
        wanted = Counter(fleet.keys())
        while (seen := Counter(running(platform))) != wanted:
            # each instance of the fleet is one process, and every process is one of the fleet
            more, fewer = seen - wanted, wanted - seen
            assert time.monotonic() < limit_s, f"more: {more}, fewer: {fewer}, {root}"
            select.select([], [], [], 0.02)
        assert platform.failures("web") == ()
        return Counter(fleet.values())


@pytest.mark.slow
def test_thirty_kills_lose_nothing_and_count_nothing_twice(root: Path) -> None:
    seed = int(time.monotonic_ns() % 2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    rng = np.random.default_rng(seed)
    ticking, tick_count, action_count = Ticking(root), 0, 0
    try:
        for number in range(ROUND_COUNT):
            pid = ticking.begin("moving")
            ticking.wait(float(rng.uniform(0.02, 0.9)))
            told = ticking.end(pid)
            tick_count += len(told)
            action_count += sum(int(str(one["action_count"])) for one in told)
            if number % 5 == 4:
                rest(root)
        assert tick_count > ROUND_COUNT
        assert action_count > ROUND_COUNT
        pid = ticking.begin("steady")
        ticking.wait(6)
        last = ticking.end(pid)[-1]
    finally:
        ticking.close()
    assert (last["serving"], last["warm"], last["action_count"]) == (3, 2, 0)
    assert rest(root) == Counter({S.SERVING: 3, S.WARM: 2})
