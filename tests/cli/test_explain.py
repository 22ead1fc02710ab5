"""`foretide explain forecast`: what a forecast rests on, told of the store and of a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.command import Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 1, 5, tzinfo=UTC)
CONFIG = """
[app.shop]
timezone = "Europe/Berlin"

[[app.shop.events]]
name = "sale"
start = 2026-02-17T08:00:00Z
end = 2026-02-17T20:00:00Z
uplift_factor = 3.0
"""


def demand(name: str, days: int = 42) -> Demand:
    at_h = np.arange(24 * days)
    rate = 80 * (1 + 0.5 * np.sin(at_h * np.pi / 12)) * np.where((at_h // 24) % 7 >= 5, 0.5, 1.0)
    values = np.random.default_rng(1).poisson(rate).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=3600, values=values)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs `foretide` in a folder with a store and a file of two series."""
    found = runner(monkeypatch, capsys, tmp_path)
    write_demand(tmp_path / "d.parquet", [demand("shop/cart"), demand("shop/pay/card")])
    assert found("import", "d.parquet").returncode == 0
    return found


def told(run: Run, *words: object) -> str:
    done = run("explain", "forecast", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_experts_correction_level_and_interval_are_told(run: Run) -> None:
    text = told(run, "shop/cart")
    lines = text.splitlines()
    assert lines[0].startswith("shop/cart: forecast by fleet, issued 2026-02-16 00:00 UTC")
    assert "42 days; weekly" in lines[1]
    assert sum("day 7" in line for line in lines) == 2  # the head of the table, the interval
    experts = [line for line in lines if line.startswith("expert: ")]
    assert experts
    first_day = sum(
        int(line.split("%", maxsplit=1)[0].split()[-1])
        for line in lines
        if line.startswith("expert: ") or "other experts" in line
    )
    assert 95 <= first_day <= 105
    parts = [
        "moved by last errors",
        "level: no shift seen",
        "interval (80 %): ±",
        "calendar: no holiday or event",
        "record: no forecast of it is scored yet",
    ]
    for part in parts:
        assert part in text


def test_the_record_is_that_of_the_scored_forecasts(run: Run) -> None:
    at = [(START + timedelta(days=day)).isoformat() for day in (28, 30, 32)]
    assert run("forecast", "shop/cart", *[w for one in at for w in ("--at", one)]).returncode == 0
    text = told(run, "shop/cart")
    assert "record, all days: skill" in text
    assert "record, day 7: skill" in text
    # an explanation of the past does not know what was scored later
    assert "record: no forecast" in told(run, "shop/cart", "--at", at[0])


def test_a_declared_event_is_told_with_its_factor(run: Run, tmp_path: Path) -> None:
    (tmp_path / "foretide.toml").write_text(CONFIG, encoding="utf-8")
    text = told(run, "shop/pay/card")
    assert "calendar: sale: x 3.0" in text
    assert "by prior, none seen yet" in text
    assert "interval: wider on day" in text


def test_a_series_of_a_file_and_a_young_one_are_explained(run: Run, tmp_path: Path) -> None:
    words = ["--file", "d.parquet", "--series", "shop/cart"]
    assert told(run, *words).splitlines()[0].startswith("shop/cart: forecast by fleet")
    early = told(run, *words, "--at", "2026-01-06T03:00:00Z", "--horizon", "24h")
    assert "young: less than two weeks of history" in early
    assert "few past forecasts to learn from" in early
    write_demand(tmp_path / "one.parquet", [demand("only")])
    assert told(run, "--file", "one.parquet").startswith("only: forecast")


def test_a_shift_of_level_is_told(run: Run, tmp_path: Path) -> None:
    usual = demand("only")
    values = usual.values.copy()
    values[-48:] *= 3
    shifted = Demand(series_id="only", start=START, step_s=3600, values=values)
    write_demand(tmp_path / "one.parquet", [shifted])
    assert "times that of the weeks before" in told(run, "--file", "one.parquet")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "name APP/FEATURE of the store, or --file FILE"),
        (["shop/cart", "--file", "d.parquet"], "name APP/FEATURE of the store, or --file FILE"),
        (["shop"], "shop: name one feature of the app, such as shop/"),
        (["shop/none"], "shop/none: app shop has no such feature"),
        (["nix/none"], "nix/none: no file, and no app of the store"),
        (["shop/cart", "--series", "x"], "--series x: goes with --file"),
        (["shop/cart", "--country", "US"], "--country US: is for a file"),
        (["shop/cart", "--at", "2025-01-01T00:00:00Z"], "no bucket that ended by then"),
        (["shop/cart", "--horizon", "3h"], "--horizon 3h"),
        (["--file", "d.parquet"], "d.parquet: holds 2 series; name one with --series"),
        (["--file", "d.parquet", "--series", "x"], "holds no series 'x'"),
        (["--file", "none.parquet"], "none.parquet: No such file"),
        (["--file", "d.parquet", "--store", "s"], "--store s: is for the store"),
    ],
)
def test_what_is_wrong_is_one_line(run: Run, words: list[str], named: str) -> None:
    done = run("explain", "forecast", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
