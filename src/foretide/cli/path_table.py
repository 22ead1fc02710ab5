"""This file knows how courses are written down as a table, all of it or nothing."""

# pyarrow carries no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foretide.cli.forecast_table import replacing
from foretide.forecast.paths import Paths
from foretide.model.instant import EPOCH

_INSTANT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("series_id", pa.string()),
        ("issued_at", _INSTANT),
        ("path", pa.int32()),
        ("ts", _INSTANT),
        ("value", pa.float64()),
    ]
)


def write_paths(path: Path, parts: Iterable[list[Paths]]) -> int:
    """Write courses as Parquet, series by series, and return how many rows that were.

    Parameters
    ----------
    path : Path
        Appears, or is replaced, only once everything was written.
    parts : iterable of list of Paths
        Each part is written before the next is asked for, so memory stays bounded.

    Returns
    -------
    int
        Rows written: one per series, course and step.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    written = 0
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, _SCHEMA, compression="zstd", store_schema=False) as to,
    ):
        for part in parts:
            for one in part:
                to.write_table(_table(one))
                written += one.values.size
    return written


def _table(one: Paths) -> pa.Table:
    count, steps = one.values.shape
    issued_us, start_us = (
        (instant - EPOCH) // timedelta(microseconds=1) for instant in (one.issued_at, one.start)
    )
    ts_us = start_us + np.arange(steps, dtype=np.int64) * one.step_s * 1_000_000
    columns = [
        pa.array([one.series_id]).take(pa.array(np.zeros(count * steps, dtype=np.int64))),
        pa.array(np.full(count * steps, issued_us, dtype=np.int64)).cast(_INSTANT),
        pa.array(np.repeat(np.arange(count, dtype=np.int32), steps)),
        pa.array(np.tile(ts_us, count)).cast(_INSTANT),
        pa.array(one.values.ravel()),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
