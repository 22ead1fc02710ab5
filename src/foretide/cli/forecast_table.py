"""This file knows how forecasts are written down as a table, all of it or nothing."""

# pyarrow carries no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from foretide.errors import InputError
from foretide.model.forecast import Forecast
from foretide.model.instant import EPOCH

_INSTANT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("series_id", pa.string()),
        ("issued_at", _INSTANT),
        ("ts", _INSTANT),
        ("quantile", pa.float64()),
        ("value", pa.float64()),
    ]
)


def write_forecasts(path: Path, parts: Iterable[list[Forecast]]) -> int:
    """Write forecasts as Parquet, part by part, and return how many rows that were.

    Parameters
    ----------
    path : Path
        Appears, or is replaced, only once everything was written.
    parts : iterable of list of Forecast
        Each part is written before the next is asked for, so memory stays bounded.

    Returns
    -------
    int
        Rows written: one per series, instant, step and level.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    written = 0
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as to,
    ):
        for part in parts:
            table = _table(part)
            to.write_table(table)
            written += table.num_rows
    return written


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Lend a temporary file beside `path`, and put it in its place if all went well.

    Raises
    ------
    InputError
        When the folder or the file cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".foretide-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _table(forecasts: list[Forecast]) -> pa.Table:
    counts = np.array([one.values.size for one in forecasts], dtype=np.int64)
    row = np.repeat(np.arange(len(forecasts), dtype=np.int32), counts)
    ids = pa.DictionaryArray.from_arrays(
        pa.array(row), pa.array([one.series_id for one in forecasts])
    )
    issued_us = np.array([_us(one.issued_at) for one in forecasts], dtype=np.int64)[row]
    ts_us = np.concatenate([_ts_us(one) for one in forecasts])
    levels = np.concatenate([np.tile(one.levels, len(one.values)) for one in forecasts])
    values = np.concatenate([one.values.ravel() for one in forecasts])
    columns = [
        ids.cast(pa.string()),
        pa.array(issued_us).cast(_INSTANT),
        pa.array(ts_us).cast(_INSTANT),
        pa.array(levels),
        pa.array(values),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _ts_us(one: Forecast) -> npt.NDArray[np.int64]:
    steps = np.arange(len(one.values), dtype=np.int64) * one.step_s * 1_000_000
    return np.repeat(_us(one.start) + steps, len(one.levels))
