"""This file knows how tables of events, CSV or Parquet, are read under foreign column names."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from foretide.errors import InputError
from foretide.model.batch import RawBatch, Reject
from foretide.sources.columns import resolve_columns
from foretide.sources.content import LineChunk, head_of
from foretide.sources.rows import raw_batch

# pyarrow is not typed
_parquet: Any = pq
_arrow: Any = pa
_BROKEN: tuple[type[Exception], ...] = (OSError, _arrow.ArrowException)

_ROWS = 100_000
_HEADER_MAX_BYTES = 1 << 20
_FIELD_MAX_CHARS = 1 << 16  # how far a stray quote can reach
_DELIMITERS = ",\t;|"


class CsvReader:
    """Reads events from CSV: the first line names the columns.

    Parameters
    ----------
    path : Path
        The file, for its header.
    columns : dict of str to str
        Canonical name -> column.
    zone : str, optional
        IANA zone of stamps that carry none.

    Raises
    ------
    InputError
        When the header lacks a column.
    """

    def __init__(self, path: Path, columns: dict[str, str], *, zone: str | None = None) -> None:
        self._header, self._delimiter = csv_header(path)
        self._columns = resolve_columns(columns, self._header, str(path))
        self._zone = zone

    def read(self, chunks: Iterable[LineChunk]) -> Iterator[RawBatch]:
        """Give the events of some lines; the header, where it is among them, gives none."""
        lines = _Lines(chunks)
        csv.field_size_limit(_FIELD_MAX_CHARS)
        reader = csv.reader(lines, delimiter=self._delimiter, skipinitialspace=True)
        rows: list[list[str]] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        while True:
            row, reason = self._next(reader, lines)
            number, taken = lines.take()
            if len(rows) + len(rejects) >= _ROWS or not taken:
                yield self._batch(rows, numbers, rejects, lines.position)
                rows, numbers, rejects = [], [], []
            if not taken:
                return
            if reason:
                rejects.append(Reject(line=number, reason=reason))
                lines.give_back(taken[1:])  # a stray quote must not swallow the good lines
            elif row and number > 1:
                rows.append(row)
                numbers.append(number)

    def _next(self, reader: Iterator[list[str]], lines: _Lines) -> tuple[list[str], str]:
        try:
            row = next(reader, list[str]())
        except csv.Error as error:
            return [], str(error)
        if lines.has_open_quote():
            return [], "a quote is not closed"
        if row and len(row) != len(self._header):
            fields = f"{len(row)} field" + "s" * (len(row) != 1)
            return [], f"{fields} where the header has {len(self._header)}"
        return row, ""

    def _batch(
        self, rows: list[list[str]], numbers: list[int], rejects: list[Reject], position: int
    ) -> RawBatch:
        place = {name: self._header.index(column) for name, column in self._columns.items()}
        columns = {
            name: pl.Series(name, [row[at] for row in rows], dtype=pl.String)
            for name, at in place.items()
        }
        said = {name: _nullable(column) for name, column in columns.items()}
        return raw_batch(
            said,
            lines=pl.Series("line", numbers, dtype=pl.Int64),
            rejects=rejects,
            zone=self._zone,
            position=position,
            ts_name=self._columns["ts"],
        )


class _Lines:
    # The text lines of some chunks, remembering those of the row under way and their place.
    def __init__(self, chunks: Iterable[LineChunk]) -> None:
        self._source = self._texts(chunks)
        self._back: deque[str] = deque()
        self._taken: list[str] = []
        self._number = 0
        self.position = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._source)
        self._number += 1
        self._taken.append(line)
        return line

    def take(self) -> tuple[int, list[str]]:
        taken, self._taken = self._taken, []
        return self._number - len(taken) + 1, taken

    def give_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self._number -= len(lines)

    def has_open_quote(self) -> bool:
        return len(self._taken) > 1 and sum(line.count('"') for line in self._taken) % 2 == 1

    def _texts(self, chunks: Iterable[LineChunk]) -> Iterator[str]:
        for at, chunk in enumerate(chunks):
            if at == 0:
                self._number = chunk.first_line - 1
            self.position = chunk.position
            text = chunk.data.decode("utf-8", "replace")
            if chunk.first_line == 1:
                text = text.removeprefix("\ufeff")
            if "\0" in text:
                text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
            yield from text.removesuffix("\n").split("\n")


def csv_header(path: Path) -> tuple[list[str], str]:
    """Return the column names of a CSV file and what separates them.

    Raises
    ------
    InputError
        When the first line is no header.
    """
    text = head_of(path, _HEADER_MAX_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    line = text.partition("\n")[0].rstrip("\r")
    delimiter = max(_DELIMITERS, key=line.count)
    names = [n.strip() for n in next(csv.reader([line], delimiter=delimiter), list[str]())]
    if len(set(names)) != len(names) or not all(names):
        raise InputError(f"{path}: the first line must name each column once, was {line[:80]!r}")
    return names, delimiter


def _nullable(column: pl.Series) -> pl.Series:
    blank = column.str.strip_chars() == ""
    return column.to_frame().select(pl.when(~blank).then(column)).to_series()


def parquet_columns(path: Path) -> list[str]:
    """Return the column names of a Parquet file.

    Raises
    ------
    InputError
        When it is none.
    """
    try:
        return list(_parquet.read_schema(path).names)
    except _BROKEN as error:
        raise InputError(f"{path}: not a Parquet file ({_first_line(error)})") from None


def read_parquet_events(
    path: Path, columns: dict[str, str], *, zone: str | None = None, most: int | None = None
) -> Iterator[RawBatch]:
    """Give the events of a Parquet file; its rows are numbered from 1.

    Parameters
    ----------
    path : Path
        The file.
    columns : dict of str to str
        Canonical name -> column.
    zone : str, optional
        IANA zone of stamps that carry none.
    most : int, optional
        Stop behind so many rows; read all when absent.

    Raises
    ------
    InputError
        When it is no Parquet file or lacks a column.
    """
    found = resolve_columns(columns, parquet_columns(path), str(path))
    size = path.stat().st_size
    try:
        with _parquet.ParquetFile(path) as file:
            total = max(file.metadata.num_rows, 1)
            seen = 0
            for part in file.iter_batches(_ROWS, columns=sorted(set(found.values()))):
                if most is not None and seen >= most:
                    return
                table = pl.DataFrame(_arrow.Table.from_batches([part]))
                lines = pl.int_range(seen + 1, seen + 1 + len(table), dtype=pl.Int64, eager=True)
                seen += len(table)
                yield raw_batch(
                    {name: table[column] for name, column in found.items()},
                    lines=lines,
                    rejects=[],
                    zone=zone,
                    position=size * seen // total,
                    ts_name=found["ts"],
                )
    except _BROKEN as error:
        raise InputError(f"{path}: cannot be read to its end ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:120]
