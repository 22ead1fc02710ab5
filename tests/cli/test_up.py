"""`foretide up` and the commands beside it, on a platform that is made up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.command import Run, runner
from foretide.control.board import Board
from foretide.control.clock import WallClock
from foretide.control.ingest import file_fetched
from foretide.model.demand import Demand
from foretide.store.journal import read_journal
from foretide.store.warehouse import Warehouse

CONFIG = """
[app.shop]

[service.web]
app = "shop"
mode = "live"
max_instances = 50
instance_rps = 10
price_usd_per_hour = 0.1
objective_fraction = 0.001
warm_price_fraction = 0.2

[service.cart]
app = "shop"
features = ["cart"]
max_instances = 50
instance_rps = 10
price_usd_per_hour = 0.1
objective_fraction = 0.001

[store]
path = "store.duckdb"

[local]
root = "root"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs a command in this process, beside a configuration and a store."""
    (tmp_path / "foretide.toml").write_text(CONFIG, encoding="utf-8")
    _fill(tmp_path / "store.duckdb", WallClock().now())
    return runner(monkeypatch, capsys, tmp_path)


def _fill(store: Path, now: datetime) -> None:
    minutes = np.arange(1500)
    values = np.random.default_rng(1).poisson(1800 + 1200 * np.sin(minutes / 230)).astype(float)
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=1500)
    one = Demand(series_id="shop/cart", start=start, step_s=60, values=values)
    with Warehouse(store, may_create=True) as warehouse:
        file_fetched(warehouse, [one], origin="test", app="", now=datetime.now(tz=UTC))


@pytest.fixture
def begun(tmp_path: Path) -> Generator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that begins `foretide up` as a process, ended with the test."""
    made: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "foretide", "up"], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        made.append(process)
        board = Board(tmp_path / "root")
        until(lambda: (s := board.state()) is not None and board.owner() == process.pid and s)
        return process

    yield begin
    for one in made:
        one.kill()
        one.wait()
        if one.stdout is not None:
            one.stdout.close()


def until(found: Callable[[], object], most_s: float = 60.0) -> None:
    wait = threading.Event()
    for _ in range(round(most_s / 0.05)):
        if found():
            return
        wait.wait(0.05)
    raise AssertionError("it never came to be so")


def test_one_heartbeat_is_planned_journaled_and_acted_upon(run: Run, tmp_path: Path) -> None:
    done = run("up", "--once")
    assert done.returncode == 0, done.stderr
    assert "web: live, is acted upon; platform simulated" in done.stdout
    assert "cart: shadow, is planned and left alone; platform simulated" in done.stdout
    entries = {
        name: list(read_journal(tmp_path / f"root/journal/{name}.jsonl"))
        for name in ("web", "cart")
    }
    assert [len(of) for of in entries.values()] == [1, 1]
    assert entries["web"][0].around.is_acting
    assert not entries["cart"][0].around.is_acting
    again = run("up", "--once")
    assert again.returncode == 0, again.stderr


def test_status_tells_before_between_and_after(run: Run) -> None:
    before = run("status")
    assert "`foretide up` does not run" in before.stdout
    run("up", "--once")
    after = run("status")
    assert after.returncode == 0
    rows = [line.split("  ")[0] for line in after.stdout.splitlines()[1:4]]
    assert rows == ["service", "web", "cart"]
    assert "Scale up to" in after.stdout
    told = json.loads(run("status", "--json").stdout)
    assert told["process"] is None
    assert told["services"]["web"]["planned_serving"] >= 1
    assert told["services"]["web"]["requested"].get("launch", 0) >= 1
    assert told["services"]["cart"]["requested"] == {}
    assert told["services"]["cart"]["mode"] == "shadow"


def test_a_paused_service_is_not_acted_upon_and_it_is_said(run: Run, tmp_path: Path) -> None:
    assert "web is paused" in run("pause", "web").stdout
    assert "was paused already" in run("pause", "web").stdout
    assert "web: paused: planned, and nothing is done" in run("up", "--once").stdout
    (entry,) = read_journal(tmp_path / "root/journal/web.jsonl")
    assert not entry.around.is_acting
    assert "live, paused" in run("status").stdout
    assert "web goes on" in run("resume", "web").stdout
    assert "was not paused" in run("resume", "web").stdout


REFUSALS = {
    "no configuration": (("up", "--config", "none.toml"), "none.toml: No such file or directory"),
    "unknown service": (("pause", "x"), "foretide.toml: no [service.x]; there is web, cart"),
    "unknown to resume": (("resume", "x"), "foretide.toml: no [service.x]; there is web, cart"),
    "unknown to install": (("install", "x", "v1", "."), "foretide.toml: no [service.x]; there is"),
    "no package": (("install", "web", "v1", "nowhere"), "nowhere: "),
    "no such instance": (("logs", "web-1"), "web-1: no log of such an instance; there is none"),
    "a path for an instance": (("logs", "../x"), "../x: no log of such an instance"),
    "no length of time": (("up", "--for", "soon"), "--for 'soon': write a length such as 60s"),
    "no lines": (("logs", "a", "--lines", "0"), "Invalid value for '--lines'"),
}


@pytest.mark.parametrize(("words", "line"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refuses_in_one_line(run: Run, words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"foretide: {line}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "root/content").exists() or not any(
        (tmp_path / "root/content").iterdir()
    )


def test_no_service_and_no_demand_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "foretide.toml").write_text("[app.shop]\n", encoding="utf-8")
    assert run("up").stderr.startswith("foretide: foretide.toml: no [service.NAME]; add one")
    (tmp_path / "foretide.toml").write_text(
        CONFIG.replace('app = "shop"', 'app = "none"') + "[app.none]\n", encoding="utf-8"
    )
    assert "no demand of app none in the last weeks; run `foretide import`" in run("up").stderr
    (tmp_path / "store.duckdb").unlink()
    assert "no store there; import something first" in run("up").stderr
    assert not (tmp_path / "root/journal").exists()


def test_down_finds_nothing_where_nothing_was(run: Run, tmp_path: Path) -> None:
    done = run("down")
    assert (done.returncode, done.stdout) == (0, "nothing runs\n")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_asked_and_says_so(
    run: Run, begun: Callable[[], subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = begun()
    assert "runs here already" in run("up", "--once").stderr
    assert f"runs as process {process.pid}" in run("status").stdout
    process.send_signal(number)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 0, printed
    assert printed.splitlines()[-1] == "stopped"
    assert "Traceback" not in printed


def test_a_pause_is_heard_by_a_loop_that_runs(
    run: Run, begun: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    begun()
    assert run("pause", "web").stderr == ""
    state = Board(tmp_path / "root").state()
    assert state is not None
    assert state.of("web").is_paused
    assert run("resume", "web").stderr == ""


def test_down_ends_the_loop_first(run: Run, begun: Callable[[], subprocess.Popen[str]]) -> None:
    process = begun()
    done = run("down")
    assert done.returncode == 0, done.stderr
    assert f"ending `foretide up` (process {process.pid})" in done.stdout
    assert process.wait(10) == 0


def test_a_killed_loop_is_gone_on_with(
    run: Run, begun: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = begun()
    process.kill()
    process.communicate()
    assert "does not run" in run("status").stdout
    assert run("up", "--once").returncode == 0
    entries = list(read_journal(tmp_path / "root/journal/web.jsonl"))
    assert [one.is_start for one in entries] == [True, True]
