"""This file knows whether files can be imported, before anything of them is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from foretide.demand.consent import LocationConsent
from foretide.demand.features import FEATURES_MAX
from foretide.errors import InputError
from foretide.model.batch import RawBatch
from foretide.model.ids import check_name
from foretide.sources.content import LineReader
from foretide.sources.demand_table import DemandTable, read_demand
from foretide.sources.event_table import CsvReader, read_parquet_events
from foretide.sources.kinds import Kind, Wish, kind_of, refuse_unreadable
from foretide.sources.logs import read_log
from foretide.sources.posted import PostedReader

_LOOK_BYTES = 1 << 18
_LOOK_ROWS = 2000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked `import` to do with files.

    Parameters
    ----------
    wish : Wish
        How to read them.
    app : str
        App to file them under; empty = what the rows say, else `default`.
    location : {"granted", "absent"}
        Whether the owner vouches for the users' consent to keep their country.
    features_max : int
        Most features of an app; the rest is counted under `other`.
    heartbeat_s : int, optional
        Longest silence of a living source; unchanged when absent.
    """

    wish: Wish = Wish()
    app: str = ""
    location: LocationConsent = "absent"
    features_max: int = FEATURES_MAX
    heartbeat_s: int | None = None

    def __post_init__(self) -> None:
        if self.app:
            check_name("--app", self.app)


class Ticket(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A file that was looked at and can be imported."""

    path: Path
    kind: Kind
    table: DemandTable | None = None


def look_at(path: Path, order: Order) -> Ticket:
    """Return a ticket for a file once enough of it was read to know that it can be imported.

    Raises
    ------
    InputError
        When it is absent, empty, of no known kind, lacks a column, has time stamps without a
        zone, or nothing in its beginning can be read.
    """
    refuse_unreadable(path)
    kind = order.wish.kind or kind_of(path, order.wish.columns)
    if kind is Kind.DEMAND:
        return Ticket(path=path, kind=kind, table=read_demand(path))
    reader = LineReader(path, chunk_bytes=_LOOK_BYTES)
    _judge(path, kind, next(raw_batches(path, kind, order.wish, reader, most=_LOOK_ROWS), None))
    return Ticket(path=path, kind=kind)


def _judge(path: Path, kind: Kind, first: RawBatch | None) -> None:
    if first is None or not first.lines:
        raise InputError(f"{path}: holds no row; give a file that holds events or demand")
    zoneless = [r for r in first.rejects if "--timezone" in r.reason]
    if zoneless:
        raise InputError(f"{path}: line {zoneless[0].line}: {zoneless[0].reason}")
    if first.frame.is_empty():
        bad = first.rejects[0]
        raise InputError(
            f"{path}: none of the first {first.lines} lines can be read as {kind} "
            f"(line {bad.line}: {bad.reason}); see --format and --columns"
        )


def raw_batches(
    path: Path, kind: Kind, wish: Wish, reader: LineReader, *, most: int | None = None
) -> Iterator[RawBatch]:
    """Give the raw events of a file of `kind`, `most` rows or a little more of them."""
    match kind:
        case Kind.LOG:
            return read_log(reader)
        case Kind.NDJSON:
            return PostedReader(wish.columns, zone=wish.zone).read(reader)
        case Kind.CSV:
            return CsvReader(path, wish.columns, zone=wish.zone).read(reader)
        case Kind.PARQUET:
            return read_parquet_events(path, wish.columns, zone=wish.zone, most=most)
        case Kind.DEMAND:
            raise AssertionError("demand is read whole by sources/demand_table")
