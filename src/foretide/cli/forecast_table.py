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
# Few values that repeat are written as a dictionary; a reader gets them back as plain columns,
# since the schema of Arrow is not stored beside that of Parquet.
_SCHEMA = pa.schema(
    [
        ("series_id", pa.dictionary(pa.int32(), pa.string())),
        ("issued_at", _INSTANT),
        ("ts", _INSTANT),
        ("quantile", pa.float64()),
        ("value", pa.float64()),
    ]
)
_REPEATING = ["series_id", "issued_at", "ts", "quantile"]


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
        pq.ParquetWriter(
            temporary,
            _SCHEMA,
            compression="zstd",
            use_dictionary=_REPEATING,  # pyright: ignore[reportArgumentType]
            store_schema=False,
        ) as to,
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
    # Columns are handed over as bare memory: what converts arrays would load pandas to look at
    # them, which takes longer than all the rest.
    counts = np.array([one.values.size for one in forecasts], dtype=np.int64)
    row = np.repeat(np.arange(len(forecasts), dtype=np.int32), counts)
    issued_us = np.array([_us(one.issued_at) for one in forecasts], dtype=np.int64)
    ids = _texts([one.series_id for one in forecasts])
    # most forecasts of a part lie on the same buckets and levels: worked out once for each kind
    grids = [(one.start, one.step_s, len(one.values), one.levels) for one in forecasts]
    made = {grid: _grid_columns(*grid) for grid in set(grids)}
    columns = [
        pa.DictionaryArray.from_arrays(_bare(row, pa.int32()), ids),
        _bare(np.repeat(issued_us, counts), _INSTANT),
        _bare(np.concatenate([made[grid][0] for grid in grids]), _INSTANT),
        _bare(np.concatenate([made[grid][1] for grid in grids]), pa.float64()),
        _bare(np.concatenate([one.values.ravel() for one in forecasts]), pa.float64()),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)


def _grid_columns(
    start: datetime, step_s: int, count: int, levels: tuple[float, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    # Stamp and level of every row of one forecast.
    stamps = _us(start) + np.arange(count, dtype=np.int64) * step_s * 1_000_000
    return np.repeat(stamps, len(levels)), np.tile(np.array(levels), count)


def _bare(values: npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _texts(texts: list[str]) -> pa.Array:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    memory = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), memory)


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
