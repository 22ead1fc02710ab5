"""This file knows how columns of text or values, as a foreign table has them, become raw events."""

from __future__ import annotations

import polars as pl

from foretide.demand.instants import NO_ZONE, instants
from foretide.model.batch import RAW_SCHEMA, RawBatch, Reject

_WORDS = ("app", "feature", "session", "user_agent", "device", "country")


def raw_batch(
    columns: dict[str, pl.Series],
    *,
    lines: pl.Series,
    rejects: list[Reject],
    zone: str | None,
    position: int,
    ts_name: str,
) -> RawBatch:
    """Return raw events from columns under their canonical names.

    Parameters
    ----------
    columns : dict of str to Series
        Canonical name -> values, `ts` among them.
    lines : Series of int
        Line (or row) number of each value.
    rejects : list of Reject
        Lines refused before.
    zone : str, optional
        IANA zone of stamps that carry none.
    position : int
        Bytes of the file on disk read so far.
    ts_name : str
        What the table calls `ts`, for the reasons.
    """
    read = instants(columns["ts"], zone=zone)
    table = pl.DataFrame(
        [lines.alias("line"), read.ts, read.reason.alias("reason"), *_others(columns)]
    )
    bad = table.filter(pl.col("reason").is_not_null())
    late = [
        Reject(line=line, reason=_explained(reason, ts_name))
        for line, reason in bad.select("line", "reason").iter_rows()
    ]
    good = table.filter(pl.col("reason").is_null()).drop("reason")
    frame = pl.concat([RAW_SCHEMA.to_frame(), good], how="diagonal")
    every = tuple(sorted([*rejects, *late], key=lambda reject: reject.line))
    return RawBatch(frame=frame, rejects=every, lines=len(frame) + len(every), position=position)


def _others(columns: dict[str, pl.Series]) -> list[pl.Series]:
    texts = [columns[n].cast(pl.String).alias(n) for n in _WORDS if n in columns]
    numbers = {"duration_s": pl.Float64, "status": pl.Int64}
    return texts + [
        _number(columns[n]).cast(kind, strict=False).alias(n)
        for n, kind in numbers.items()
        if n in columns
    ]


def _number(column: pl.Series) -> pl.Series:
    text = not column.dtype.is_numeric()
    return column.cast(pl.String).cast(pl.Float64, strict=False) if text else column


def _explained(reason: str, ts_name: str) -> str:
    if reason == NO_ZONE:
        return f"{ts_name} has no time zone; say which one with --timezone, such as UTC"
    return f"{ts_name}: {reason}"
