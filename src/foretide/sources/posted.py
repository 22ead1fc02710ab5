"""This file knows how events posted as JSON, one object a line, are read.

Unknown fields are ignored; numbers may be written as text. A chunk is decoded at once, line by
line only where a line in it is broken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import polars as pl

from foretide.model.batch import RawBatch, Reject
from foretide.sources.columns import CANONICAL
from foretide.sources.content import LineChunk
from foretide.sources.rows import raw_batch

_TEXT = str | int | float | None
_TYPES: dict[str, Any] = dict.fromkeys(CANONICAL, _TEXT)
_SLICE_LINES = 2000  # a broken line costs the decoding of its slice line by line


class PostedReader:
    """Reads NDJSON events whose fields are called as `columns` says.

    Parameters
    ----------
    columns : dict of str to str
        Canonical name -> field; names not in it are fields themselves.
    zone : str, optional
        IANA zone of time stamps that carry none.
    """

    def __init__(self, columns: dict[str, str], *, zone: str | None = None) -> None:
        names = {name: columns.get(name, name) for name in CANONICAL}
        fields = [(name, _TYPES[name], None) for name in CANONICAL]
        line = msgspec.defstruct("Line", fields, rename=names, gc=False)
        self._decoder = msgspec.json.Decoder(line)
        self._zone = zone
        self._ts = names["ts"]

    def read(self, chunks: Iterable[LineChunk]) -> Iterator[RawBatch]:
        """Give the events of some lines, chunk by chunk."""
        return map(self.parse, chunks)

    def parse(self, chunk: LineChunk) -> RawBatch:
        """Return the events of one chunk; broken lines with their reasons."""
        lines = chunk.data.split(b"\n")
        numbers = [i for i, line in enumerate(lines, chunk.first_line) if line.strip()]
        kept = [line for line in lines if line.strip()]
        rejects: list[Reject] = []
        rows: list[Any] = []
        at: list[int] = []
        for first in range(0, len(kept), _SLICE_LINES):
            some = slice(first, first + _SLICE_LINES)
            self._decode(kept[some], numbers[some], rows, at, rejects)
        return raw_batch(
            _columns(rows),
            lines=pl.Series("line", at, dtype=pl.Int64),
            rejects=rejects,
            zone=self._zone,
            position=chunk.position,
            ts_name=self._ts,
        )

    def _decode(
        self,
        lines: list[bytes],
        numbers: list[int],
        rows: list[Any],
        at: list[int],
        rejects: list[Reject],
    ) -> None:
        try:
            rows.extend(self._decoder.decode_lines(b"\n".join(lines)))
            at.extend(numbers)
        except (msgspec.DecodeError, UnicodeDecodeError):
            for line, number in zip(lines, numbers, strict=True):
                try:
                    rows.append(self._decoder.decode(line))
                    at.append(number)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    rejects.append(_reject(number, line, error))


def _columns(rows: list[Any]) -> dict[str, pl.Series]:
    columns: dict[str, pl.Series] = {}
    for name in CANONICAL:
        values = [getattr(row, name) for row in rows]
        columns[name] = pl.Series(name, list(map(_text, values)), dtype=pl.String)
    return columns


def _text(value: str | float | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and math.fabs(value) < 1e18:
        return str(int(value))  # 1402818453.0 and 1402818453 are one session id, one instant
    return repr(value)


def _reject(number: int, line: bytes, error: Exception) -> Reject:
    what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return Reject(line=number, reason=what, text=f"({len(line)} bytes withheld)")
