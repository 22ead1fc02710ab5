"""This file knows how a table of `series_id, ts, value` is read as demand, and written."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from foretide.demand.grid import US_PER_S, on_grids
from foretide.errors import InputError, InvalidValueError
from foretide.model.demand import AMOUNT_MAX, Demand
from foretide.model.instant import EPOCH

COLUMNS = ("series_id", "ts", "value")
# More than any demand was counted in, and less than `datetime` can hold in any zone.
TS_MIN_US = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * US_PER_S
TS_MAX_US = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * US_PER_S
MISSING_WORDS = ["", "nan", "null", "none", "na", "n/a"]


class DemandTable(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a table of demand held.

    Parameters
    ----------
    demands : tuple of Demand
        One per series, in the order of their names.
    notes : tuple of str
        One line for each kind of row that had to be mended, with how many there were.
    """

    demands: tuple[Demand, ...]
    notes: tuple[str, ...]


def read_demand(path: Path, *, series: Sequence[str] | None = None) -> DemandTable:
    """Return the demand in a Parquet or CSV (optionally .gz) file of `series_id, ts, value`.

    Parameters
    ----------
    path : Path
        The file. `ts` carries a time zone; without a `series_id` column all rows are one series,
        named after the file.
    series : sequence of str, optional
        The series to keep; all when absent.

    Returns
    -------
    DemandTable
        NaN and absent rows are not observed; of rows that repeat a stamp or share a bucket the
        last wins; each such kind of row is counted in a note.

    Raises
    ------
    InputError
        When the file cannot be read as such a table, or holds a value outside [0, 1e15].
    """
    table = _columns(_read_table(path), path)
    if series is not None:
        table = _only(table, series, path)
    if table.is_empty():
        raise InputError(f"{path}: holds no rows; give a file with at least one row of demand")
    names: list[str] = table["series_id"].unique().sort().to_list()
    code = table["series_id"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    try:
        gridded = on_grids(names, code, table["at_us"].to_numpy(), table["value"].to_numpy())
    except InvalidValueError as error:
        raise InputError(f"{path}: {error}") from None
    return DemandTable(demands=gridded.demands, notes=tuple(f"{path}: {n}" for n in gridded.notes))


def write_demand(path: Path, demands: Sequence[Demand]) -> None:
    """Write demand as a Parquet table that `read_demand` reads back.

    Buckets that were not observed have no row, so missing buckets at either end, and series in
    which nothing was observed, do not come back.

    Parameters
    ----------
    path : Path
        The file to write, replaced when it exists.
    demands : sequence of Demand
        What to write, in this order.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    parts = [_as_frame(demand) for demand in demands]
    empty = pl.DataFrame(
        schema={"series_id": pl.String, "ts": pl.Datetime("us", "UTC"), "value": pl.Float64}
    )
    try:
        pl.concat([empty, *parts]).write_parquet(path, compression="zstd")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({_why(error)})") from None


def _as_frame(demand: Demand) -> pl.DataFrame:
    seen = np.flatnonzero(np.isfinite(demand.values))
    start_us = (demand.start - EPOCH) // timedelta(microseconds=1)
    at_us = start_us + seen * (demand.step_s * US_PER_S)
    ts = pl.Series(at_us, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    value = demand.values[seen]
    return pl.DataFrame({"ts": ts, "value": value}).select(
        pl.lit(demand.series_id).alias("series_id"), "ts", "value"
    )


def _read_table(path: Path) -> pl.DataFrame:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: {_why(error)}; give an existing file") from None
    if not magic:
        raise InputError(f"{path}: the file is empty; give a file with rows of demand")
    is_parquet = magic == b"PAR1"
    if not is_parquet and path.suffix in {".parquet", ".pq"}:
        raise InputError(f"{path}: is not a Parquet file; name it .csv if it is one")
    try:
        return _read_parquet(path) if is_parquet else _read_csv(path)
    except (ValueError, pl.exceptions.PolarsError, OSError) as error:  # Arrow's are ValueErrors
        kind = "Parquet" if is_parquet else "CSV"
        raise InputError(
            f"{path}: cannot be read as {kind} ({_why(error)}); write the file again"
        ) from None


def _read_parquet(path: Path) -> pl.DataFrame:
    schema = cast("Any", pq.read_schema(path))
    if not {"ts", "value"} <= set(schema.names):
        return pl.DataFrame(schema=schema.names)
    columns = [name for name in COLUMNS if name in schema.names]
    kind = schema.field("ts").type
    # Polars knows no zone such as "+05:30", which other writers use.
    if not pa.types.is_timestamp(kind) or str(kind.tz)[0] not in "+-":
        return pl.read_parquet(path, columns=columns)
    table = cast("Any", pq.ParquetFile(path).read(columns=columns))
    in_utc = table["ts"].cast(pa.timestamp(kind.unit, "UTC"))
    return cast("pl.DataFrame", pl.from_arrow(table.set_column(columns.index("ts"), "ts", in_utc)))


def _read_csv(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema=False).rename(str.strip)
    is_blank = pl.all_horizontal(pl.all().is_null())
    return table.filter(~is_blank)


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _columns(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    # -> series_id: String, at_us: Int64, value: Float64
    absent = [name for name in ("ts", "value") if name not in table.columns]
    if absent:
        found = ", ".join(table.columns) or "none"
        raise InputError(
            f"{path}: no column {' and no column '.join(absent)}; needs series_id, ts, value, "
            f"found: {found}"
        )
    name = path.name.removesuffix(".gz").rsplit(".", maxsplit=1)[0]
    own = table["series_id"] if "series_id" in table.columns else None
    return pl.DataFrame(
        {
            "at_us": _stamps_us(table["ts"], path),
            "value": _amounts(table["value"], path),
        }
    ).with_columns(
        series_id=pl.lit(name) if own is None else _names(own, path),
    )


def _names(column: pl.Series, path: Path) -> pl.Series:
    if column.dtype.is_nested():
        raise InputError(f"{path}: series_id must be a text, its type is {column.dtype}")
    names = column.cast(pl.String)
    _refuse_row(names.is_null() | (names == ""), names, f"{path}: series_id", "name the series")
    return names


def _stamps_us(column: pl.Series, path: Path) -> pl.Series:
    if column.dtype == pl.String:
        return _parsed_us(column, path)
    has_zone = isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None
    if not has_zone:
        raise InputError(
            f"{path}: ts has no time zone (its type is {column.dtype}); "
            "write it as a timestamp with a zone, such as UTC"
        )
    _refuse_row(column.is_null(), column, f"{path}: ts", "every row needs a time")
    return _within_years(column, path)


def _parsed_us(column: pl.Series, path: Path) -> pl.Series:
    # CSV writers have many shapes for one time: "2026-01-31 10:00:00+00", "...T10:00Z", "... UTC".
    text = (
        column.str.strip_chars()
        .str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"\s*(?:Z|z|UTC)$", "+0000")
        .str.replace(r"\s*([+-]\d\d):?(\d\d)$", "${1}${2}")
        .str.replace(r"(T[\d:.,]+[+-]\d\d)$", "${1}00")
        .str.replace(r"(T\d\d:\d\d)([+-])", "${1}:00${2}")
    )
    stamps = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    looks_naive = text.str.contains(r"^\d{4}-\d\d-\d\d(T[\d:.,]+)?$").fill_null(value=False)
    fix = "add one, as in 2026-01-31T10:00:00Z"
    _refuse_row(stamps.is_null() & looks_naive, column, f"{path}: ts", fix, why="has no time zone")
    fix = "write it as 2026-01-31T10:00:00Z"
    _refuse_row(stamps.is_null(), column, f"{path}: ts", fix, why="is no ISO timestamp")
    return _within_years(stamps, path)


def _within_years(stamps: pl.Series, path: Path) -> pl.Series:
    at_us = stamps.dt.epoch("us")
    far = (at_us < TS_MIN_US) | (at_us > TS_MAX_US)
    if far.any():
        fix = "correct it, or its unit"
        why = "lies outside the years 1900-2199"
        _refuse_row(far, stamps.cast(pl.String), f"{path}: ts", fix, why=why)
    return at_us


def _amounts(column: pl.Series, path: Path) -> pl.Series:
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        is_missing = text.is_null() | text.str.to_lowercase().is_in(MISSING_WORDS)
        amounts = text.cast(pl.Float64, strict=False)
        broken = amounts.is_null() & ~is_missing
        _refuse_row(broken, column, f"{path}: value", "write a number", why="is no number")
    elif column.dtype.is_numeric() or column.dtype == pl.Null:
        amounts = column.cast(pl.Float64)
    else:
        raise InputError(f"{path}: value must be a number, its type is {column.dtype}")
    amounts = amounts.fill_null(float("nan"))
    wrong = ((amounts > AMOUNT_MAX) | (amounts < 0)) & ~amounts.is_nan()
    fix = "leave the row out where nothing was observed"
    _refuse_row(wrong, amounts, f"{path}: value", fix, why=f"must lie in [0, {AMOUNT_MAX:g}]")
    return amounts


def _refuse_row(
    wrong: pl.Series, column: pl.Series, where: str, fix: str, *, why: str = "is missing"
) -> None:
    # `where` = "file: field"; rows are counted from 1, header and blank lines not counted.
    first = wrong.arg_max() if wrong.any() else None
    if first is not None:
        path, field = where.rsplit(": ", maxsplit=1)
        shown = "" if column[first] is None else f" {column[first]!r}"
        raise InputError(f"{path}: row {first + 1}: {field}{shown} {why}; {fix}")


def _only(table: pl.DataFrame, series: Sequence[str], path: Path) -> pl.DataFrame:
    there = table["series_id"].unique().sort().to_list()
    for name in series:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=3) or there[:3]
            raise InputError(
                f"{path}: holds no series {name!r} among its {len(there)}; "
                f"name one of them, such as {', '.join(near)}"
            )
    return table.filter(pl.col("series_id").is_in(list(series)))
