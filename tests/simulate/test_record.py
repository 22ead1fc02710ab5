"""What a backtest writes: one row per policy and scored minute, and all of it or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.simulate.backtest import backtest
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.record import journal_path, make_folder, write_results
from foretide.simulate.scenario import Scenario
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Scenario(warm_price_fraction=0.2, warmup_days=0.1)
POLICIES = ("foretide", "hpa", "oracle")
SCHEMA = {
    "series_id": pl.String,
    "policy": pl.String,
    "ts": pl.Datetime("us", "UTC"),
    "serving": pl.Int32,
    "warm": pl.Int32,
    "billed": pl.Float64,
}


def outcome_of(series_id: str) -> SeriesOutcome:
    values = 600 + 500 * np.sin(np.arange(1000) / 100)
    values[500:520] = np.nan
    demand = Demand(series_id=series_id, start=START, step_s=60, values=values)
    return backtest(demand, scenario=RULES, policies=POLICIES, journal=MemoryJournal())


@pytest.fixture(scope="module")
def outcomes() -> list[SeriesOutcome]:
    return [outcome_of("shop/a"), outcome_of("shop/b")]


def write(folder: Path, outcomes: list[SeriesOutcome]) -> None:
    write_results(folder, title="A test", scenario=RULES, outcomes=outcomes)


@pytest.fixture
def counts(outcomes: list[SeriesOutcome], tmp_path: Path) -> pl.DataFrame:
    write(tmp_path / "out", outcomes)
    return pl.read_parquet(tmp_path / "out" / "counts.parquet")


def test_counts_have_the_columns_promised(counts: pl.DataFrame) -> None:
    assert dict(counts.schema) == SCHEMA
    assert counts.null_count().sum_horizontal().item() == 0


def test_there_is_one_row_per_policy_and_scored_minute(
    counts: pl.DataFrame, outcomes: list[SeriesOutcome]
) -> None:
    scored = 1000 - 144 - 20
    sizes = counts.group_by("series_id", "policy").len()
    assert sizes["len"].to_list() == [scored] * 6
    assert counts.select("series_id", "policy", "ts").is_duplicated().sum() == 0
    one = counts.filter(series_id="shop/a", policy="hpa")
    assert one["ts"][0] == START + timedelta(minutes=144) == outcomes[0].start
    unseen = [START + timedelta(minutes=minute) for minute in range(500, 520)]
    assert not one["ts"].is_in(unseen).any()


def test_what_is_written_is_what_was_scored(
    counts: pl.DataFrame, outcomes: list[SeriesOutcome]
) -> None:
    for run in outcomes[1].runs:
        rows = counts.filter(series_id="shop/b", policy=run.policy)
        assert rows["billed"].mean() == pytest.approx(run.score.mean_billed_count)
        assert (rows["serving"] >= 1).all()
        booting = rows["billed"] - rows["serving"] - 0.2 * rows["warm"]
        assert booting.min() == pytest.approx(0, abs=1e-9)


def test_the_summary_is_plain_json_and_the_report_stands_alone(
    outcomes: list[SeriesOutcome], tmp_path: Path
) -> None:
    write(tmp_path, outcomes)
    told = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [one["series_id"] for one in told["series"]] == ["shop/a", "shop/b"]
    assert told["scenario"]["warm_price_fraction"] == 0.2
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A test" in page
    assert 'src="http' not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "counts.parquet",
        "report.html",
        "summary.json",
    ]


def test_a_second_time_replaces_the_first(outcomes: list[SeriesOutcome], tmp_path: Path) -> None:
    write(tmp_path, outcomes)
    write(tmp_path, outcomes[:1])
    counts = pl.read_parquet(tmp_path / "counts.parquet")
    assert counts["series_id"].unique().to_list() == ["shop/a"]


def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    outcomes: list[SeriesOutcome], tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html: Is a directory"):
        write(tmp_path, outcomes)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="name a folder"):
            make_folder(folder)


@pytest.mark.parametrize("series_id", ["shop/search", "a b", "../../etc/x", "ä%2F", "."])
def test_a_journal_lies_below_its_folder_whatever_the_series(
    series_id: str, tmp_path: Path
) -> None:
    path = journal_path(tmp_path, series_id)
    assert path.parent == tmp_path / "journal"
    assert path.name.endswith(".jsonl.gz")
    assert journal_path(tmp_path, "shop/x") != journal_path(tmp_path, "shop%2Fx")
