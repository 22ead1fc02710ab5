"""What is bound to a control plane ends with it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cases.local import launch, local_platform, settled, until
from foretide.platforms.local.census import marked
from foretide.platforms.local.down import ended

CASES = Path(__file__).parents[2] / "cases"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_it(tmp_path: Path, end: signal.Signals) -> None:
    root = tmp_path / "root"
    made = local_platform(tmp_path, versions={"v1": {"workers": 2}})
    made.close()
    root_id = (root / "id").read_text().strip()
    words = [sys.executable, CASES / "control_plane.py", "apply-bound", root]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        try:
            assert owner.stdout.readline() == b"ready\n"
            for name, is_warm in (("a", False), ("b", True)):
                action = launch(name, is_warm=is_warm)
                owner.stdin.write(msgspec.json.encode(action) + b"\n")
                owner.stdin.flush()
                assert owner.stdout.readline() == b"accepted\n"
            logs = [root / "logs" / f"{name}.log" for name in "ab"]
            until(lambda: all(path.exists() and "ready" in path.read_text() for path in logs))
            owner.stdin.write(msgspec.json.encode(launch("c")) + b"\n")  # under way when it ends
            owner.stdin.flush()
            owner.send_signal(end)
            owner.wait(10)
            until(lambda: marked(root_id) == (), what=f"the end of {marked(root_id)}")
        finally:
            owner.kill()
    assert ended(root) == ()


def test_a_tidy_end_ends_them(tmp_path: Path) -> None:
    platform = local_platform(tmp_path, is_bound=True)
    platform.apply(launch("a"))
    platform.apply(launch("b", is_warm=True))
    settled(platform)
    platform.close()
    assert marked((tmp_path / "root" / "id").read_text().strip()) == ()
