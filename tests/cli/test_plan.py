"""`foretide plan`: one heartbeat in shadow, told in a sentence and journaled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.command import Done, Run, runner
from foretide.config.load import read_config
from foretide.control.replay import judged
from foretide.control.service import policy_from
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand
from foretide.store.journal import read_journal

START = datetime(2026, 3, 2, tzinfo=UTC)
CONFIG = """
[app.shop]
timezone = "UTC"

[service.web]
app = "shop"
instance_rps = 1.0
price_usd_per_hour = 0.1
objective_fraction = 0.001
warm_price_fraction = 0.2
min_instances = 1
max_instances = 200
boot_s = 300

[service.cart]
app = "shop"
features = ["cart"]
instance_rps = 1.0
price_usd_per_hour = 0.1
objective_fraction = 0.001
max_instances = 200

[service.other]
app = "nothing"
instance_rps = 1.0
price_usd_per_hour = 0.1
objective_fraction = 0.001
max_instances = 200

[app.nothing]

[store]
path = "data/foretide.duckdb"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs a command in this process, beside a configuration."""
    (tmp_path / "foretide.toml").write_text(CONFIG, encoding="utf-8")
    return runner(monkeypatch, capsys, tmp_path)


@pytest.fixture
def filled(run: Run) -> Run:
    """Return the same with two days of demand of two features in the store."""
    hours = np.arange(48 * 12) / 12
    shape = 1 - 0.9 * np.cos(hours * np.pi / 12)
    demands = [
        Demand(series_id=f"shop/{name}", start=START, step_s=300, values=np.round(level * shape))
        for name, level in (("cart", 600.0), ("search", 2400.0))
    ]
    write_demand(Path("demand.parquet"), demands)
    Path("data").mkdir()
    done = run("import", "demand.parquet", "--store", "data/foretide.duckdb")
    assert done.returncode == 0, done.stderr
    return run


def first_line(done: Done) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[0]


def test_a_plan_says_what_why_and_which_actions(filled: Run) -> None:
    done = filled("plan", "web", "--at", "2026-03-03T12:00:00Z")
    assert first_line(done).startswith("2026-03-03T12:00:00+00:00: ")
    assert len(done.stdout.splitlines()) > 2
    actions = done.stdout.splitlines()[2:]
    assert all(line.startswith("  launch ") for line in actions)


def test_the_end_of_the_data_is_now(filled: Run) -> None:
    end = START + timedelta(days=2)
    assert first_line(filled("plan", "web")).startswith(end.isoformat())


def test_a_service_of_one_feature_needs_less(filled: Run) -> None:
    at = ("--at", "2026-03-03T12:00:00Z", "--serving", 20)
    serving = [
        int(first_line(filled("plan", name, *at)).split(": ")[1].split()[0])
        for name in ("cart", "web")
    ]
    assert serving[0] < serving[1]


def test_a_fleet_that_fits_is_left_alone(filled: Run) -> None:
    at = ("--at", "2026-03-03T14:00:00Z")
    told, serving, warm = "", 21, 5
    for _ in range(5):  # what is too much goes a tenth at a time
        told = first_line(filled("plan", "web", *at, "--serving", serving, "--warm", warm))
        serving, warm = (int(part.split()[0]) for part in told.split(": ")[1].split(", "))
    again = filled("plan", "web", *at, "--serving", serving, "--warm", warm)
    assert first_line(again) == told
    assert len(again.stdout.splitlines()) == 2


def test_decisions_are_journaled_and_replay(filled: Run) -> None:
    for hour in ("06", "12", "18"):
        filled("plan", "web", "--at", f"2026-03-03T{hour}:00:00Z", "--serving", 5, "--warm", 2)
    config = read_config(Path("foretide.toml"))
    policy = policy_from("web", config.services["web"], version="v1")
    verdict = judged(read_journal(Path("data/journal/web.jsonl")), policy)
    assert (verdict.equal_count, verdict.differing) == (3, None)


def test_nothing_after_the_instant_is_used(filled: Run) -> None:
    before = filled("plan", "web", "--at", "2026-03-03T06:02:00Z", "--serving", 5).stdout
    hours = np.arange(48 * 12) / 12
    values = np.where(hours < 30, np.nan, 1e5)
    start = Demand(series_id="shop/search", start=START, step_s=300, values=values)
    write_demand(Path("later.parquet"), [start])
    filled("import", "later.parquet", "--store", "data/foretide.duckdb")
    assert filled("plan", "web", "--at", "2026-03-03T06:02:00Z", "--serving", 5).stdout == before


def refused(done: Done, *named: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("foretide: ")
    for word in named:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("wbe",), "no [service.wbe]; there is web, cart, other"),
        (("other",), "no demand of app nothing"),
        (("web", "--serving", "-1"), "--serving -1: must be 0 or more"),
        (("web", "--warm", "-1"), "--warm -1"),
        (("web", "--serving", "x"), "--serving"),
        (("web", "--at", "2026-03-03T12:00:00"), "--at must carry a time zone"),
        (("web", "--at", "noon"), "--at must be an ISO 8601 instant"),
        (("web", "--at", "2020-01-01T00:00:00Z"), "no demand of shop is known by then"),
        (("web", "--config", "absent.toml"), "absent.toml"),
        ((), "Missing argument 'service'"),
    ],
)
def test_what_is_wrong_is_refused(filled: Run, words: tuple[str, ...], named: str) -> None:
    refused(filled("plan", *words), named)
    assert not Path("data/journal").exists()


def test_without_a_store_there_is_nothing_to_plan_from(run: Run) -> None:
    refused(run("plan", "web"), "data/foretide.duckdb")
    assert [path.name for path in Path().iterdir()] == ["foretide.toml"]


def test_demand_by_the_day_cannot_be_planned_by_the_minute(run: Run) -> None:
    days = Demand(series_id="shop/a", start=START, step_s=86_400, values=np.ones(30))
    write_demand(Path("days.parquet"), [days])
    Path("data").mkdir()
    run("import", "days.parquet", "--store", "data/foretide.duckdb")
    refused(run("plan", "web"), "shop", "86400 s")
    assert not Path("data/journal").exists()
