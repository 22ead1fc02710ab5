"""`foretide peaks` and `foretide paths`, as a person meets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Run, runner

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def foretide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return runner(monkeypatch, capsys, tmp_path)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    hours = np.arange(28 * 24)
    rows = [
        pl.DataFrame(
            {
                "series_id": name,
                "ts": [START + timedelta(hours=int(hour)) for hour in hours],
                "value": rng.poisson(level * (1 + 0.5 * np.sin(hours * 2 * np.pi / 24))) * 1.0,
            }
        )
        for name, level in (("shop/search", 90), ("shop/cart", 20))
    ]
    path = tmp_path_factory.mktemp("peaks") / "demand.parquet"
    pl.concat(rows).write_parquet(path)
    return path


def test_the_peak_of_a_day_lies_above_each_of_its_hours(
    foretide: Run, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "peaks.parquet"
    done = foretide("peaks", str(table), "--window", "1d", "--horizon", "7d", "--out", str(out))
    assert done.returncode == 0, done.stderr
    peaks = pl.read_parquet(out).filter(pl.col("quantile") == 0.5)
    assert len(peaks) == 14
    by_hour = tmp_path / "hours.parquet"
    foretide("forecast", str(table), "--horizon", "7d", "--out", str(by_hour))
    highest = (
        pl.read_parquet(by_hour)
        .filter(pl.col("quantile") == 0.5)
        .group_by("series_id")
        .agg(pl.col("value").max())
    )
    for name, most in highest.iter_rows():
        of_days = peaks.filter(pl.col("series_id") == name)["value"].to_numpy()
        assert of_days.mean() > most


def test_without_a_file_to_write_peaks_are_shown(foretide: Run, table: Path) -> None:
    done = foretide("peaks", str(table), "--quantile", "0.9")
    assert done.returncode == 0, done.stderr
    assert "shop/search, peak of each 360 min" in done.stdout
    assert done.stdout.count("2026-03-30") == 2 * 4


def test_paths_are_written_and_the_same_for_the_same_seed(
    foretide: Run, table: Path, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    for out in (one, other):
        done = foretide("paths", str(table), "--count", "20", "--seed", "3", "--out", str(out))
        assert done.returncode == 0, done.stderr
    drawn = pl.read_parquet(one)
    assert drawn.equals(pl.read_parquet(other))
    assert drawn.columns == ["series_id", "issued_at", "path", "ts", "value"]
    assert len(drawn) == 2 * 20 * 24
    assert (drawn["value"].to_numpy() >= 0).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("peaks", "--window", "5h"), "--window 5h: window_s must divide a day"),
        (("peaks", "--window", "soon"), "--window 'soon': write a length"),
        (("peaks", "--window", "1m"), "must divide a day and be a multiple of the 3600 s"),
        (("paths", "--count", "0", "--out", "x.parquet"), "count must lie in [1, 10000], was 0"),
        (("paths",), "--out: is missing"),
        (("peaks", "--horizon", "3h"), "--horizon 3h: must be 24h to 168h"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    foretide: Run, table: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    command, *flags = words
    done = foretide(command, str(table), *flags)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
