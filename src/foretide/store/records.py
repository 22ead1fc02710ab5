"""This file knows how the store remembers what was imported, refused and consented to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from foretide.model.batch import Content, ImportRecord, Mark, Reject

Connection = duckdb.DuckDBPyConnection


def utc(value: datetime | None) -> datetime | None:
    """Return a TIMESTAMP of the store as the aware instant it stands for."""
    return None if value is None else value.replace(tzinfo=UTC)


def naive(value: datetime) -> datetime:
    """Return an aware instant as the store keeps it."""
    return value.astimezone(UTC).replace(tzinfo=None)


def first_row(connection: Connection, query: str, values: Sequence[object] = ()) -> list[Any]:
    """Return the first row of an answer, empty when there is none.

    All of it is fetched: a result half read would keep the connection from other work.
    """
    rows = connection.execute(query, list(values)).fetchall()
    return list(rows[0]) if rows else []


def next_import_id(connection: Connection) -> int:
    """Return the number of the import that is about to be recorded."""
    return int(first_row(connection, "SELECT coalesce(max(import_id), 0) + 1 FROM imports")[0])


def append_record(connection: Connection, import_id: int, record: ImportRecord) -> None:
    """Remember an import and what its content is known by."""
    content = record.content
    connection.execute(
        "INSERT INTO imports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            import_id,
            naive(record.at),
            record.path,
            record.kind,
            record.app,
            content.head,
            content.whole.byte_count,
            content.whole.digest,
            content.complete.byte_count,
            content.complete.line_count,
            content.complete.digest,
            content.is_tail_stored,
            record.line_count,
            record.stored_count,
            record.rejected_count,
        ],
    )


def read_records(connection: Connection) -> list[ImportRecord]:
    """Return every import, oldest first."""
    rows = connection.execute("SELECT * EXCLUDE import_id FROM imports ORDER BY import_id")
    return [_record(row) for row in rows.fetchall()]


def _record(row: tuple[Any, ...]) -> ImportRecord:
    at, path, kind, app, head, size, digest, finished_size, lines, finished, is_tail, *counts = row
    whole = Mark(byte_count=size, line_count=lines, digest=digest)
    complete = Mark(byte_count=finished_size, line_count=lines, digest=finished)
    content = Content(head=head, whole=whole, complete=complete, is_tail_stored=is_tail)
    line_count, stored_count, rejected_count = counts
    return ImportRecord(
        at=at.replace(tzinfo=UTC),
        path=path,
        kind=kind,
        app=app,
        content=content,
        line_count=line_count,
        stored_count=stored_count,
        rejected_count=rejected_count,
    )


def park(connection: Connection, import_id: int, path: str, rejects: Sequence[Reject]) -> None:
    """Keep the lines that gave no event, as far as they may be kept."""
    if not rejects:
        return
    frame = pl.DataFrame(
        {
            "import_id": pl.Series([import_id] * len(rejects), dtype=pl.Int32),
            "path": [path] * len(rejects),
            "line": [reject.line for reject in rejects],
            "reason": [reject.reason for reject in rejects],
            "text": [reject.text for reject in rejects],
        }
    )
    connection.register("parked", frame)
    connection.execute("INSERT INTO dead_letter SELECT * FROM parked")
    connection.unregister("parked")


def append_audit(connection: Connection, record: ImportRecord, *, what: str, count: int) -> None:
    """Write to the audit that `what` was done with `count` rows of an import."""
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?)", [naive(record.at), what, record.path, count]
    )
