"""`foretide forecast`, run as a person would run it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Run, runner
from foretide.model.demand import Demand
from foretide.sources.demand_table import write_demand

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 20


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demand") / "demand.parquet"
    rng = np.random.default_rng(5)
    at_h = np.arange(24 * DAYS)
    rate = 30 * (1 + 0.5 * np.sin(at_h * np.pi / 12))
    demands = [
        Demand(
            series_id=f"shop/f{at}",
            start=START,
            step_s=3600,
            values=rng.poisson(rate * (1 + at)).astype(np.float64),
        )
        for at in range(5)
    ]
    write_demand(path, demands)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs the command in this process, in an empty folder."""
    return runner(monkeypatch, capsys, tmp_path, "forecast")


def test_the_installed_command_forecasts(table: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "foretide", "forecast", str(table)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


_SAY_PANDAS = """
import sys
from foretide.cli import main
try:
    main()
except SystemExit:
    print("pandas" in sys.modules)
"""


def test_writing_a_forecast_does_not_load_what_it_does_not_need(
    table: Path, tmp_path: Path
) -> None:
    words = ["forecast", str(table), "--out", str(tmp_path / "out.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", _SAY_PANDAS, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_a_table_of_quantiles_is_written(run: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    at = ["2026-01-20T10:30:00Z", "2026-01-18T00:00:00+01:00"]
    done = run(
        table, "--at", at[0], "--at", at[1], "--at", at[0], "--horizon", "48h",
        "--quantile", "0.9", "--quantile", "0.5", "--quantile", ".9", "--out", out,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = pl.read_parquet(out)
    assert found.schema == {
        "series_id": pl.String,
        "issued_at": pl.Datetime("us", "UTC"),
        "ts": pl.Datetime("us", "UTC"),
        "quantile": pl.Float64,
        "value": pl.Float64,
    }
    assert len(found) == 5 * 2 * 48 * 2
    assert found["quantile"].unique().sort().to_list() == [0.5, 0.9]
    first = found.group_by("issued_at").agg(pl.col("ts").min(), pl.col("ts").max().alias("last"))
    assert sorted(first.rows()) == [
        (
            datetime(2026, 1, 17, 23, tzinfo=UTC),
            datetime(2026, 1, 17, 23, tzinfo=UTC),
            datetime(2026, 1, 19, 22, tzinfo=UTC),
        ),
        (
            datetime(2026, 1, 20, 10, 30, tzinfo=UTC),
            datetime(2026, 1, 20, 11, tzinfo=UTC),
            datetime(2026, 1, 22, 10, tzinfo=UTC),
        ),
    ]
    assert (found["value"].is_finite() & (found["value"] >= 0)).all()


def test_rows_after_at_change_no_byte(run: Run, table: Path, tmp_path: Path) -> None:
    at = START + timedelta(days=15, hours=7, minutes=20)
    rows = pl.read_parquet(table)
    late = pl.col("ts") + pl.duration(hours=1) > at
    corrupt = tmp_path / "corrupt.parquet"
    rows.with_columns(
        value=pl.when(late).then(pl.col("value") * 1000 + 7).otherwise(pl.col("value"))
    ).write_parquet(corrupt)
    for model in ("fleet", "seasonal-naive"):
        outs = [tmp_path / f"{model}-{at}.parquet" for at in range(2)]
        for source, out in zip((table, corrupt), outs, strict=True):
            done = run(source, "--at", at.isoformat(), "--model", model, "--out", out)
            assert done.returncode == 0
        assert outs[0].read_bytes() == outs[1].read_bytes()


def test_without_out_a_few_series_are_drawn(run: Run, table: Path) -> None:
    done = run(table, "--horizon", "2d", "--timezone", "Europe/Paris")
    assert done.returncode == 0
    assert done.stdout.count("quantiles 0.05 … 0.95") == 3
    assert "░" in done.stdout
    assert "3 of 5 series shown; --out FILE writes them all" in done.stdout
    assert all(len(line) <= 120 for line in done.stdout.splitlines())


def test_a_self_contained_picture_is_written(run: Run, table: Path, tmp_path: Path) -> None:
    picture, out = tmp_path / "f.html", tmp_path / "f.parquet"
    done = run(table, "--plot", picture, "--out", out)
    assert done.returncode == 0
    html = picture.read_text(encoding="utf-8")
    assert html.count("f4") >= 1
    assert 'src="http' not in html
    assert html.count("plotly.js v") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.html", "f.parquet"]


def test_long_after_the_data_is_answered_with_a_note(run: Run, table: Path) -> None:
    done = run(table, "--at", "2026-03-01T00:00:00Z")
    assert done.returncode == 0
    assert "nothing observed for the last" in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--horizon", "23h"], "--horizon 23h"),
        (["--horizon", "169h"], "--horizon 169h"),
        (["--horizon", "8d"], "--horizon 8d"),
        (["--horizon", "soon"], "--horizon soon"),
        (["--quantile", "1"], "--quantile 1"),
        (["--quantile", "0"], "--quantile 0"),
        (["--quantile", "nan"], "--quantile nan"),
        (["--quantile", "half"], "--quantile half"),
        (["--at", "2026-01-20T10:30:00"], "--at must carry a time zone"),
        (["--at", "yesterday"], "--at must be an ISO 8601 instant"),
        (["--at", "2026-01-05T00:59:00Z"], "no bucket that ended by then"),
        (["--model", "oracle"], "--model oracle: unknown; use one of fleet"),
        (["--timezone", "Mars/Olympus"], "--timezone Mars/Olympus"),
        (["--plot", "absent/f.html"], "--plot absent/f.html"),
        (["--plot", "."], "--plot .: is a folder"),
        (["--plot", "out.parquet"], "--plot out.parquet: is also the demand or --out"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    run: Run, table: Path, tmp_path: Path, words: list[str], named: str
) -> None:
    done = run(table, "--out", "out.parquet", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("foretide: ")
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_demand_is_never_written_over(run: Run, table: Path) -> None:
    before = table.read_bytes()
    done = run(table, "--out", table)
    assert done.returncode == 2
    assert "name another file" in done.stderr
    assert table.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"not a table"])
def test_a_file_that_is_no_table_is_one_line(
    run: Run, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "in.parquet").write_bytes(content)
    done = run("in.parquet", "--out", "out.parquet")
    assert done.returncode == 2
    assert "in.parquet" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.parquet").exists()
