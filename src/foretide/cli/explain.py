"""This file knows `foretide explain`: what a forecast rests on, in words and numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo

import typer

from foretide.cli import asked
from foretide.cli.from_file import Place, work_of_file
from foretide.cli.where import STORE_HELP
from foretide.cli.work import check_history, progress
from foretide.errors import InputError

if TYPE_CHECKING:
    from foretide.store.warehouse import Warehouse

_RECORD = timedelta(days=42)


def explain(
    what: Annotated[Literal["forecast"], typer.Argument(help="What to explain.")],
    feature: Annotated[
        str, typer.Argument(metavar="APP/FEATURE", help="Whose forecast, of the store.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option(help="Take demand from this Parquet or CSV instead.")
    ] = None,
    series: Annotated[str, typer.Option(help="Which series of the file. [its only one]")] = "",
    at: Annotated[
        str, typer.Option(help="Issued at this instant (ISO 8601 with a zone). [end of data]")
    ] = "",
    horizon: Annotated[str, typer.Option(help="How far ahead: 24h to 168h, or 1d to 7d.")] = "168h",
    country: Annotated[
        str, typer.Option(help="Of a file: whose holidays its users keep, such as US.")
    ] = "",
    subdivision: Annotated[
        str, typer.Option(help="Of a file: which part of the country, such as NY.")
    ] = "",
    timezone: Annotated[
        str, typer.Option(help="Time zone whose clock the users follow. [UTC, or as configured]")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="The configuration. [./foretide.toml if there is one]")
    ] = None,
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
) -> None:
    """Say what a forecast rests on: experts, corrections, calendar, interval, and its record.

    Forecasts the series as `foretide forecast` would, and tells which experts carry it by day
    ahead, what its last errors and a shift of level moved, what holidays and events do to it, how
    wide the interval is and why, and how such forecasts turned out so far.
    """
    del what  # a decision will be the other thing to explain
    instants = asked.instants([at] if at else [])
    horizon_s = asked.horizon_s(horizon)
    zone = asked.zone(timezone) if timezone else None
    if (file is None) == (not feature):
        raise InputError("explain forecast: name APP/FEATURE of the store, or --file FILE")
    if file is not None:
        asked.refuse_beside(file, {"--store": store})
        place = Place(zone=zone or ZoneInfo("UTC"), country=country, subdivision=subdivision)
        lines = _of_file(file, series, instants, place, horizon_s)
    else:
        if series:
            raise InputError(f"--series {series}: goes with --file; name APP/FEATURE alone")
        asked.refuse_without_file({"--country": country, "--subdivision": subdivision})
        lines = _of_store(feature, instants, zone, horizon_s, config, store)
    for line in lines:
        typer.echo(line)


def _of_file(
    file: Path, series: str, instants: tuple[datetime, ...], place: Place, horizon_s: int
) -> list[str]:
    from foretide.cli.explanation import explanation_lines
    from foretide.forecast.fleet import Fleet

    work = work_of_file(
        file, Fleet(), series=[series] if series else None, instants=instants, place=place,
        horizon_s=horizon_s,
    )  # fmt: skip
    if len(work.demands) > 1:
        names = ", ".join(one.series_id for one in work.demands[:3])
        raise InputError(
            f"{file}: holds {len(work.demands)} series; name one with --series, such as {names}"
        )
    return list(explanation_lines(work, horizon_s, []))


def _of_store(
    feature: str,
    instants: tuple[datetime, ...],
    zone: ZoneInfo | None,
    horizon_s: int,
    config: Path | None,
    store: Path | None,
) -> list[str]:
    from foretide.cli.explanation import explanation_lines
    from foretide.cli.from_store import named_in, store_of, works_in
    from foretide.control.scoring import accuracy_of, score_matured
    from foretide.forecast.fleet import Fleet
    from foretide.store.warehouse import Warehouse

    settings, folder = asked.settings_of(config)
    with Warehouse(store_of(store, settings, folder)) as warehouse:
        (name,) = named_in(warehouse, [feature])
        if name.feature is None:
            known = ", ".join(f"{name.app}/{one.name}" for one in warehouse.features(name.app)[:3])
            raise InputError(f"{feature}: name one feature of the app, such as {known}")
        (work,) = works_in(
            warehouse, [name], Fleet(), settings,
            instants=instants, zone=zone, step_s=None, horizon_s=horizon_s,
            is_serving=True,
        )  # fmt: skip
        check_history(warehouse.path, [work])
        now = work.instants[-1]
        score_matured(warehouse, now)
        record = accuracy_of(warehouse, feature, model=Fleet.name, now=now, window=_RECORD)
        lines = list(explanation_lines(work, horizon_s, record))
        return [*lines, *_behaviour(warehouse, name.app, name.feature)]


def _behaviour(warehouse: Warehouse, app: str, feature: str) -> list[str]:
    # Only events tell of sessions: demand that came as a table has none.
    from foretide.cli.behaviour import behaviour_behind, behind_lines

    view = next(one for one in warehouse.apps() if one.name == app)
    if not view.events:
        return ["behaviour: not known, for demand came as a table and not as events"]
    with progress("watching sessions") as moved:
        return behind_lines(behaviour_behind(warehouse, app, feature=feature, on_progress=moved))
