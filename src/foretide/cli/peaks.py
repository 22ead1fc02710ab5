"""This file knows `foretide peaks` and `foretide paths`: what a forecast's buckets do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from foretide.cli import asked
from foretide.cli.durations import duration_s
from foretide.cli.from_file import Place, work_of_file
from foretide.cli.where import STORE_HELP
from foretide.cli.work import Work, check_history, progress
from foretide.errors import InputError, InvalidValueError

if TYPE_CHECKING:
    from foretide.forecast.maxima import Maxima
    from foretide.forecast.paths import Paths
    from foretide.model.calendar import Calendar
    from foretide.model.forecast import Forecast

_FILE_HORIZON_S = 24 * 3600
_PART_SERIES = 100
_SHOWN_SERIES, _SHOWN_WINDOWS = 3, 14

What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE|APP|APP/FEATURE]...",
        help="Parquet or CSV with series_id, ts, value; or what of the store. [all of it]",
    ),
]
At = Annotated[str, typer.Option(help="Issue at this instant (ISO 8601). [end of data]")]
Horizon = Annotated[
    str, typer.Option(help="How far ahead: 24h to 168h, or 1d to 7d. [24h, or as configured]")
]
Timezone = Annotated[
    str, typer.Option(help="Of a file: whose clock the users follow, such as Europe/Paris. [UTC]")
]
Country = Annotated[str, typer.Option(help="Of a file: whose holidays they keep, such as US.")]
Subdivision = Annotated[str, typer.Option(help="Of a file: which part of the country, such as NY.")]
Config = Annotated[
    Path | None, typer.Option(help="The configuration. [./foretide.toml if there is one]")
]
Store = Annotated[Path | None, typer.Option(help=STORE_HELP)]


def peaks(
    what: What = None,
    window: Annotated[
        str, typer.Option(help="Length of the windows: divides a day, such as 15m, 6h or 1d.")
    ] = "6h",
    at: At = "",
    horizon: Horizon = "",
    quantile: Annotated[
        list[str] | None,
        typer.Option(help="Quantile level in (0, 1); repeats. [.05 .1 .5 .9 .95]"),
    ] = None,
    timezone: Timezone = "",
    country: Country = "",
    subdivision: Subdivision = "",
    out: Annotated[
        Path | None, typer.Option(help="Write series_id, issued_at, ts, quantile, value here.")
    ] = None,
    config: Config = None,
    store: Store = None,
) -> None:
    """Forecast how high demand peaks within windows: each hour, shift or day ahead.

    The highest of many buckets lies above the upper quantile of each more often than any one of
    them does: for what must hold all day, ask for the peak of the day.
    """
    window_s = duration_s("--window", window)
    levels = asked.levels(quantile or [])
    users = _Users(timezone=timezone, country=country, subdivision=subdivision)
    works, horizon_s = _works(what or [], at, horizon, users, out, config, store)
    from foretide.control.windows import peaks_of

    def found() -> Iterator[list[Maxima]]:
        for work, part in _parts(works, "finding peaks"):
            try:
                yield peaks_of(
                    part.demands, _calendar(work), issued_at=work.instants[-1],
                    horizon_s=horizon_s, window_s=window_s, levels=levels,
                )  # fmt: skip
            except InvalidValueError as error:
                raise InputError(f"--window {window}: {error}") from None

    if out is None:
        _show([one for part in found() for one in part])
        return
    from foretide.cli.forecast_table import write_forecasts

    written = write_forecasts(out, ([_as_forecast(one) for one in part] for part in found()))
    typer.echo(f"{written:,} rows written to {out}")


def paths(
    what: What = None,
    out: Annotated[
        Path | None, typer.Option(help="Write series_id, issued_at, path, ts, value here.")
    ] = None,
    count: Annotated[int, typer.Option(help="How many courses of each series.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same courses.")] = 0,
    at: At = "",
    horizon: Horizon = "",
    timezone: Timezone = "",
    country: Country = "",
    subdivision: Subdivision = "",
    config: Config = None,
    store: Store = None,
) -> None:
    """Draw whole courses that demand may take, for simulations that need more than quantiles.

    Every bucket strays as the forecast says and neighbours stray together as they did on past
    days; course 7 of one series goes with course 7 of every other.
    """
    if out is None:
        raise InputError("--out: is missing; name the Parquet file to write the courses to")
    users = _Users(timezone=timezone, country=country, subdivision=subdivision)
    works, horizon_s = _works(what or [], at, horizon, users, out, config, store)
    from foretide.cli.path_table import write_paths
    from foretide.control.windows import paths_of

    def found() -> Iterator[list[Paths]]:
        for work, part in _parts(works, "drawing courses"):
            try:
                yield paths_of(
                    part.demands, _calendar(work), issued_at=work.instants[-1],
                    horizon_s=horizon_s, count=count, seed=seed,
                )  # fmt: skip
            except InvalidValueError as error:
                raise InputError(f"--count {count} --seed {seed}: {error}") from None

    typer.echo(f"{write_paths(out, found()):,} rows written to {out}")


class _Users(msgspec.Struct, frozen=True, kw_only=True):
    # Where they live, as typed; empty: not said.
    timezone: str
    country: str
    subdivision: str


def _works(
    words: Sequence[str],
    at: str,
    horizon: str,
    users: _Users,
    out: Path | None,
    config: Path | None,
    store: Path | None,
) -> tuple[list[Work], int]:
    file = asked.table_among(words)
    asked.check_writable("--out", out, taken=[file])
    place = Place(
        zone=asked.zone(users.timezone or "UTC"),
        country=users.country,
        subdivision=users.subdivision,
    )
    from foretide.forecast.fleet import Fleet

    instants = asked.instants([at] if at else [])
    asked_s = asked.horizon_s(horizon) if horizon else None
    if file is not None:
        asked.refuse_beside(file, {"--store": store})
        horizon_s = asked_s or _FILE_HORIZON_S
        work = work_of_file(file, Fleet(), instants=instants, place=place, horizon_s=horizon_s)
        return [work], horizon_s
    asked.refuse_without_file({"--country": place.country, "--subdivision": place.subdivision})
    settings, folder = asked.settings_of(config)
    from foretide.cli.from_store import named_in, store_of, works_in
    from foretide.store.warehouse import Warehouse

    horizon_s = asked_s or settings.forecast.horizon_h * 3600
    with Warehouse(store_of(store, settings, folder)) as warehouse:
        works = works_in(
            warehouse, named_in(warehouse, words), Fleet(), settings, instants=instants,
            zone=place.zone if users.timezone else None, step_s=None, horizon_s=horizon_s,
        )  # fmt: skip
        check_history(warehouse.path, works)
    return works, horizon_s


def _parts(works: Sequence[Work], label: str) -> Iterator[tuple[Work, Work]]:
    done, total = 0, sum(len(work.demands) for work in works)
    with progress(label) as moved:
        for work in works:
            for begin in range(0, len(work.demands), _PART_SERIES):
                part = work.demands[begin : begin + _PART_SERIES]
                yield work, msgspec.structs.replace(work, demands=part)
                done += len(part)
                moved(done, total)


def _calendar(work: Work) -> Calendar:
    return msgspec.structs.replace(work.calendar, timezone=work.zone.key)


def _as_forecast(one: Maxima) -> Forecast:
    from foretide.model.forecast import Forecast

    return Forecast(
        series_id=one.series_id, model="fleet", issued_at=one.issued_at, start=one.start,
        step_s=one.window_s, levels=one.levels, values=one.values, note=one.note,
    )  # fmt: skip


def _show(found: Sequence[Maxima]) -> None:
    from datetime import timedelta

    for one in found[:_SHOWN_SERIES]:
        typer.echo(f"{one.series_id}, peak of each {one.window_s // 60} min")
        typer.echo("  from (UTC)        " + "".join(f"{level:>10g}" for level in one.levels))
        for at, row in enumerate(one.values[:_SHOWN_WINDOWS]):
            begin = one.start + timedelta(seconds=at * one.window_s)
            typer.echo(f"  {begin:%Y-%m-%d %H:%M}  " + "".join(f"{v:>10.4g}" for v in row))
        if len(one.values) > _SHOWN_WINDOWS:
            typer.echo(f"  {_SHOWN_WINDOWS} of {len(one.values)} windows shown")
        if one.note:
            typer.echo(f"  note: {one.note}")
        typer.echo()
    if len(found) > _SHOWN_SERIES:
        typer.echo(f"{_SHOWN_SERIES} of {len(found):,} series shown; --out FILE writes them all")
