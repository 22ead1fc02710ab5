"""This file knows `foretide replay`: whether a backtest's journal gives every plan again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.simulate.report.summary import Summary


def replay(
    folder: Annotated[Path, typer.Argument(help="The --out folder of a backtest or demo.")],
) -> None:
    """Make every journaled decision anew, and compare it with the one that was recorded.

    The journal holds all that went into a decision, so the same planner must come to the same
    one, byte for byte. Ends with 1 and names the first that differs when it does not.
    """
    from foretide.control.replay import judged
    from foretide.simulate.play import policy_for
    from foretide.simulate.record import journal_path
    from foretide.store.journal import read_journal

    decision_count = series_count = 0
    for name, told in _summaries(folder).items():
        for series in told.series:
            packed = journal_path(folder, series.series_id, name)
            # what was played live was written line by line, as it happened
            path = packed if packed.exists() else packed.with_suffix("")
            if not path.exists():
                continue
            policy = policy_for(series.series_id, told.scenario, series.capacity_rps)
            verdict = judged(read_journal(path), policy)
            if verdict.differing is not None:
                at = verdict.differing.at.isoformat()
                typer.echo(f"{series.series_id} at {at}: the decision comes out otherwise ({path})")
                raise typer.Exit(1)
            decision_count += verdict.equal_count
            series_count += verdict.equal_count > 0
    if not series_count:
        raise InputError(f"{folder}: no journal; play a backtest with --policy foretide")
    typer.echo(f"{decision_count:,} decisions of {series_count} series replayed: all equal")


def _summaries(folder: Path) -> dict[str, Summary]:
    """Return the summary of each scenario by its name, which is empty where there is one."""
    from foretide.simulate.record import read_summaries

    return read_summaries(folder)
