"""This file knows how `foretide backtest` tells its results in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from foretide.simulate.outcome import Played

_HEAD = ("series", "policy", "over capacity", "objective", "cost $", "instances", "÷ oracle")
_TEXT_COLUMNS = 2


def print_results(played: Sequence[Played]) -> None:
    """Print one line per series and policy, with the scenario in front where there are several.

    Parameters
    ----------
    played : sequence of Played
        What was played.
    """
    lines = [_HEAD, *(line for one in played for line in _lines(one))]
    text_columns = _TEXT_COLUMNS
    if len(played) > 1:
        names = ["scenario", *(one.name for one in played for _ in _lines(one))]
        lines = [(name, *line) for name, line in zip(names, lines, strict=True)]
        text_columns += 1
    print_table(lines, text_columns)


def _lines(played: Played) -> list[tuple[str, ...]]:
    from foretide.simulate.report import summarise
    from foretide.simulate.report.amounts import percent

    return [
        (
            one.series_id,
            run.policy,
            percent(run.violation_fraction),
            "met" if run.objective_met else "missed",
            f"{run.cost_usd:,.2f}",
            f"{run.mean_billed_count:.2f}",
            f"{run.cost_over_oracle:.3f}" if run.cost_over_oracle is not None else "",
        )
        for one in summarise(played.outcomes, played.scenario).series
        for run in one.policies
    ]


def print_table(lines: Sequence[Sequence[str]], text_columns: int) -> None:
    """Print lines in columns: the first ones to the left, numbers to the right.

    Parameters
    ----------
    lines : sequence of sequence of str
        All of one length; the first is the head.
    text_columns : int
        How many columns are text.
    """
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [
            text.ljust(width) if column < text_columns else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
