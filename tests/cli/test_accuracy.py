"""`foretide accuracy`: kept forecasts against what came to be, and models against the past."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from cases.command import Done, Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 30


def demand(name: str, days: int, seed: int) -> Demand:
    at_h = np.arange(24 * DAYS)
    rate = 80 * seed * (1 + 0.5 * np.sin(at_h * np.pi / 12))
    values = np.random.default_rng(seed).poisson(rate).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=3600, values=values[: 24 * days])


def fill(folder: Path, run: Run, days: int) -> None:
    write_demand(folder / "d.parquet", [demand(f"shop/f{at}", days, at) for at in range(1, 4)])
    assert run("import", "d.parquet").returncode == 0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return runner(monkeypatch, capsys, tmp_path)


def rows(done: Done) -> list[dict[str, Any]]:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["rows"]


def issue_daily(run: Run, first: int, last: int) -> None:
    words = [
        word
        for day in range(first, last)
        for word in ("--at", (START + timedelta(days=day)).isoformat())
    ]
    assert run("forecast", "--horizon", "48h", *words).returncode == 0


def test_forecasts_are_scored_as_demand_comes_in(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, run, 16)
    issue_daily(run, 14, 17)
    early = rows(run("accuracy", "--json"))
    assert [one["key"] for one in early] == ["shop/f1", "shop/f2", "shop/f3"]
    assert [(one["issued_count"], one["scored_count"]) for one in early] == [(3, 2)] * 3
    assert all(not one["is_judged"] for one in early)
    fill(tmp_path, run, DAYS)
    late = rows(run("accuracy", "--json"))
    assert [(one["scored_count"], one["bucket_count"]) for one in late] == [(3, 3 * 48)] * 3
    assert all(0 < one["wql"] < 0.2 for one in late)
    assert rows(run("accuracy", "--json")) == late


def test_the_table_shows_nominal_and_what_is_too_little(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, run, DAYS)
    issue_daily(run, 14, 24)
    for words, heads in (
        ([], ["shop/f1", "shop/f2", "shop/f3"]),
        (["--by", "horizon"], ["day 1", "day 2"]),
        (["shop/f2"], ["day 1", "day 2"]),
        (["--by", "model"], ["fleet"]),
    ):
        done = run("accuracy", *words)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert [line.partition("  ")[0] for line in lines] == [
            lines[0].partition("  ")[0], *heads, "nominal",
        ]  # fmt: skip
        assert "80.0 %" in lines[-1]
        assert "skill" in lines[0]
    assert run("accuracy", "--by", "class").stdout.splitlines()[1].split()[0] in {
        "regular", "young",
    }  # fmt: skip
    issue_daily(run, 28, 29)
    few = run("accuracy", "--since", "2026-02-02T00:00:00Z").stdout
    assert "* fewer than 7 different days: too little to judge by" in few


def test_models_do_not_mix(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, run, DAYS)
    issue_daily(run, 14, 16)
    at = (START + timedelta(days=15)).isoformat()
    assert run("forecast", "--model", "seasonal-naive", "--at", at).returncode == 0
    both = rows(run("accuracy", "--json", "--by", "horizon"))
    assert {(one["key"], one["model"]) for one in both if one["key"] == "1"} == {
        ("1", "fleet"), ("1", "seasonal-naive"),
    }  # fmt: skip
    plain = [one for one in both if one["model"] == "seasonal-naive" and one["bucket_count"]]
    assert all(one["skill"] == pytest.approx(0, abs=1e-6) for one in plain)
    only = rows(run("accuracy", "--json", "--model", "fleet"))
    assert {one["model"] for one in only} == {"fleet"}
    assert "model" in run("accuracy").stdout.splitlines()[0]


def test_a_class_can_be_looked_at_alone(run: Run, tmp_path: Path) -> None:
    from foretide.cli.accuracy import Class
    from foretide.model.accuracy import SeriesClass

    assert get_args(Class) == tuple(one.value for one in SeriesClass)
    fill(tmp_path, run, DAYS)
    issue_daily(run, 10, 18)
    every = rows(run("accuracy", "--json", "--by", "class"))
    assert {one["key"] for one in every} == {"young", "regular"}
    for one in every:
        alone = rows(run("accuracy", "--json", "--by", "class", "--class", one["key"]))
        assert alone == [one]
    found = rows(run("accuracy", "d.parquet", "--json", "--by", "class", "--class", "regular"))
    assert {one["key"] for one in found} == {"regular"}


def test_nothing_scored_yet_is_said(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, run, DAYS)
    assert run("forecast").returncode == 0
    done = run("accuracy")
    assert done.returncode == 0
    assert "nothing is scored yet" in done.stdout


def test_models_are_judged_on_a_file_without_a_store(run: Run, tmp_path: Path) -> None:
    write_demand(tmp_path / "d.parquet", [demand(f"f{at}", DAYS, at) for at in range(1, 3)])
    found = rows(run("accuracy", "d.parquet", "--json", "--origins", "8"))
    assert [one["key"] for one in found] == ["fleet", "seasonal-naive"]
    assert found[0]["skill"] > 0.1
    assert found[1]["skill"] == pytest.approx(0)
    assert [one["bucket_count"] for one in found] == [2 * 8 * 24] * 2
    days = rows(run("accuracy", "d.parquet", "--json", "--by", "horizon", "--horizon", "3d",
                    "--model", "fleet", "--origins", "2"))  # fmt: skip
    assert [one["key"] for one in days] == ["1", "2", "3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.parquet"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["accuracy"], "--store .foretide/foretide.duckdb: keeps no such forecast"),
        (["accuracy", "--model", "lstm"], "keeps no such forecast by lstm"),
        (["accuracy", "shop/none"], "shop/none: app shop has no such feature"),
        (["accuracy", "--since", "monday"], "--since must be an ISO 8601 instant"),
        (["accuracy", "--since", "7x"], "--since '7x'"),
        (["accuracy", "--by", "weather"], "--by"),
        (["accuracy", "--class", "odd"], "--class"),
        (["accuracy", "--class", "sparse"], "keeps no such forecast of class sparse"),
        (["accuracy", "--country", "US"], "--country US: is for a file"),
        (["accuracy", "d.parquet", "--country", "Mars"], "--country Mars"),
        (["accuracy", "d.parquet", "--origins", "0"], "--origins 0: must be at least 1"),
        (["accuracy", "d.parquet", "--origins", "99"], "d.parquet: --origins must leave two days"),
        (["accuracy", "d.parquet", "--horizon", "1h"], "--horizon 1h"),
        (["accuracy", "d.parquet", "--model", "oracle"], "--model oracle: unknown"),
        (["accuracy", "d.parquet", "--since", "7d"], "--since 7d: is for the store"),
        (["accuracy", "none.csv"], "none.csv: No such file"),
    ],
)
def test_what_is_wrong_is_one_line(run: Run, tmp_path: Path, words: list[str], named: str) -> None:
    fill(tmp_path, run, 16)
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


def events(folder: Path) -> Path:
    """Write 26 hours in which every visitor searches, and pays five minutes later."""
    rng = np.random.default_rng(3)
    end_s = 26 * 3600
    begins = np.sort(rng.uniform(0, end_s, 12_000))
    rows = [
        {
            "ts": (START + timedelta(seconds=float(begin + later))).isoformat(),
            "app": "web",
            "feature": feature,
            "session": f"s{at}",
        }
        for at, begin in enumerate(begins)
        for feature, later in (("search", 0.0), ("pay", 300.0))
        if begin + later < end_s  # at the end the last ones have searched only
    ]
    path = folder / "events.ndjson"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_what_sessions_are_worth_is_shown_where_there_are_any(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, run, 16)
    refused = run("accuracy", "--behaviour")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert run("import", events(tmp_path)).returncode == 0
    done = run("accuracy", "--behaviour")
    assert (done.returncode, done.stderr) == (0, "")
    assert "web: what knowing sessions was worth" in done.stdout
    assert "at 5 min sessions help pay" in done.stdout
    assert "no events, so nothing is known of sessions: shop" in done.stdout
    text = run("explain", "forecast", "web/pay").stdout
    assert "web: behaviour behind the hour after" in text
    assert "sessions that called search" in text
    assert "behaviour: not known" in run("explain", "forecast", "shop/f1").stdout
