"""This file knows how `foretide try` tells its result in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from foretide.simulate.outcome import SeriesOutcome
    from foretide.simulate.savings import Verdict
    from foretide.simulate.trial import Laid


def tell(outcome: SeriesOutcome, laid: Laid, verdict: Verdict, out: Path) -> None:
    """Print what each policy would have cost and dropped, what is saved, and the verdict.

    Parameters
    ----------
    outcome : SeriesOutcome
        What was played.
    laid : Laid
        The history, and what had to be assumed of it.
    verdict : Verdict
        Whether it is worth it.
    out : Path
        Where the report lies.
    """
    from foretide.cli.backtest_words import print_table
    from foretide.simulate.report import summarise
    from foretide.simulate.report.amounts import one_in, percent, usd
    from foretide.simulate.report.words import about_series, display_name

    told = summarise([outcome], laid.scenario, verdict)
    series = told.series[0]
    days = series.scored_minute_count / 1440
    typer.echo(f"{series.start:%Y-%m-%d} to {series.end:%Y-%m-%d}, {days:.1f} days scored")
    typer.echo(about_series(series))
    for sentence in laid.assumptions:
        typer.echo(f"assumed: {sentence}")
    lines = [("", "a month", "a year", "over capacity", "objective")]
    for one in series.policies:
        share = f"{one_in(one.violation_fraction)} ({percent(one.violation_fraction)})"
        lines.append(
            (
                display_name(one.policy),
                usd(one.cost_usd_per_month),
                usd(12 * one.cost_usd_per_month),
                share,
                "met" if one.objective_met else "missed",
            )
        )
    print_table(lines, 1)
    typer.echo(verdict.sentence)
    typer.echo(f"report: {out / 'report.html'}")
