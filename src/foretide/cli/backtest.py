"""This file knows `foretide backtest`: what policies would have cost and missed on real demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.model.demand import Demand
    from foretide.simulate.outcome import SeriesOutcome
    from foretide.simulate.scenario import Scenario


def backtest(
    demand: Annotated[Path, typer.Argument(help="Parquet or CSV with series_id, ts, value.")],
    scenario: Annotated[
        Path, typer.Option(help="TOML with objective, boot_s, wake_s, prices, [capacity_rps].")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for counts.parquet, summary.json, report.html.")
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(help="foretide, hpa, hpa@TARGET or oracle; repeats. [the first three]"),
    ] = None,
    series: Annotated[list[str] | None, typer.Option(help="Only these series; repeats.")] = None,
    jobs: Annotated[int, typer.Option(help="Series played at once. [cores]")] = 0,
) -> None:
    """Play autoscaling policies on past demand and compare what they cost and what they missed.

    Writes counts per scored minute, a summary and a report, and the journal of every decision.
    """
    from foretide.simulate.backtest import check_policies, trace_for
    from foretide.simulate.record import make_folder, write_results
    from foretide.simulate.scenario import read_scenario
    from foretide.sources.demand_table import read_demand

    policies = tuple(policy or ("foretide", "hpa", "oracle"))
    check_policies(policies)
    if jobs < 0:
        raise InputError(f"--jobs {jobs}: must be at least 1, or 0 for one per core")
    rules = read_scenario(scenario)
    table = read_demand(demand, series=series)
    try:
        for one in table.demands:
            trace_for(one, rules)  # refused before anything is played or written
    except InputError as error:
        raise InputError(f"{demand}: {error}") from None
    make_folder(out)
    for note in (*table.notes, *_unplayed(rules, table.demands)):
        typer.echo(f"foretide: {note}", err=True)
    outcomes = _played(table.demands, rules, policies, out, jobs)
    write_results(out, title=f"Backtest of {demand.name}", scenario=rules, outcomes=outcomes)
    _print_table(outcomes, rules)
    typer.echo(f"report: {out / 'report.html'}")


def _unplayed(rules: Scenario, demands: tuple[Demand, ...]) -> list[str]:
    """Return a note on capacities whose series are not played: it may be a slip of the pen."""
    names = {one.series_id for one in demands}
    others = [name for name in rules.capacity_rps if name not in names]
    if not others:
        return []
    shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
    return [f"the scenario has a capacity for {len(others)} series not played: {shown}"]


def _played(
    demands: tuple[Demand, ...],
    rules: Scenario,
    policies: tuple[str, ...],
    folder: Path,
    jobs: int,
) -> list[SeriesOutcome]:
    """Play every series, several at once, and show how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from foretide.simulate.backtest import play_all

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    if len(demands) > 1:
        columns = (*columns[:2], MofNCompleteColumn(), columns[2])
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("playing", total=float(len(demands)))
        return play_all(
            demands, scenario=rules, policies=policies, folder=folder, jobs=jobs,
            progress=lambda done: progress.update(task, completed=done),
        )  # fmt: skip


def _print_table(outcomes: list[SeriesOutcome], rules: Scenario) -> None:
    """Print one line per series and policy."""
    from foretide.simulate.report import summarise
    from foretide.simulate.report.amounts import percent

    lines = [("series", "policy", "over capacity", "objective", "cost $", "instances", "÷ oracle")]
    for one in summarise(outcomes, rules).series:
        for run in one.policies:
            ratio = run.cost_over_oracle
            lines.append(
                (
                    one.series_id,
                    run.policy,
                    percent(run.violation_fraction),
                    "met" if run.objective_met else "missed",
                    f"{run.cost_usd:,.2f}",
                    f"{run.mean_billed_count:.2f}",
                    f"{ratio:.3f}" if ratio is not None else "",
                )
            )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        left = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        right = [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]
        typer.echo("  ".join(left + right).rstrip())
