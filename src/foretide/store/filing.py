"""This file knows how the events of one file enter the store: all of them or none.

Everything happens inside one transaction: events are staged as they are parsed, then sessions are
cut, features numbered and rolled up, and the record of the content is written beside its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import duckdb
import msgspec
import polars as pl

from foretide.demand.features import OTHER
from foretide.demand.gaps import HEARTBEAT_S
from foretide.demand.sessions import SESSION_GAP_S
from foretide.errors import InputError
from foretide.model.batch import EventBatch, ImportRecord, Reject
from foretide.store.records import append_audit, append_record, first_row, next_import_id, park, utc

LOCATION_KEPT = "location kept: the owner vouches for consent (--location-consent granted)"

_STAGED = """
CREATE OR REPLACE TEMP TABLE staged (
    ts TIMESTAMP, app VARCHAR, feature VARCHAR, session UBIGINT, visitor UBIGINT, device VARCHAR,
    country VARCHAR, duration_s FLOAT, status USMALLINT)
"""
_APPS = """
INSERT INTO apps
SELECT (SELECT coalesce(max(app_id), 0) FROM apps) + row_number() OVER (ORDER BY app), app, ?
FROM (SELECT DISTINCT app FROM staged WHERE app NOT IN (SELECT name FROM apps))
"""
# Most called first, so that what the cap leaves out are the features that matter least.
_WANTED = """
CREATE OR REPLACE TEMP TABLE wanted AS
WITH called AS (
    SELECT a.app_id, s.feature AS name, count(*) AS calls
    FROM staged s JOIN apps a ON a.name = s.app GROUP BY ALL
), fresh AS (
    SELECT c.*, row_number() OVER (PARTITION BY app_id ORDER BY calls DESC, name) AS place
    FROM called c ANTI JOIN features f USING (app_id, name)
    WHERE name <> $other
), room AS (
    SELECT a.app_id, $most - count(f.name) AS places
    FROM apps a LEFT JOIN features f ON f.app_id = a.app_id AND f.name <> $other
    GROUP BY ALL
)
SELECT app_id, name, calls, place <= places AS is_kept FROM fresh JOIN room USING (app_id)
"""
_FEATURES = """
INSERT INTO features
SELECT (SELECT coalesce(max(feature_id), 0) FROM features)
       + row_number() OVER (ORDER BY app_id, calls DESC, name), app_id, name, NULL
FROM (
    SELECT app_id, name, calls FROM wanted WHERE is_kept
    UNION ALL
    SELECT app_id, $other, 0 FROM (
        SELECT app_id FROM wanted WHERE NOT is_kept
        UNION
        SELECT a.app_id FROM staged s JOIN apps a ON a.name = s.app WHERE s.feature = $other
    ) ANTI JOIN (SELECT app_id FROM features WHERE name = $other) USING (app_id)
)
"""
_RUNS = """
CREATE OR REPLACE TEMP TABLE runs AS
WITH marked AS (
    SELECT rowid AS row, app, visitor, ts, coalesce(ts - lag(ts) OVER seen
           > to_seconds($gap_s), true) AS begins
    FROM staged WHERE visitor IS NOT NULL WINDOW seen AS (PARTITION BY app, visitor ORDER BY ts)
), numbered AS (
    SELECT row, app, visitor, ts, sum(begins::INTEGER) OVER (
           PARTITION BY app, visitor ORDER BY ts, row ROWS UNBOUNDED PRECEDING) AS run
    FROM marked
)
SELECT app, visitor, run, min(ts) AS first_ts, max(ts) AS last_ts, list(row) AS rows
FROM numbered GROUP BY ALL
"""
_VISITS = """
CREATE OR REPLACE TEMP TABLE visited AS
SELECT a.app_id, r.visitor, r.first_ts, r.last_ts, any_value(r.rows) AS rows, coalesce(
    min_by(v.session, v.first_ts), hash(r.visitor, epoch_us(r.first_ts))) AS session
FROM runs r JOIN apps a ON a.name = r.app
LEFT JOIN visits v ON v.app_id = a.app_id AND v.visitor = r.visitor
    AND v.last_ts >= r.first_ts - to_seconds($gap_s)
    AND v.first_ts <= r.last_ts + to_seconds($gap_s)
GROUP BY a.app_id, r.visitor, r.first_ts, r.last_ts
"""
_EVENTS = """
INSERT INTO events
WITH cut AS (SELECT unnest(rows) AS row, session FROM visited)
SELECT $import_id, s.ts, a.app_id, f.feature_id, coalesce(s.session, c.session), s.device,
       s.country, s.duration_s, s.status
FROM staged s JOIN apps a ON a.name = s.app
LEFT JOIN wanted w ON w.app_id = a.app_id AND w.name = s.feature
JOIN features f ON f.app_id = a.app_id
    AND f.name = CASE WHEN w.is_kept = false THEN $other ELSE s.feature END
LEFT JOIN cut c ON c.row = s.rowid
ORDER BY s.ts
"""
_MINUTES = """
INSERT INTO minutes
SELECT import_id, app_id, feature_id, epoch_us(ts) // 60000000, count(*),
       count(*) FILTER (status >= 500), coalesce(sum(duration_s), 0)
FROM events WHERE import_id = ? GROUP BY ALL ORDER BY app_id, feature_id, 4
"""


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """What one import added.

    Parameters
    ----------
    stored_count : int
        Events kept.
    rejected_count : int
        Lines parked as dead letters.
    apps : tuple of str
        The apps they belong to.
    first, last : datetime, optional
        First and last instant among them, aware UTC.
    folded_feature_count, folded_call_count : int
        Features beyond the cap and the calls of them, now under `other`.
    overlapping_count : int
        Events of the same apps that earlier imports had in the same span.
    """

    stored_count: int
    rejected_count: int
    apps: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    folded_feature_count: int
    folded_call_count: int
    overlapping_count: int


class Filing:
    """One import under way: a context whose body either commits or leaves nothing.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The store.
    features_max : int
        Most features of one app, `other` aside.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, features_max: int) -> None:
        self._connection = connection
        self._features_max = features_max
        self._rejects: list[Reject] = []
        self._is_done = False

    def __enter__(self) -> Self:
        """Begin."""
        self._connection.execute("BEGIN")
        self._connection.execute(_STAGED)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind unless it was committed."""
        if not self._is_done:
            self._connection.execute("ROLLBACK")

    def stage(self, batch: EventBatch, rejects: Sequence[Reject]) -> None:
        """Take in some events, and the lines among them that gave none."""
        self._rejects.extend(rejects)
        if batch.frame.is_empty():
            return
        frame = batch.frame.with_columns(pl.col("ts").dt.replace_time_zone(None))
        self._connection.register("batch", frame)
        self._connection.execute("INSERT INTO staged SELECT * FROM batch")
        self._connection.unregister("batch")

    def commit(self, record: ImportRecord, *, country_count: int | None = None) -> Filed:
        """Make the events, their roll-up and the record of their content permanent at once.

        Parameters
        ----------
        record : ImportRecord
            What they came from; its counts are taken as they are.
        country_count : int, optional
            Countries kept because the owner vouches for consent, for the audit; absent when the
            owner does not.

        Raises
        ------
        InputError
            When an app's feature already has demand that came as a table.
        """
        import_id = next_import_id(self._connection)
        self._number_names()
        self._refuse_given_series(record.path)
        run = self._connection.execute
        filed = self._filed()
        run(_RUNS, {"gap_s": SESSION_GAP_S})
        run(_VISITS, {"gap_s": SESSION_GAP_S})
        run(_EVENTS, {"import_id": import_id, "other": OTHER})
        run("INSERT INTO visits SELECT app_id, visitor, session, first_ts, last_ts FROM visited")
        run(_MINUTES, [import_id])
        park(self._connection, import_id, record.path, self._rejects)
        if country_count is not None:
            append_audit(self._connection, record, what=LOCATION_KEPT, count=country_count)
        append_record(self._connection, import_id, record)
        for table in ("staged", "wanted", "runs", "visited"):
            run(f"DROP TABLE {table}")
        run("COMMIT")
        self._is_done = True
        return filed

    def _number_names(self) -> None:
        self._connection.execute(_APPS, [HEARTBEAT_S])
        self._connection.execute(_WANTED, {"most": self._features_max, "other": OTHER})
        self._connection.execute(_FEATURES, {"other": OTHER})

    def _refuse_given_series(self, path: str) -> None:
        row = first_row(
            self._connection,
            "SELECT a.name, f.name FROM staged s JOIN apps a ON a.name = s.app "
            "JOIN features f ON f.app_id = a.app_id AND f.name = s.feature "
            "WHERE f.step_s IS NOT NULL LIMIT 1",
        )
        if row:
            raise InputError(
                f"{path}: {row[0]}/{row[1]} already has demand that came as a table; "
                "import the events under another --app"
            )

    def _filed(self) -> Filed:
        count, apps, first, last = first_row(
            self._connection, "SELECT count(*), list(DISTINCT app), min(ts), max(ts) FROM staged"
        )
        folded = first_row(
            self._connection,
            "SELECT count(*), coalesce(sum(calls), 0) FROM wanted WHERE NOT is_kept",
        )
        overlapping = first_row(
            self._connection,
            "SELECT count(*) FROM events WHERE ts BETWEEN ? AND ? AND app_id IN "
            "(SELECT app_id FROM apps JOIN (SELECT DISTINCT app FROM staged) ON name = app)",
            [first, last],
        )
        return Filed(
            stored_count=count,
            rejected_count=len(self._rejects),
            apps=tuple(sorted(apps or ())),
            first=utc(first),
            last=utc(last),
            folded_feature_count=folded[0],
            folded_call_count=int(folded[1]),
            overlapping_count=overlapping[0],
        )
