"""This file knows `foretide forecast`: from a table of demand to quantiles of the days ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from foretide.errors import InputError, InvalidValueError

if TYPE_CHECKING:
    from foretide.forecast.base import Forecaster
    from foretide.model.demand import Demand
    from foretide.model.forecast import Forecast

_HORIZON_MIN_H, _HORIZON_MAX_H = 24, 168
_DEFAULT_LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
_PART_SERIES = 250  # forecast at once: bounds memory and moves the progress bar
_DRAWN_MAX = 3
_PICTURED_MAX = 12


def forecast(
    demand: Annotated[Path, typer.Argument(help="Parquet or CSV with series_id, ts, value.")],
    at: Annotated[
        list[str] | None,
        typer.Option(help="Issue at this instant (ISO 8601 with a zone); repeats. [end of data]"),
    ] = None,
    horizon: Annotated[str, typer.Option(help="How far ahead: 24h to 168h, or 1d to 7d.")] = "24h",
    quantile: Annotated[
        list[str] | None,
        typer.Option(help="Quantile level in (0, 1); repeats. [.05 .1 .5 .9 .95]"),
    ] = None,
    model: Annotated[str, typer.Option(help="Forecaster: fleet or seasonal-naive.")] = "fleet",
    timezone: Annotated[
        str, typer.Option(help="Time zone whose clock the users follow, such as Europe/Paris.")
    ] = "UTC",
    out: Annotated[
        Path | None, typer.Option(help="Write series_id, issued_at, ts, quantile, value here.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (HTML) here.")] = None,
) -> None:
    """Forecast demand with its uncertainty, 24 hours to 7 days ahead.

    Uses only buckets that ended at or before `--at`. Without `--out` the forecast is drawn in the
    terminal.
    """
    horizon_s = _horizon_s(horizon)
    levels = _levels(quantile or [])
    instants = _instants(at or [])
    zone = _zone(timezone)
    _check_writable("--out", out, taken=[demand])
    _check_writable("--plot", plot, taken=[demand, out])
    from foretide.forecast.registry import forecaster
    from foretide.sources.demand_table import read_demand

    chosen = forecaster(model)
    table = read_demand(demand)
    for note in table.notes:
        typer.echo(f"foretide: {demand}: {note}", err=True)
    instants = instants or [max(one.end for one in table.demands)]
    _check_history(demand, table.demands, instants)

    def issued(demands: Sequence[Demand], label: str) -> Iterator[list[Forecast]]:
        return _issued(chosen, demands, instants, horizon_s, levels, zone, label)

    if out is not None:
        from foretide.cli.forecast_table import write_forecasts

        written = write_forecasts(out, issued(table.demands, "forecasting"))
        typer.echo(f"{written:,} rows of {len(table.demands):,} series written to {out}")
    if plot is not None:
        from foretide.cli.picture import write_picture

        shown = table.demands[:_PICTURED_MAX]
        write_picture(plot, shown, [one for part in issued(shown, "picturing") for one in part])
        typer.echo(f"picture of {_of(len(shown), len(table.demands))} written to {plot}")
    if out is None:
        shown = table.demands[:_DRAWN_MAX]
        _draw(shown, [one for part in issued(shown, "drawing") for one in part])
        if len(shown) < len(table.demands):
            typer.echo(f"{_of(len(shown), len(table.demands))} shown; --out FILE writes them all")


def _horizon_s(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})(h|d)", text)
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not _HORIZON_MIN_H <= hours <= _HORIZON_MAX_H:
        raise InputError(
            f"--horizon {text}: must be {_HORIZON_MIN_H}h to {_HORIZON_MAX_H}h "
            "(or 1d to 7d), such as 48h"
        )
    return hours * 3600


def _levels(texts: Sequence[str]) -> tuple[float, ...]:
    levels = set[float]()
    for text in texts:
        try:
            level = float(text)
        except ValueError:
            level = 0.0
        if not 0 < level < 1:
            raise InputError(f"--quantile {text}: must lie between 0 and 1, such as 0.95")
        levels.add(level)
    return tuple(sorted(levels)) or _DEFAULT_LEVELS


def _instants(texts: Sequence[str]) -> list[datetime]:
    from foretide.model.instant import parse_instant

    try:
        return sorted({parse_instant("--at", text) for text in texts})
    except InvalidValueError as error:
        raise InputError(str(error)) from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(
            f"--timezone {name}: unknown time zone; use a name such as Europe/Paris"
        ) from None


def _check_writable(flag: str, path: Path | None, taken: Sequence[Path | None]) -> None:
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{flag} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{flag} {path}: folder {path.parent} does not exist; make it first")
    if any(other is not None and path.resolve() == other.resolve() for other in taken):
        raise InputError(f"{flag} {path}: is also the demand or --out; name another file")


def _check_history(path: Path, demands: Sequence[Demand], instants: Sequence[datetime]) -> None:
    from datetime import timedelta

    first = min(one.start + timedelta(seconds=one.step_s) for one in demands)
    for instant in instants:
        if instant < first:
            raise InputError(
                f"--at {instant.isoformat()}: {path} has no bucket that ended by then; "
                f"the first ended at {first.isoformat()}"
            )


def _issued(
    chosen: Forecaster,
    demands: Sequence[Demand],
    instants: Sequence[datetime],
    horizon_s: int,
    levels: tuple[float, ...],
    zone: ZoneInfo,
    label: str,
) -> Iterator[list[Forecast]]:
    # The forecasts of one part of the series after another, at every instant, by series.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=len(demands))
        for begin in range(0, len(demands), _PART_SERIES):
            part = demands[begin : begin + _PART_SERIES]
            by_instant = [
                chosen.forecast(
                    part, issued_at=instant, horizon_s=horizon_s, levels=levels, timezone=zone
                )
                for instant in instants
            ]
            progress.advance(task, len(part))
            yield [one for of_series in zip(*by_instant, strict=True) for one in of_series]


def _draw(demands: Sequence[Demand], forecasts: Sequence[Forecast]) -> None:
    import shutil

    from foretide.cli.draw import drawn

    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    by_id = {one.series_id: one for one in demands}
    for one in forecasts:
        for line in drawn(by_id[one.series_id], one, width=width, height=10):
            typer.echo(line)
        typer.echo()


def _of(count: int, total: int) -> str:
    return f"{count} of {total:,} series" if count < total else f"{total:,} series"
