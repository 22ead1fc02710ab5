"""This file knows `foretide try`: from a history to what it would save, read-only, and honestly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from foretide.cli.durations import duration_s
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.simulate.classes import LoadClass
    from foretide.simulate.outcome import SeriesOutcome
    from foretide.simulate.scenario import Scenario
    from foretide.simulate.trial import Laid


_TARGET, _PRICE = 0.7, 0.1
_NO_PRICE = f"An instance costs ${_PRICE:.2f} an hour: nobody said; give --price."
_GIVE_CAPACITY = "give its requests/s per instance by --capacity"


def trial(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE | prometheus URL", help="Where the history of demand is."),
    ],
    query: Annotated[
        str, typer.Option(help="Prometheus: PromQL of demand, one series of requests/s.")
    ] = "",
    instances: Annotated[
        str, typer.Option(help="Instances that ran: PromQL of their count, or a file of it.")
    ] = "",
    price: Annotated[
        float | None, typer.Option(help="USD an hour of one instance. [0.10, and said so]")
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option(help="Requests/s one instance serves. [read off what ran]"),
    ] = None,
    objective: Annotated[
        float, typer.Option(help="Fraction of requests allowed over capacity.")
    ] = 0.001,
    target: Annotated[
        float | None,
        typer.Option(help="Utilisation your HPA held instances at, or would. [.7 of an HPA]"),
    ] = None,
    boot: Annotated[str, typer.Option(help="From a launch to serving.")] = "5m",
    warm_price: Annotated[
        float, typer.Option(help="Price of a warm instance over a serving one; 1: no warm pool.")
    ] = 1.0,
    cloud_forecast: Annotated[
        Path | None, typer.Option(help="A rival's plan: CSV of timestamps and capacities.")
    ] = None,
    series: Annotated[str, typer.Option(help="File: the series to try. [the only one]")] = "",
    since: Annotated[str, typer.Option(help="From here on. [Prometheus: 28 days ago]")] = "",
    until: Annotated[str, typer.Option(help="Up to here. [now, or the end of the file]")] = "",
    step: Annotated[str, typer.Option(help="Prometheus: length of a bucket. [60s]")] = "",
    header: Annotated[
        list[str] | None, typer.Option(help="Prometheus: sent along, 'Name: value'; repeats.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("foretide-try"),
) -> None:
    """Say what Foretide would save on a history: what ran, what an HPA would, and the limit.

    Reads only. Says so when it is not worth it.
    """
    from foretide.cli.history import history_of
    from foretide.cli.trial_words import tell
    from foretide.simulate.backtest import check_policies
    from foretide.simulate.record import make_folder, write_results
    from foretide.simulate.report.summary import AS_RUN
    from foretide.simulate.report.words import in_sentence
    from foretide.simulate.savings import savings
    from foretide.simulate.trial import judge, laid_out

    rules = _rules(
        price=_PRICE if price is None else price,
        objective=objective,
        boot=boot,
        warm_price=warm_price,
    )
    if capacity is not None and not 0 < capacity < math.inf:
        raise InputError(f"--capacity {capacity:g}: give requests/s of one instance, more than 0")
    if target is not None and not 0 < target <= 2:
        raise InputError(f"--target {target:g}: give a utilisation such as 0.7")
    policies = ["foretide", f"hpa@{target or _TARGET:g}"]
    if cloud_forecast is not None:
        policies.append(f"csv:{cloud_forecast}")
    try:
        check_policies(policies)
    except InputError as error:
        raise InputError(_in_own_words(str(error))) from None
    history = history_of(
        words, query=query, instances=instances, series=series, span=(since, until), step=step,
        headers=header or [],
    )  # fmt: skip
    try:
        laid = laid_out(
            history.demand, history.instances, rules,
            capacity_rps=capacity, held_fraction=target,
        )  # fmt: skip
        check_policies(policies, [laid.demand])
    except InputError as error:
        raise InputError(_in_own_words(str(error))) from None
    if price is None:
        laid = msgspec.structs.replace(laid, assumptions=(*laid.assumptions, _NO_PRICE))
    make_folder(out)
    for note in history.notes:
        typer.echo(f"foretide: {note}", err=True)
    outcome = _played(laid, policies, out)
    rival = AS_RUN if laid.fleet is not None else policies[1]
    verdict = judge(
        savings([outcome], "foretide", rival, laid.scenario),
        rival_name=in_sentence(rival),
        load_class=_class_of(outcome),
        objective=objective,
    )
    write_results(
        out,
        title=f"What Foretide would save on {history.origin}",
        scenario=laid.scenario,
        outcomes=[outcome],
        notes=laid.assumptions,
        verdict=verdict,
    )
    tell(outcome, laid, verdict, out)


def _in_own_words(text: str) -> str:
    # what a backtest is told by a scenario and --policy, this command is told by flags
    for theirs, ours in (
        ("--policy csv:", "--cloud-forecast "),
        ("give its requests/s per instance under [capacity_rps] in the scenario", _GIVE_CAPACITY),
        ("give more under [capacity_rps]", "give more by --capacity"),
    ):
        text = text.replace(theirs, ours)
    return text


def _rules(*, price: float, objective: float, boot: str, warm_price: float) -> Scenario:
    from foretide.simulate.scenario import BOOT_MAX_S, Scenario

    checks = (
        ("--price", price, 0 < price < math.inf, "USD an hour, more than 0, such as 0.10"),
        ("--objective", objective, 0 < objective < 1, "between 0 and 1, such as 0.001"),
        ("--warm-price", warm_price, 0 < warm_price <= 1, "more than 0, and 1 at most"),
    )
    for flag, value, is_right, wanted in checks:
        if not is_right:
            raise InputError(f"{flag} {value:g}: give {wanted}")
    boot_s = duration_s("--boot", boot)
    if boot_s > BOOT_MAX_S:
        raise InputError(f"--boot {boot}: give {BOOT_MAX_S // 3600}h at most")
    return Scenario(
        objective=objective,
        boot_s=boot_s,
        warm_price_fraction=warm_price,
        price_usd_per_hour=price,
    )


def _played(laid: Laid, policies: Sequence[str], folder: Path) -> SeriesOutcome:
    from foretide.cli.work import progress
    from foretide.simulate.record import journal_path
    from foretide.simulate.trial import tried
    from foretide.store.journal import FileJournal

    path = journal_path(folder, laid.demand.series_id)
    path.unlink(missing_ok=True)
    with progress("playing") as moved, FileJournal(path, is_durable=False) as journal:
        return tried(
            laid.demand, fleet=laid.fleet, scenario=laid.scenario, policies=policies,
            journal=journal, progress=lambda done: moved(round(100 * done), 100),
        )  # fmt: skip


def _class_of(outcome: SeriesOutcome) -> LoadClass:
    from foretide.simulate.classes import series_class

    own = next(run for run in outcome.runs if run.policy == "foretide")
    return series_class(outcome.demand_rps, own.band, outcome.capacity_rps).load_class
