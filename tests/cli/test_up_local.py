"""`foretide up` on this machine: real instances, which outlive it, are adopted, and are ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import foretide
from cases.local import until
from foretide.platforms.local.census import found
from foretide.platforms.local.down import ended

CONFIG = """
[app.shop]

[service.web]
app = "shop"
platform = "local"
mode = "live"
min_instances = 2
max_instances = 4
instance_rps = 40
boot_s = 3
price_usd_per_hour = 0.1
objective_fraction = 0.001

[service.web.local]
package = "shop-server"
version = "v1"
listen = "127.0.0.1:{port}"
demand = "traffic"

[local]
root = "root"
"""


class Machine:
    """A folder with a configuration, in which commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self._made: list[subprocess.Popen[str]] = []
        example = Path(foretide.__file__).parent / "simulate" / "shop_server"
        shutil.copytree(
            example, folder / "shop-server", ignore=shutil.ignore_patterns("__pycache__")
        )
        manifest = folder / "shop-server" / "package.toml"
        manifest.write_text(
            manifest.read_text(encoding="utf-8").replace('"2.5"', '"0.2"'), encoding="utf-8"
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "foretide.toml").write_text(CONFIG.format(port=port), encoding="utf-8")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "foretide", *words], cwd=self.folder, text=True,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip

    def up(self) -> subprocess.Popen[str]:
        log = self.folder / f"up-{len(self._made)}.log"
        with log.open("w", encoding="utf-8") as file:
            self._made.append(
                subprocess.Popen(
                    [sys.executable, "-m", "foretide", "up"], cwd=self.folder, text=True,
                    stdout=file, stderr=subprocess.STDOUT,
                )
            )  # fmt: skip
        return self._made[-1]

    def web(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["services"]["web"]

    def processes(self) -> dict[str, int]:
        marker = self.root / "id"
        if not marker.exists():
            return {}
        return {name: one.pid for name, one in found(marker.read_text().strip()).items()}

    def printed(self) -> str:
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("up-*.log")))

    def end(self) -> None:
        for one in self._made:
            one.kill()
            one.wait()
        if self.root.exists():
            ended(self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Generator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.end()


def serving(machine: Machine, count: int) -> Callable[[], bool]:
    return lambda: machine.web()["serving"] == count


@pytest.mark.slow
def test_instances_outlive_the_loop_are_adopted_replaced_and_ended(machine: Machine) -> None:
    first = machine.up()
    until(lambda: len(machine.processes()) == 2, within_s=30, what="two instances")
    until(serving(machine, 2), within_s=75, what=f"serving ({machine.printed()})")
    begun = machine.processes()

    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    assert "instances go on running (2 of web)" in machine.printed()
    assert machine.processes() == begun
    assert "2 instances run on their own" in machine.run("status").stdout

    second = machine.up()
    until(lambda: machine.web()["serving"] == 2 and _process(machine) == second.pid, within_s=30)
    second.kill()
    second.wait()
    assert machine.processes() == begun

    machine.up()
    until(lambda: _process(machine) is not None, within_s=30)
    lost = next(iter(begun))
    os.kill(begun[lost], signal.SIGKILL)
    until(
        lambda: len(machine.processes()) == 2 and lost not in machine.processes(),
        within_s=30, what=f"a replacement ({machine.printed()})",
    )  # fmt: skip
    logs = machine.run("logs", lost)
    assert logs.returncode == 0, logs.stderr
    missing = machine.run("logs", "web-x")
    assert missing.returncode == 2
    assert "no log of such an instance; there is web-" in missing.stderr

    done = machine.run("down")
    assert done.returncode == 0, done.stderr
    assert machine.processes() == {}
    assert machine.run("down").stdout == "nothing runs\n"
    assert "Traceback" not in machine.printed()


def _process(machine: Machine) -> int | None:
    return json.loads(machine.run("status", "--json").stdout)["process"]


def test_a_version_whose_bytes_differ_is_refused_and_nothing_runs(machine: Machine) -> None:
    assert "web v1 is sha256:" in machine.run("install", "web", "v1", "shop-server").stdout
    (machine.folder / "shop-server" / "more.txt").write_text("other bytes", encoding="utf-8")
    done = machine.run("up", "--once")
    assert done.returncode == 2
    assert "give what has changed another version" in done.stderr
    assert done.stderr.count("\n") == 1
    assert machine.processes() == {}
