"""This file knows what a backtest writes: counts, summary and report, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import polars as pl

from foretide.errors import InputError
from foretide.simulate.outcome import Played, SeriesOutcome
from foretide.simulate.report import summary, write_report
from foretide.simulate.report.summary import Summary
from foretide.simulate.savings import Verdict
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


def journal_path(folder: Path, series_id: str, scenario_name: str = "") -> Path:
    """Return where the journal of one series is written below a backtest's folder.

    Parameters
    ----------
    folder : Path
        Of the backtest.
    series_id : str
        The series.
    scenario_name : str
        Of one among several scenarios; empty where there is one.
    """
    place = folder / JOURNAL_FOLDER / quote(scenario_name, safe="")
    return place / f"{quote(series_id, safe='')}.jsonl.gz"


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
    verdict: Verdict | None = None,
) -> None:
    """Write counts, summary and report of a backtest by one scenario into a folder.

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
    verdict : Verdict, optional
        Of a trial.

    Raises
    ------
    InputError
        When the folder cannot be written.
    """
    played = Played(name="", scenario=scenario, outcomes=tuple(outcomes))
    write_comparison(folder, title=title, played=[played], notes=notes, verdict=verdict)


def write_comparison(
    folder: Path,
    *,
    title: str,
    played: Sequence[Played],
    notes: Sequence[str] = (),
    verdict: Verdict | None = None,
) -> None:
    """Write counts, summary and report of a backtest by one or more scenarios into a folder.

    Each file is complete under another name before any takes its own. With several scenarios the
    counts have a column more, `scenario`, and the summary holds one summary for each.

    Parameters
    ----------
    folder : Path
        Made when absent.
    title : str
        Heading of the report.
    played : sequence of Played
        At least one, on the same series; the first is the one the others are compared with.
    notes : sequence of str
        What a reader has to know besides.
    verdict : Verdict, optional
        Of a trial.

    Raises
    ------
    InputError
        When the folder cannot be written.
    """
    make_folder(folder)
    counts = folder / f"{COUNTS_FILE}{_PART}"
    summed = folder / f"{SUMMARY_FILE}{_PART}"
    try:
        pl.concat(_counted(played)).write_parquet(counts, compression="zstd")
        content = msgspec.json.encode(_told(played, verdict))
        summed.write_bytes(msgspec.json.format(content, indent=2) + b"\n")
        write_report(folder / REPORT_FILE, title=title, played=played, notes=notes, verdict=verdict)
        counts.replace(folder / COUNTS_FILE)
        summed.replace(folder / SUMMARY_FILE)
    except OSError as error:
        raise InputError(f"--out {folder}: {error.strerror}; name a writable folder") from None
    finally:
        counts.unlink(missing_ok=True)
        summed.unlink(missing_ok=True)


class _NamedSummary(Summary, frozen=True, kw_only=True):
    name: str


class _Comparison(msgspec.Struct, frozen=True):
    scenarios: list[_NamedSummary]


def read_summaries(folder: Path) -> dict[str, Summary]:
    """Return the summary of each scenario that was written into a folder.

    Parameters
    ----------
    folder : Path
        Of a backtest, a trial or a demo.

    Returns
    -------
    dict of str to Summary
        By name, which is empty where there is one scenario.

    Raises
    ------
    InputError
        When there is none, or it is no summary of a backtest.
    """
    path = folder / SUMMARY_FILE
    try:
        content = path.read_bytes()
        if "scenarios" in msgspec.json.decode(content, type=dict[str, msgspec.Raw]):
            several = msgspec.json.decode(content, type=_Comparison)
            return {one.name: one for one in several.scenarios}
        return {"": msgspec.json.decode(content, type=Summary)}
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; give the --out folder of a backtest or demo"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no summary of a backtest ({error}); play it again") from None


def _counted(played: Sequence[Played]) -> list[pl.DataFrame]:
    frames: list[pl.DataFrame] = []
    for one in played:
        name = pl.lit(one.name).alias("scenario")
        for outcome in one.outcomes:
            frame = counts_frame(outcome, one.scenario.warm_price_fraction)
            frames.append(frame if len(played) == 1 else frame.select(name, pl.all()))
    return frames


def _told(played: Sequence[Played], verdict: Verdict | None) -> dict[str, Any]:
    if len(played) == 1:
        return summary(played[0].outcomes, played[0].scenario, verdict)
    return {
        "scenarios": [{"name": one.name} | summary(one.outcomes, one.scenario) for one in played]
    }
