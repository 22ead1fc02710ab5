"""`foretide forecast` on the store: what is forecast, kept, and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand
from foretide.store.warehouse import Warehouse

START = datetime(2026, 1, 5, tzinfo=UTC)
STORE = Path(".foretide/foretide.duckdb")
CONFIG = """
[app.shop]
timezone = "Europe/Berlin"

[forecast]
horizon_h = 48
"""


def demand(name: str, days: int, level: float = 50.0) -> Demand:
    at_h = np.arange(24 * days)
    rate = level * (1 + 0.5 * np.sin(at_h * np.pi / 12))
    values = np.random.default_rng(len(name)).poisson(rate).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=3600, values=values)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs `foretide` in a folder with a store of two apps."""
    found = runner(monkeypatch, capsys, tmp_path)
    features = [demand(f"{name}", 20) for name in ("shop/cart", "shop/pay/card", "bank/login")]
    write_demand(tmp_path / "demand.parquet", features)
    assert found("import", "demand.parquet").returncode == 0
    (tmp_path / "demand.parquet").unlink()
    return found


def issued(folder: Path) -> dict[str, list[datetime]]:
    with Warehouse(folder / STORE) as warehouse:
        return {
            one.series_id: [
                kept.forecast.issued_at
                for kept in warehouse.forecasts_of(
                    app=one.series_id.partition("/")[0], feature=one.series_id.partition("/")[2]
                )
            ]
            for one in warehouse.demand()
        }


def test_everything_in_the_store_is_forecast_and_kept_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "foretide.toml").write_text(CONFIG, encoding="utf-8")
    done = run("forecast", "--out", "out.parquet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 forecasts kept in .foretide/foretide.duckdb" in done.stdout
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found["series_id"].unique().sort().to_list() == [
        "bank/login", "shop/cart", "shop/pay/card",
    ]  # fmt: skip
    assert len(found) == 3 * 48 * 5  # the configured horizon
    assert found["issued_at"].unique().to_list() == [START + timedelta(days=20)]
    again = run("forecast")
    assert "0 forecasts kept in .foretide/foretide.duckdb, 3 were there already" in again.stdout
    assert {len(instants) for instants in issued(tmp_path).values()} == {1}


def test_what_is_kept_is_what_was_written(run: Run, tmp_path: Path) -> None:
    done = run("forecast", "shop/cart", "--out", "out.parquet", "--quantile", ".5",
               "--quantile", ".95", "--quantile", ".333")  # fmt: skip
    assert done.returncode == 0
    with Warehouse(tmp_path / STORE) as warehouse:
        (kept,) = warehouse.forecasts_of(app="shop", feature="cart")
    assert len(kept.forecast.values) == 168
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found["quantile"].unique().sort().to_list() == [0.333, 0.5, 0.95]
    for level in (0.5, 0.95):
        written = found.filter(pl.col("quantile") == level)["value"].to_numpy()
        column = kept.forecast.values[:, kept.forecast.levels.index(level)]
        np.testing.assert_array_equal(written.astype(np.float32), column.astype(np.float32))


@pytest.mark.parametrize(
    ("words", "series"),
    [
        (["shop"], ["shop/cart", "shop/pay/card"]),
        (["shop/pay/card"], ["shop/pay/card"]),
        (["shop/cart", "bank"], ["bank/login", "shop/cart"]),
        (["shop", "shop/cart", "shop"], ["shop/cart", "shop/pay/card"]),
    ],
)
def test_apps_and_features_can_be_named(
    run: Run, tmp_path: Path, words: list[str], series: list[str]
) -> None:
    done = run("forecast", *words)
    assert done.returncode == 0
    assert sorted(name for name, instants in issued(tmp_path).items() if instants) == series


def test_no_keep_keeps_nothing_and_instants_keep_one_each(run: Run, tmp_path: Path) -> None:
    assert run("forecast", "--no-keep").returncode == 0
    assert run("forecast", "--no-keep", "--out", "out.parquet", "--step", "2h").returncode == 0
    assert set(map(len, issued(tmp_path).values())) == {0}
    at = ["2026-01-15T00:00:00Z", "2026-01-18T12:00:00+01:00"]
    assert run("forecast", "--at", at[0], "--at", at[1]).returncode == 0
    assert set(map(len, issued(tmp_path).values())) == {2}


def test_series_without_a_past_at_an_instant_are_not_kept(run: Run, tmp_path: Path) -> None:
    late = Demand(
        series_id="shop/new",
        start=START + timedelta(days=19),
        step_s=3600,
        values=np.full(24, 5.0),
    )
    write_demand(tmp_path / "late.parquet", [late])
    assert run("import", "late.parquet").returncode == 0
    done = run("forecast", "--at", "2026-01-20T00:00:00Z", "--at", "2026-01-25T00:00:00Z")
    assert done.returncode == 0
    assert {name: len(instants) for name, instants in issued(tmp_path).items()} == {
        "shop/new": 1, "shop/cart": 2, "shop/pay/card": 2, "bank/login": 2,
    }  # fmt: skip


def test_work_shared_by_processes_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    outs = [tmp_path / f"{count}.parquet" for count in (1, 2)]
    for count, out in enumerate(outs, 1):
        assert run("forecast", "--no-keep", "--out", out, "--workers", count).returncode == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nix"], "nix: no file, and no app of the store (bank, shop)"),
        (["shop/none"], "shop/none: app shop has no such feature; it has"),
        (["none.parquet"], "none.parquet: No such file"),
        (["a.csv", "shop"], "a.csv: a file stands alone"),
        (["--step", "90m"], "--step 5400 s: bank/login is known every 3600 s"),
        (["--step", "soon"], "--step 'soon'"),
        (["--horizon", "12h"], "--horizon 12h"),
        (["--store", "none.duckdb"], "--store none.duckdb: no store there"),
        (["--config", "none.toml"], "none.toml: No such file"),
        (["--country", "US"], "--country US: is for a file"),
        (["--at", "2026-01-04T00:00:00Z"], "no bucket that ended by then"),
        (["--model", "oracle"], "--model oracle: unknown"),
        (["--out", "none/out.parquet"], "--out none/out.parquet"),
        (["--workers", "0"], "workers"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_kept(
    run: Run, tmp_path: Path, words: list[str], named: str
) -> None:
    done = run("forecast", "--out", "out.parquet", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("foretide: ")
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.parquet").exists()
    assert set(map(len, issued(tmp_path).values())) == {0}


def test_flags_of_the_store_are_refused_beside_a_file(run: Run, tmp_path: Path) -> None:
    write_demand(tmp_path / "d.parquet", [demand("a", 5)])
    for flag, value in (("--store", "x.duckdb"), ("--step", "1h")):
        done = run("forecast", "d.parquet", flag, value)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{flag} {value}: is for the store" in done.stderr


def test_an_empty_store_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = runner(monkeypatch, capsys, tmp_path)
    with Warehouse(tmp_path / "s.duckdb", may_create=True):
        pass
    for command in ("forecast", "accuracy"):
        done = found(command, "--store", "s.duckdb")
        assert done.returncode == 2
        assert "holds no demand; run `foretide import` first" in done.stderr
