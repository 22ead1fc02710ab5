"""Nothing outlives a control plane whose instances are bound to it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from cases.running import Running, ended, pause, running, until
from foretide.platforms.local.census import found, marked
from foretide.platforms.local.groups import Groups, own_trees
from foretide.platforms.local.guard import Guard
from foretide.platforms.local.identity import identity, is_running
from foretide.platforms.local.process import Limits

_GUARDED = """
import sys
from pathlib import Path
from foretide.platforms.local.guard import Guard
guard = Guard(sys.argv[1], map(Path, sys.argv[2:]))
print(guard.pid, flush=True)
if sys.stdin.readline() == "close\\n":
    guard.close()
"""


def _control_plane(root_id: str, *folders: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _GUARDED, root_id, *map(str, folders)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_forked_and_what_is_frozen_is_killed_too(
    tmp_path: Path, number: signal.Signals
) -> None:
    root = uuid4().hex
    groups = Groups(root, own_trees(), core_count=2)
    limits = Limits(groups=groups.make("web-1"))
    try:
        with (
            running(tmp_path, root_id=root, workers=3, limits=limits) as app,
            running(tmp_path, instance_id="web-2") as stranger,
        ):
            owner = _control_plane(root, *groups.folders)
            try:
                assert owner.stdout is not None
                guard = identity(int(owner.stdout.readline()))
                if not groups.freeze("web-1", is_frozen=True):
                    os.killpg(app.who.pid, signal.SIGSTOP)
                owner.send_signal(number)
                owner.wait(10)
                until(lambda: marked(root) == ())
                until(lambda: not is_running(guard))
                assert is_running(stranger.who)
            finally:
                ended(owner)
        until(lambda: not any(folder.exists() for folder in groups.folders))
    finally:
        groups.clean()


def test_a_guard_that_is_let_go_kills_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        guard = Guard(app.root_id)
        who = identity(guard.pid)
        guard.close()
        guard.close()
        assert not is_running(who)
        owner = _control_plane(app.root_id)
        owner.communicate(b"close\n", timeout=10)
        pause(0.2)
        _is_there(app)


def _is_there(app: Running) -> None:
    assert found(app.root_id) == {"web-1": app.who}
    assert app.get("/") == "web-1"
