"""`foretide plan --all`: every service in one heartbeat, within what they share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cases.command import Run, runner
from foretide.config.load import read_config
from foretide.control.replay import judged
from foretide.control.service import policy_from
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand
from foretide.store.journal import read_journal

START = datetime(2026, 3, 2, tzinfo=UTC)
SERVICE = """
[service.{name}]
app = "shop"
features = ["{name}"]
instance_rps = 1.0
price_usd_per_hour = 0.1
objective_fraction = 0.001
warm_price_fraction = 0.2
max_instances = 200
"""
AT = ("--at", "2026-03-03T12:00:00Z")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs a command beside two days of demand of two features."""
    run = runner(monkeypatch, capsys, tmp_path)
    configure("")
    hours = np.arange(48 * 12) / 12
    shape = 1 - 0.9 * np.cos(hours * np.pi / 12)
    demands = [
        Demand(series_id=f"shop/{name}", start=START, step_s=300, values=np.round(level * shape))
        for name, level in (("cart", 600.0), ("search", 2400.0))
    ]
    write_demand(Path("demand.parquet"), demands)
    done = run("import", "demand.parquet")
    assert done.returncode == 0, done.stderr
    return run


def configure(budget: str, priority: str = "") -> None:
    services = SERVICE.format(name="cart") + priority + SERVICE.format(name="search")
    Path("foretide.toml").write_text(f"[app.shop]\n{services}\n{budget}", encoding="utf-8")


def total(line: str) -> int:
    serving, warm = line.split(": ")[1].split(".", maxsplit=1)[0].split(", ")
    return int(serving.split()[0]) + int(warm.split()[0])


def test_every_service_is_told_in_a_line(run: Run) -> None:
    done = run("plan", "--all", *AT)
    assert (done.returncode, done.stderr) == (0, "")
    at, cart, search = done.stdout.splitlines()
    assert at == "2026-03-03T12:00:00+00:00"
    assert cart.startswith("cart: ")
    assert search.startswith("search: ")


def test_within_a_budget_they_have_no_more_together(run: Run) -> None:
    configure("[budget]\ninstances = 7\n")
    done = run("plan", "--all", *AT)
    assert (done.returncode, done.stderr) == (0, "")
    _, cart, search, budget, *cuts = done.stdout.splitlines()
    assert total(cart) + total(search) == 7
    assert "the shared budget allows no more" in cart + search
    assert budget.startswith("Budget of 7 instances: at most 7 instances for 0.70 USD/h")
    assert any("would have liked" in line and "times its price" in line for line in cuts)


def test_what_runs_is_not_removed_by_a_budget(run: Run) -> None:
    configure("[budget]\nusd_per_hour = 0.5\n")
    done = run("plan", "--all", "--fleet", "search=16+4", "--fleet", "cart=3", *AT)
    lines = done.stdout.splitlines()
    assert total(lines[1]) == 3
    assert total(lines[2]) >= 16
    assert "takes more than the budget: nothing grows" in done.stdout


def test_each_journal_replays_alone(run: Run) -> None:
    configure("[budget]\ninstances = 9\n")
    for hour in ("06", "12"):
        run("plan", "--all", "--at", f"2026-03-03T{hour}:00:00Z")
    settings = read_config(Path("foretide.toml"))
    for name, service in settings.services.items():
        entries = list(read_journal(Path(f".foretide/journal/{name}.jsonl")))
        verdict = judged(entries, policy_from(name, service, version="v1"))
        assert (verdict.equal_count, verdict.differing) == (2, None)
        assert all(entry.around.ceiling_count is not None for entry in entries)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("web", "--all"), "name one service or give --all"),
        (("--all", "--serving", "3"), "--fleet web=4+2"),
        (("--all", "--fleet", "search"), "--fleet search: write NAME=SERVING+WARM"),
        (("--all", "--fleet", "search=-1"), "--fleet search=-1: write NAME=SERVING+WARM"),
        (("--all", "--fleet", "serach=1"), "no [service.serach]; there is cart, search"),
        (("search", "--fleet", "search=1"), "goes with --all"),
        (("--all", "--at", "2020-01-01T00:00:00Z"), "no demand of cart is known by then"),
        (("--all", "--at", "noon"), "--at must be an ISO 8601 instant"),
    ],
)
def test_what_is_wrong_is_refused(run: Run, words: tuple[str, ...], named: str) -> None:
    done = run("plan", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not Path(".foretide/journal").exists()
