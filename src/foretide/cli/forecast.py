"""This file knows `foretide forecast`: from demand to quantiles of the days ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from foretide.cli import asked
from foretide.cli.durations import step_s as bucket_s
from foretide.cli.from_file import Place, work_of_file
from foretide.cli.where import STORE_HELP
from foretide.cli.work import Hands, Work, check_history, forecasts_of, progress

if TYPE_CHECKING:
    from foretide.model.accuracy import Kept
    from foretide.model.demand import Demand
    from foretide.model.forecast import Forecast
    from foretide.store.warehouse import Warehouse

_FILE_HORIZON_S = 24 * 3600
_DRAWN_MAX = 3
_PICTURED_MAX = 12


def forecast(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|APP|APP/FEATURE]...",
            help="Parquet or CSV with series_id, ts, value; or what of the store. [all of it]",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Issue at this instant (ISO 8601 with a zone); repeats. [end of data]"),
    ] = None,
    horizon: Annotated[
        str,
        typer.Option(
            help="How far ahead: 24h to 168h, or 1d to 7d. [of a file 24h, of the store as "
            "configured]"
        ),
    ] = "",
    quantile: Annotated[
        list[str] | None,
        typer.Option(help="Quantile level in (0, 1); repeats. [.05 .1 .5 .9 .95]"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Forecaster: fleet, seasonal-naive, prophet, prophet-tuned, gbm, lstm, auto (they "
            "compete), or one that another package registers."
        ),
    ] = "fleet",
    timezone: Annotated[
        str,
        typer.Option(
            help="Time zone whose clock the users follow, such as Europe/Paris. [of a file UTC, "
            "of the store as configured]"
        ),
    ] = "",
    country: Annotated[
        str, typer.Option(help="Of a file: whose holidays its users keep, such as US.")
    ] = "",
    subdivision: Annotated[
        str, typer.Option(help="Of a file: which part of the country, such as NY.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write series_id, issued_at, ts, quantile, value here.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (HTML) here.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The configuration. [./foretide.toml if there is one]")
    ] = None,
    store: Annotated[Path | None, typer.Option(help=STORE_HELP)] = None,
    step: Annotated[
        str, typer.Option(help="Of the store: length of a bucket, such as 1h. [each series' own]")
    ] = "",
    keep: Annotated[
        bool, typer.Option(help="Of the store: keep the forecast, to be scored later.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the work. [1, or as configured]")
    ] = None,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Address of a dask scheduler that shares the work, such as tcp://10.0.0.5:8786; "
            "needs foretide[dask]."
        ),
    ] = "",
) -> None:
    """Forecast demand with its uncertainty, 24 hours to 7 days ahead.

    Without a file it forecasts what is in the store, and keeps each forecast there, so that
    `foretide accuracy` can tell later what it was worth. Uses only buckets that ended at or before
    `--at`. Without `--out` the forecast is drawn in the terminal.
    """
    file = asked.table_among(what or [])
    levels, instants = asked.levels(quantile or []), asked.instants(at or [])
    horizon_s = asked.horizon_s(horizon) if horizon else None
    zone = asked.zone(timezone) if timezone else None
    asked.check_writable("--out", out, taken=[file])
    asked.check_writable("--plot", plot, taken=[file, out])
    from foretide.forecasters.registry import forecaster

    chosen = forecaster(model)
    if file is not None:
        asked.refuse_beside(file, {"--store": store, "--step": step})
        wanted = _Wanted(
            horizon_s=horizon_s or _FILE_HORIZON_S, levels=levels, out=out, plot=plot,
            hands=Hands(workers=1 if workers is None else workers, scheduler=scheduler),
        )  # fmt: skip
        place = Place(zone=zone or ZoneInfo("UTC"), country=country, subdivision=subdivision)
        work = work_of_file(
            file, chosen, instants=instants, place=place, horizon_s=wanted.horizon_s
        )
        _answer([work], wanted)
        return
    asked.refuse_without_file({"--country": country, "--subdivision": subdivision})
    settings, folder = asked.settings_of(config)
    from foretide.cli.from_store import named_in, store_of, works_in
    from foretide.store.warehouse import Warehouse

    step_s = bucket_s("--step", step) if step else None
    with Warehouse(store_of(store, settings, folder)) as warehouse:
        names = named_in(warehouse, what or [])
        configured_s = settings.forecast.horizon_h * 3600
        wanted = _Wanted(
            horizon_s=horizon_s or configured_s, levels=levels, out=out, plot=plot,
            hands=Hands(
                workers=settings.forecast.workers if workers is None else workers,
                scheduler=scheduler or settings.forecast.scheduler or "",
            ),
        )  # fmt: skip
        works = works_in(
            warehouse, names, chosen, settings,
            instants=instants, zone=zone, step_s=step_s, horizon_s=wanted.horizon_s,
            is_serving=True,
        )  # fmt: skip
        check_history(warehouse.path, works)
        if keep:
            _answer_and_keep(warehouse, works, wanted)
        else:
            _answer(works, wanted)


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    horizon_s: int
    levels: tuple[float, ...]
    out: Path | None
    plot: Path | None
    hands: Hands


def _answer_and_keep(warehouse: Warehouse, works: Sequence[Work], wanted: _Wanted) -> None:
    from foretide.control.clock import WallClock
    from foretide.control.scoring import score_matured

    now = WallClock().now()
    with progress("scoring what has come to be") as bar:
        score_matured(warehouse, now, progress=bar)
    added, every = 0, 0

    def keep(issued: list[Kept]) -> None:
        nonlocal added, every
        added += warehouse.keep_forecasts(issued, kept_at=now)
        every += len(issued)

    _answer(works, wanted, keep)
    there = f", {every - added:,} were there already" if every > added else ""
    typer.echo(f"{added:,} forecasts kept in {warehouse.path}{there}")


def _answer(
    works: Sequence[Work], wanted: _Wanted, keep: Callable[[list[Kept]], None] | None = None
) -> None:
    # Everything is forecast once; the first few series are held back to be shown.
    total = sum(len(work.demands) for work in works)
    drawn = 0 if wanted.out else _DRAWN_MAX
    held = max(drawn, _PICTURED_MAX if wanted.plot else 0)
    if wanted.out is None and keep is None:
        works = _first(works, held)
    shown = [one for work in _first(works, held) for one in work.demands]
    forecasts: list[Forecast] = []
    parts = _holding(
        forecasts_of(
            works, horizon_s=wanted.horizon_s, levels=wanted.levels, hands=wanted.hands, keep=keep
        ),
        {one.series_id for one in shown},
        forecasts,
    )
    if wanted.out is not None:
        from foretide.cli.forecast_table import write_forecasts

        written = write_forecasts(wanted.out, parts)
        typer.echo(f"{written:,} rows of {total:,} series written to {wanted.out}")
    else:
        for _ in parts:
            pass
    if wanted.plot is not None:
        from foretide.cli.picture import write_picture

        write_picture(wanted.plot, shown, forecasts)
        typer.echo(f"picture of {_of(len(shown), total)} written to {wanted.plot}")
    _draw(shown[:drawn], forecasts)
    if drawn and drawn < total:
        typer.echo(f"{_of(drawn, total)} shown; --out FILE writes them all")


def _first(works: Sequence[Work], count: int) -> list[Work]:
    # The first series of all works together.
    found: list[Work] = []
    for work in works:
        part = work.demands[:count]
        count -= len(part)
        if part:
            found.append(msgspec.structs.replace(work, demands=part))
    return found


def _holding(
    parts: Iterator[list[Forecast]], ids: set[str], held: list[Forecast]
) -> Iterator[list[Forecast]]:
    for part in parts:
        held.extend(one for one in part if one.series_id in ids)
        yield part


def _draw(demands: Sequence[Demand], forecasts: Sequence[Forecast]) -> None:
    import shutil

    from foretide.cli.draw import drawn

    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    by_id = {one.series_id: one for one in demands}
    for one in forecasts:
        if one.series_id in by_id:
            for line in drawn(by_id[one.series_id], one, width=width, height=10):
                typer.echo(line)
            typer.echo()


def _of(count: int, total: int) -> str:
    return f"{count} of {total:,} series" if count < total else f"{total:,} series"
