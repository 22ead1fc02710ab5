"""This file knows how a column of timestamps, written in any usual way, becomes instants.

A text or number without a time zone is refused rather than guessed: it is ambiguous by up to a
day. Plain numbers count from 1970-01-01T00:00Z, and their size tells their unit: below 1e11
seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
"""

from __future__ import annotations

import msgspec
import polars as pl

from foretide.model.batch import INSTANT

NO_ZONE = "no time zone"
UNREADABLE = "not a timestamp (ISO 8601 with a zone, or Unix seconds or milliseconds)"
ABSENT = "no timestamp"
# a stamp of 1970 comes from a clock that was never set
OUT_OF_RANGE = "timestamp not in the years 1990-2099"
NOT_IN_ZONE = "this wall-clock time does not exist in the zone (clocks went forward)"

_NUMBER = r"^\s*\d+(?:\.\d+)?(?:[eE]\+?\d+)?\s*$"
_ISO = (
    r"^\s*(?<day>\d{4}-\d{2}-\d{2})[T ](?<hm>\d{2}:\d{2})(?::(?<s>\d{2})(?:[.,](?<frac>\d+))?)?"
    r"\s*(?<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?\s*$"
)
_US_PER_S = 1_000_000
_BEGIN_US, _END_US = 631_152_000 * _US_PER_S, 4_102_444_800 * _US_PER_S  # 1990, 2100


class Instants(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A column of instants and why some rows have none.

    Parameters
    ----------
    ts : Series
        Instants in UTC; null where `reason` is set.
    reason : Series
        Why a row has no instant; null where it has one.
    """

    ts: pl.Series
    reason: pl.Series


def instants(column: pl.Series, *, zone: str | None = None) -> Instants:
    """Return the instants written in `column`.

    Parameters
    ----------
    column : Series
        Text, numbers or datetimes, with or without a time zone.
    zone : str, optional
        IANA zone of the stamps that carry none; of the two instants that a repeated autumn hour
        may mean, the earlier is taken.
    """
    name = pl.col(column.name)
    if column.dtype.is_temporal():
        stamp = name.cast(pl.Datetime("us"))
        aware = _localised(stamp, zone) if _zone_of(column) is None else name.cast(INSTANT)
        has_zone = pl.lit(value=_zone_of(column) is not None or zone is not None)
        table = column.to_frame().select(aware.alias("ts"), has_zone.alias("zoned"), read=True)
    elif column.dtype.is_numeric():
        table = column.to_frame().select(_unix(name).alias("ts"), zoned=True, read=True)
    else:
        table = _from_text(column, zone)
    return _judged(table.with_columns(present=column.is_not_null()))


def is_in_range(ts: pl.Expr) -> pl.Expr:
    """Return whether instants lie in the years in which events can have happened."""
    return ts.dt.epoch("us").is_between(_BEGIN_US, _END_US, closed="left")


def _judged(table: pl.DataFrame) -> Instants:
    in_range = is_in_range(pl.col("ts"))
    reason = (
        pl.when(~pl.col("present")).then(pl.lit(ABSENT))
        .when(~pl.col("read")).then(pl.lit(UNREADABLE))
        .when(~pl.col("zoned")).then(pl.lit(NO_ZONE))
        .when(pl.col("ts").is_null()).then(pl.lit(NOT_IN_ZONE))
        .when(~in_range).then(pl.lit(OUT_OF_RANGE))
    )  # fmt: skip
    judged = table.select("ts", reason=reason)
    ts = judged.select(pl.when(pl.col("reason").is_null()).then("ts")).to_series()
    return Instants(ts=ts.alias("ts"), reason=judged["reason"])


def _from_text(column: pl.Series, zone: str | None) -> pl.DataFrame:
    text = column.cast(pl.String).alias("text")
    parts = text.str.extract_groups(_ISO).struct.unnest()
    number = pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)
    wall = pl.concat_str("day", pl.lit(" "), "hm", pl.lit(":"), pl.col("s").fill_null("00"))
    stamp = wall.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    fraction = pl.col("frac").fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    stamp = stamp + pl.duration(microseconds=fraction)
    aware = (stamp - pl.duration(minutes=_offset_minutes())).dt.replace_time_zone("UTC")
    unix = parts.select(_unix(number)).to_series().alias("unix")
    return parts.with_columns(unix, stamp=stamp).select(
        ts=pl.coalesce(
            pl.col("unix"),
            pl.when(pl.col("zone").is_not_null()).then(aware),
            pl.when(pl.col("zone").is_null()).then(_localised(pl.col("stamp"), zone)),
        ),
        zoned=pl.col("unix").is_not_null() | pl.col("zone").is_not_null() | (zone is not None),
        read=pl.col("unix").is_not_null() | pl.col("stamp").is_not_null(),
    )


def _offset_minutes() -> pl.Expr:
    zone = pl.col("zone")
    digits = zone.str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(
        2, 2
    ).cast(pl.Int64, strict=False)
    return pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)


def _localised(stamp: pl.Expr, zone: str | None) -> pl.Expr:
    if zone is None:
        return pl.lit(None, dtype=INSTANT)
    return stamp.dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")


def _unix(number: pl.Expr | pl.Series) -> pl.Expr:
    value = pl.lit(number) if isinstance(number, pl.Series) else number
    us = (
        pl.when(value < 1e11).then(value * _US_PER_S)
        .when(value < 1e14).then(value * 1_000)
        .when(value < 1e17).then(value)
        .otherwise(value / 1_000)
    )  # fmt: skip
    # a NaN or infinite number is no instant; rounding first keeps whole seconds whole
    return (
        us.round().cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )


def _zone_of(column: pl.Series) -> str | None:
    return column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None
