"""This file knows what of a file of demand is to be forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import typer

from foretide.cli.work import Work, check_history
from foretide.model.calendar import Calendar

if TYPE_CHECKING:
    from foretide.forecast.base import Forecaster
    from foretide.model.demand import Demand


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the users of a file's demand live.

    Parameters
    ----------
    zone : ZoneInfo
        Whose clock they follow.
    country, subdivision : str
        Whose holidays they keep; empty: none.
    """

    zone: ZoneInfo
    country: str = ""
    subdivision: str = ""


def work_of_file(
    file: Path,
    forecaster: Forecaster,
    *,
    series: Sequence[str] | None = None,
    instants: tuple[datetime, ...],
    place: Place,
    horizon_s: int,
) -> Work:
    """Return what is to be forecast of a file; what had to be mended in it is said.

    Parameters
    ----------
    file : Path
        Parquet or CSV with series_id, ts, value.
    forecaster : Forecaster
        Who is to forecast.
    series : sequence of str, optional
        Only these series; all when absent.
    instants : tuple of datetime
        When to issue; the end of the data when empty.
    place : Place
        Where the users live.
    horizon_s : int
        How far ahead.

    Raises
    ------
    InputError
        When the file, an instant, the country or its part cannot be used.
    """
    demands, calendar = demands_of_file(file, place, series=series, horizon_s=horizon_s)
    chosen = forecaster
    if not calendar.is_empty:
        from foretide.forecast.special import calendared

        chosen = calendared(forecaster, calendar)
    work = Work(
        demands=demands,
        forecaster=chosen,
        instants=instants or (max(one.end for one in demands),),
        zone=place.zone,
        calendar=calendar,
    )
    check_history(file, [work])
    return work


def demands_of_file(
    file: Path, place: Place, *, series: Sequence[str] | None = None, horizon_s: int
) -> tuple[tuple[Demand, ...], Calendar]:
    """Return the demand in a file and its users' calendar; what had to be mended is said.

    Parameters
    ----------
    file : Path
        Parquet or CSV with series_id, ts, value.
    place : Place
        Where the users live.
    series : sequence of str, optional
        Only these series; all when absent.
    horizon_s : int
        How far beyond the demand the calendar has to reach.

    Raises
    ------
    InputError
        When the file, the country or its part cannot be used.
    """
    from foretide.sources.demand_table import read_demand

    table = read_demand(file, series=series)
    calendar = Calendar(timezone=place.zone.key)
    if place.country or place.subdivision:
        from foretide.control.calendar import calendar_for_flags, span_of

        first, last = span_of(table.demands, horizon_s)
        calendar = calendar_for_flags(
            place.country, place.subdivision, timezone=place.zone.key, first=first, last=last
        )
    for note in table.notes:
        typer.echo(f"foretide: {note}", err=True)
    return table.demands, calendar
