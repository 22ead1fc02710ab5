"""`foretide backtest` with several scenarios, out of the store, and under faults."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Done, Run, runner
from cases.kept import file
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand
from foretide.store.warehouse import Warehouse

START = datetime(2026, 3, 2, tzinfo=UTC)
SCENARIO = """
objective = 0.01
boot_s = 300
warm_price_fraction = 0.2
warmup_days = 0.5
"""


def calls(name: str, seed: int = 1) -> Demand:
    """Return a day and a half of calls in buckets of five minutes."""
    hours = np.arange(12 * 36) / 12
    values = np.random.default_rng(seed).poisson(500 * (1 - 0.9 * np.cos(hours * np.pi / 12)))
    return Demand(series_id=name, start=START, step_s=300, values=values.astype(np.float64))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs `foretide` in this process, in a folder with demand."""
    write_demand(tmp_path / "d.parquet", [calls("shop")])
    (tmp_path / "s.toml").write_text(SCENARIO, encoding="utf-8")
    return runner(monkeypatch, capsys, tmp_path)


def backtest(run: Run, *words: object) -> Done:
    return run("backtest", "d.parquet", "--scenario", "s.toml", "--out", "o", "--jobs", 1, *words)


def test_variants_stand_side_by_side_and_replay(run: Run) -> None:
    done = backtest(run, "--warm", "both", "--boot", "60,10m")
    assert (done.returncode, done.stderr) == (0, "")
    names = [
        f"boot {boot} s, {pool}" for boot in (60, 600) for pool in ("warm pool", "no warm pool")
    ]
    head, *lines, _ = done.stdout.splitlines()
    assert head.startswith("scenario")
    assert [line.split("  ")[0] for line in lines[::3]] == names
    counts = pl.read_parquet("o/counts.parquet")
    assert counts.columns[:3] == ["scenario", "series_id", "policy"]
    assert counts["scenario"].unique(maintain_order=True).to_list() == names
    cold = counts.filter(pl.col("scenario") == names[1])
    assert (cold["billed"] >= cold["serving"] + cold["warm"]).all()
    summary = json.loads(Path("o/summary.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in summary["scenarios"]] == names
    assert [one["scenario"]["boot_s"] for one in summary["scenarios"]] == [60, 60, 600, 600]
    page = Path("o/report.html").read_text(encoding="utf-8")
    assert "Scenarios side by side" in page
    again = run("replay", "o")
    assert again.returncode == 0
    assert again.stdout == "8,640 decisions of 4 series replayed: all equal\n"


def test_scenarios_of_several_files_keep_their_names(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tight.toml").write_text("objective = 0.001\nwarmup_days = 0.5", encoding="utf-8")
    done = backtest(run, "--scenario", "tight.toml", "--policy", "hpa", "--policy", "oracle")
    assert done.returncode == 0
    found = json.loads(Path("o/summary.json").read_text(encoding="utf-8"))["scenarios"]
    assert {one["name"]: one["scenario"]["objective"] for one in found} == {
        "s": 0.01,
        "tight": 0.001,
    }


def test_soft_scale_down_is_played_softly(run: Run) -> None:
    done = backtest(run, "--scale-down", "both", "--policy", "foretide")
    assert done.returncode == 0
    found = json.loads(Path("o/summary.json").read_text(encoding="utf-8"))["scenarios"]
    assert [one["scenario"]["scale_down"] for one in found] == ["strict", "soft"]
    assert run("replay", "o").returncode == 0


def test_faults_are_played_and_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[level_shift]\nper_week = 40\nfactor = 2.0", "utf-8")
    costs: list[float] = []
    for words in ((), ("--faults", "bad.toml")):
        assert backtest(run, "--policy", "hpa", *words).returncode == 0
        [total] = json.loads(Path("o/summary.json").read_text(encoding="utf-8"))["totals"]
        costs.append(total["cost_usd"])
    assert costs[1] > 1.1 * costs[0]
    assert "Gone wrong on purpose: level_shift" in Path("o/report.html").read_text("utf-8")


def test_the_store_is_played_by_app_feature_and_span(run: Run) -> None:
    with Warehouse(Path("kept.duckdb"), may_create=True) as warehouse:
        file(warehouse, calls("shop/cart", 1), calls("shop/search", 2))
    given = ("--scenario", "s.toml", "--policy", "hpa", "--store", "kept.duckdb", "--jobs", 1)
    whole = run("backtest", "shop", *given, "--out", "whole")
    assert (whole.returncode, whole.stderr) == (0, "")
    summary = json.loads(Path("whole/summary.json").read_text(encoding="utf-8"))
    [series] = summary["series"]
    assert series["series_id"] == "shop"
    part = run(
        "backtest", "shop/cart", *given, "--out", "part",
        "--since", START.isoformat(), "--until", (START + timedelta(days=1)).isoformat(),
    )  # fmt: skip
    assert part.returncode == 0
    [series] = json.loads(Path("part/summary.json").read_text(encoding="utf-8"))["series"]
    assert series["series_id"] == "shop/cart"
    assert series["end"] == "2026-03-03T00:00:00Z"
    for words, named in (
        (("shp",), "no app of the store (shop)"),
        (("shop/crt",), "no such feature"),
        (("shop", "--series", "shop/cart"), "name APP/FEATURE itself"),
        (("shop", "--since", "2031-01-01T00:00:00Z"), "no demand in that span"),
    ):
        done = run("backtest", *words, *given, "--out", "none")
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr
        assert not Path("none").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--warm", "maybe"), "--warm maybe: give one of on, off, both"),
        (("--boot", "soon"), "--boot 'soon'"),
        (("--boot", "60,60"), "give each once"),
        (("--boot", "9000"), "7200 s at most"),
        (("--scale-down", "hard"), "--scale-down hard"),
        (("--faults", "earthquake"), "--faults earthquake"),
        (("--scenario", "s.toml"), "another one is named s"),
        (("--since", "2026-03-02"), "--since"),
        (("--since", "2026-03-03T00:00:00Z", "--until", "2026-03-02T00:00:00Z"), "before"),
        (("--store", "kept.duckdb"), "--store"),
    ],
)
def test_a_flag_that_is_wrong_is_refused(run: Run, words: tuple[str, ...], named: str) -> None:
    done = backtest(run, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not Path("o").exists()
