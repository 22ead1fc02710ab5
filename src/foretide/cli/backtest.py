"""This file knows `foretide backtest`: what policies would have cost and missed on real demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foretide.cli.where import STORE_HELP
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.model.demand import Demand
    from foretide.simulate.scenario import Scenario


def backtest(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|APP|APP/FEATURE...",
            help="Parquet or CSV with series_id, ts, value; or what of the store.",
        ),
    ],
    scenario: Annotated[
        list[Path],
        typer.Option(help="TOML with objective, boot_s, prices, [capacity_rps]; repeats."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for counts.parquet, summary.json, report.html.")
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="foretide, oracle, or a rival such as hpa, hpa@0.5, keda, csv:FILE; repeats. "
            "[foretide, hpa, oracle]"
        ),
    ] = None,
    series: Annotated[list[str] | None, typer.Option(help="Only these series; repeats.")] = None,
    warm: Annotated[
        str, typer.Option(help="Warm pool: on, off or both. [as the scenario says]")
    ] = "",
    boot: Annotated[
        str, typer.Option(help="Lead times to compare, such as 60,300,900. [the scenario's]")
    ] = "",
    scale_down: Annotated[
        str, typer.Option(help="strict, soft or both. [as the scenario says]")
    ] = "",
    faults: Annotated[
        str, typer.Option(help="What goes wrong: a name such as flash-crowd, or a TOML file.")
    ] = "",
    since: Annotated[str, typer.Option(help="Only demand from here on (ISO 8601, zone).")] = "",
    until: Annotated[str, typer.Option(help="Only demand up to here.")] = "",
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    jobs: Annotated[int, typer.Option(help="Series played at once. [cores]")] = 0,
) -> None:
    """Play autoscaling policies on past demand and compare what they cost and what they missed.

    Demand comes from a file, or by the same words as `foretide forecast` from the store. Writes
    counts per scored minute, a summary and a report, and the journal of every decision.
    """
    from foretide.cli.backtest_words import print_results
    from foretide.cli.past import bar, past_of, scenarios_of
    from foretide.simulate.backtest import check_policies, trace_for
    from foretide.simulate.faults import NO_FAULTS, read_faults
    from foretide.simulate.record import make_folder, write_comparison
    from foretide.simulate.rounds import Rules, play_scenarios

    policies = tuple(policy or ("foretide", "hpa", "oracle"))
    check_policies(policies)
    if jobs < 0:
        raise InputError(f"--jobs {jobs}: must be at least 1, or 0 for one per core")
    scenarios = scenarios_of(scenario, boot=boot, warm=warm, scale_down=scale_down)
    wrong = read_faults(faults) if faults else NO_FAULTS
    past = past_of(what, series=series, span=(since, until), store=store)
    try:
        for one in past.demands:  # refused before anything is played or written
            for each in scenarios.values():
                trace_for(one, each, wrong)
    except InputError as error:
        raise InputError(f"{past.origin}: {error}") from None
    check_policies(policies, past.demands)
    make_folder(out)
    for note in (*past.notes, *_unplayed(scenarios.values(), past.demands)):
        typer.echo(f"foretide: {note}", err=True)
    with bar("playing", len(scenarios) * len(past.demands)) as moved:
        played = play_scenarios(
            past.demands,
            {name: Rules(scenario=one, faults=wrong) for name, one in scenarios.items()},
            policies=policies, folder=out, jobs=jobs, is_swept=True, progress=moved,
        )  # fmt: skip
    told = [f"Gone wrong on purpose: {', '.join(wrong.kinds())}."] if wrong.kinds() else []
    write_comparison(out, title=f"Backtest of {past.title}", played=played, notes=told)
    print_results(played)
    typer.echo(f"report: {out / 'report.html'}")


def _unplayed(rules: Iterable[Scenario], demands: Sequence[Demand]) -> list[str]:
    """Return a note on capacities whose series are not played: it may be a slip of the pen."""
    names = {one.series_id for one in demands}
    given = dict.fromkeys(name for each in rules for name in each.capacity_rps)
    others = [name for name in given if name not in names]
    if not others:
        return []
    shown = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
    return [f"the scenario has a capacity for {len(others)} series not played: {shown}"]
