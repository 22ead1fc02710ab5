"""This file knows what a backtest writes: counts, summary and report, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import numpy as np
import polars as pl

from foretide.errors import InputError
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.report import summary, write_report
from foretide.simulate.scenario import Scenario

COUNTS_FILE, SUMMARY_FILE, REPORT_FILE = "counts.parquet", "summary.json", "report.html"
JOURNAL_FOLDER = "journal"
_PART = ".part"


def make_folder(folder: Path) -> None:
    """Make the folder results go to.

    Raises
    ------
    InputError
        When it is a file or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}; name a folder") from None


def journal_path(folder: Path, series_id: str) -> Path:
    """Return where the journal of one series is written below a backtest's folder."""
    return folder / JOURNAL_FOLDER / f"{quote(series_id, safe='')}.jsonl.gz"


def counts_frame(outcome: SeriesOutcome, warm_price_fraction: float) -> pl.DataFrame:
    """Return one row per policy and scored minute of a series.

    Parameters
    ----------
    outcome : SeriesOutcome
        One series.
    warm_price_fraction : float
        Price of a warm instance / price of a serving one.

    Returns
    -------
    DataFrame
        `series_id, policy, ts, serving, warm, billed`; billed in serving instances.
    """
    seen = np.flatnonzero(np.isfinite(outcome.demand_rps))
    first_us = int(outcome.start.timestamp()) * 1_000_000
    minute_us = int(timedelta(minutes=1) / timedelta(microseconds=1))
    parts = [
        pl.DataFrame(
            {
                "ts": first_us + minute_us * seen,
                "serving": run.counts.serving[seen],
                "warm": run.counts.warm[seen],
                "billed": run.counts.billed(warm_price_fraction)[seen],
            }
        ).select(
            pl.lit(outcome.series_id).alias("series_id"),
            pl.lit(run.policy).alias("policy"),
            pl.col("ts").cast(pl.Datetime("us", "UTC")),
            pl.col("serving", "warm").cast(pl.Int32),
            pl.col("billed"),
        )
        for run in outcome.runs
    ]
    return pl.concat(parts)


def write_results(
    folder: Path,
    *,
    title: str,
    scenario: Scenario,
    outcomes: Sequence[SeriesOutcome],
    notes: Sequence[str] = (),
) -> None:
    """Write counts, summary and report of a backtest into a folder.

    Each file is complete under another name before any takes its own.

    Parameters
    ----------
    folder : Path
        Made when absent.
    title : str
        Heading of the report.
    scenario : Scenario
        The rules.
    outcomes : sequence of SeriesOutcome
        At least one.
    notes : sequence of str
        What a reader has to know besides.

    Raises
    ------
    InputError
        When the folder cannot be written.
    """
    make_folder(folder)
    counts = folder / f"{COUNTS_FILE}{_PART}"
    summed = folder / f"{SUMMARY_FILE}{_PART}"
    try:
        pl.concat([counts_frame(o, scenario.warm_price_fraction) for o in outcomes]).write_parquet(
            counts, compression="zstd"
        )
        content = msgspec.json.encode(summary(outcomes, scenario))
        summed.write_bytes(msgspec.json.format(content, indent=2) + b"\n")
        write_report(
            folder / REPORT_FILE, title=title, scenario=scenario, outcomes=outcomes, notes=notes
        )
        counts.replace(folder / COUNTS_FILE)
        summed.replace(folder / SUMMARY_FILE)
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}; name a writable folder") from None
    finally:
        counts.unlink(missing_ok=True)
        summed.unlink(missing_ok=True)
