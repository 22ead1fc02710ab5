"""This file knows what is kept and answers for it: the one door to the embedded store.

One process owns the store; a second one is told so. Instants go in and out as aware UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import msgspec

from foretide.demand.features import FEATURES_MAX
from foretide.model.accuracy import Kept, Score, Scored
from foretide.model.batch import Content, ImportRecord
from foretide.model.calls import Calls
from foretide.model.demand import Demand
from foretide.store.amounts import Given, Series, file_demand
from foretide.store.calls import read_calls
from foretide.store.connection import connected, missing_parts, refused, take_away
from foretide.store.filing import Filing
from foretide.store.forecasts import (
    OpenForecast,
    keep_forecasts,
    known_until,
    open_forecasts,
    read_forecasts,
    read_forecasts_of,
    series_forecast_by,
)
from foretide.store.key import session_key
from foretide.store.reading import AppView, Asked, FeatureView, read_app, read_demand, read_features
from foretide.store.records import next_import_id, read_records, utc
from foretide.store.scores import (
    IssuedCount,
    Looked,
    ScoresAsked,
    file_scores,
    read_issued,
    read_scores,
)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A line that gave no event, as far as it may be kept."""

    path: str
    line: int
    reason: str
    text: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something done with personal data: when, what, to which file, how many rows."""

    at: datetime
    what: str
    path: str
    count: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much the store holds."""

    events: int
    amounts: int
    imports: int
    dead_letters: int
    sessions: int
    countries: int


class Warehouse:
    """The embedded store, open: a context that closes it.

    Parameters
    ----------
    path : Path
        Its file.
    may_create : bool
        Whether to make one where there is none.

    Raises
    ------
    InputError
        When there is no store and none may be made.
    StoreBusyError
        When another process owns it.
    StoreError
        When it is damaged or no store.
    """

    def __init__(self, path: Path, *, may_create: bool = False) -> None:
        self.path = path
        self._made = missing_parts(path)
        self._connection = connected(path, may_create=may_create)

    def __enter__(self) -> Self:
        """Return itself, open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, and say in one line when it was the file itself that failed.

        A store that was made for an import that failed is taken away again: refused input leaves
        nothing behind.
        """
        is_in_vain = error is not None and bool(self._made) and not self.imports()
        self.close()
        if is_in_vain:
            take_away(self._made)
        # a ProgrammingError is a bug of ours and keeps its traceback
        if isinstance(error, duckdb.Error) and not isinstance(error, duckdb.ProgrammingError):
            raise refused(self.path, error) from error

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        try:
            self._connection.close()
        except duckdb.Error as error:
            raise refused(self.path, error) from None

    def session_key(self) -> bytes:
        """Return the secret under which identities are hashed, made on first use."""
        return session_key(self.path)

    def filing(self, *, features_max: int = FEATURES_MAX) -> Filing:
        """Return a context in which the events of one file are taken in, all of them or none."""
        return Filing(self._connection, features_max=features_max)

    def file_demand(self, series: Sequence[Series], record: ImportRecord) -> Given:
        """Keep demand that came as a table, all of it or none.

        Raises
        ------
        InputError
            When a series is kept with another step or is counted from events.
        """
        return file_demand(self._connection, series, record)

    def imports(self) -> list[ImportRecord]:
        """Return every import, oldest first."""
        return read_records(self._connection)

    def contents(self, *, app: str) -> list[Content]:
        """Return what was imported into `app` (empty: the apps named by the rows)."""
        return [record.content for record in self.imports() if record.app == app]

    def apps_of(self, content: Content) -> tuple[str, ...]:
        """Return the apps that an imported content has events of, in the order of their names."""
        rows = self._rows(
            "SELECT DISTINCT a.name FROM minutes JOIN apps a USING (app_id) "
            "JOIN imports USING (import_id) WHERE digest = ? ORDER BY 1",
            [content.whole.digest],
        )
        return tuple(name for (name,) in rows)

    def apps(self) -> list[AppView]:
        """Return the apps in the order of their names."""
        names = self._rows("SELECT name FROM apps ORDER BY name")
        return [read_app(self._connection, name) for (name,) in names]

    def features(self, app: str) -> list[FeatureView]:
        """Return the features of an app, most called first."""
        return read_features(self._connection, app)

    def set_heartbeat(self, app: str, heartbeat_s: int) -> None:
        """Say how long a living source of `app` may be silent, in seconds."""
        self._connection.execute(
            "UPDATE apps SET heartbeat_s = ? WHERE name = ?", [heartbeat_s, app]
        )

    def demand(
        self,
        *,
        app: str | None = None,
        feature: str | None = None,
        series: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        step_s: int | None = None,
        is_total: bool = False,
    ) -> list[Demand]:
        """Return demand by app and feature, in the order of the names.

        Parameters
        ----------
        app, feature : str, optional
            Only these.
        series : str, optional
            Only this one, as `app/feature`.
        start, end : datetime, optional
            Only buckets that begin in [start, end).
        step_s : int, optional
            Length of a bucket; the own resolution of each series when absent.
        is_total : bool
            One series per app, the sum over its features, named after the app.

        Raises
        ------
        InvalidValueError
            When `step_s` is finer than a series is known or no multiple of its step, or the span
            has more than 20 million buckets.
        """
        if series is not None:
            app, _, feature = series.partition("/")
        names = self._rows(
            "SELECT name FROM apps WHERE ? IS NULL OR name = ? ORDER BY name", [app, app]
        )
        found: list[Demand] = []
        for (name,) in names:
            asked = Asked(
                app=name, feature=feature, start=start, end=end, step_s=step_s, is_total=is_total
            )
            found.extend(read_demand(self._connection, asked))
        return found

    def calls(self, app: str, *, since: datetime | None = None) -> Calls:
        """Return the calls of an app, sessions by their keyed hash."""
        return read_calls(self._connection, app, since=since)

    def keep_forecasts(self, kept: Sequence[Kept], *, kept_at: datetime) -> int:
        """Keep issued forecasts, all or none; return how many were not there yet.

        A series' forecast by one forecaster, on one length of bucket, of one instant is kept once.

        Raises
        ------
        StoreError
            When a series is not in the store.
        """
        return keep_forecasts(self._connection, kept, kept_at)

    def open_forecasts(self, until: datetime) -> list[OpenForecast]:
        """Return the forecasts that began before `until` and are not wholly scored for good."""
        return open_forecasts(self._connection, until)

    def kept_forecasts(self, forecast_ids: Sequence[int]) -> list[tuple[int, Kept]]:
        """Return kept forecasts with their numbers, in the order of these."""
        return read_forecasts(self._connection, forecast_ids)

    def series_forecast_by(self, model: str, *, since: datetime) -> set[str]:
        """Return the series of which a forecaster's forecasts issued since then are kept."""
        return series_forecast_by(self._connection, model, since)

    def forecasts_of(
        self,
        *,
        app: str,
        feature: str,
        since: datetime | None = None,
        model: str | None = None,
        is_daily: bool = False,
    ) -> list[Kept]:
        """Return the kept forecasts of one series, oldest first; daily: the first of each day."""
        return read_forecasts_of(
            self._connection, app=app, feature=feature, since=since, model=model, is_daily=is_daily
        )

    def file_scores(
        self, scores: Iterable[tuple[int, Score]], *, looked: Sequence[Looked] = ()
    ) -> None:
        """Write scores of forecasts, and which were looked at; all or none."""
        file_scores(self._connection, scores, looked)

    def last_import_id(self) -> int:
        """Return the number of the last import, 0 before the first."""
        return next_import_id(self._connection) - 1

    def known_until(self) -> dict[tuple[str, str], datetime]:
        """Return until when the demand of each app and feature is known."""
        return known_until(self._connection)

    def scores(self, asked: ScoresAsked) -> list[Scored]:
        """Return the sums of what was scored, by series, forecaster and what is kept apart."""
        return read_scores(self._connection, asked)

    def issued(self, asked: ScoresAsked) -> list[IssuedCount]:
        """Return how many forecasts are kept, by series, forecaster, class and horizon."""
        return read_issued(self._connection, asked)

    def dead_letters(self, *, most: int = 1_000_000) -> list[DeadLetter]:
        """Return the lines that gave no event, in the order of their import."""
        rows = self._rows(
            "SELECT path, line, reason, text FROM dead_letter ORDER BY rowid LIMIT ?", [most]
        )
        return [DeadLetter(path=p, line=n, reason=r, text=t) for p, n, r, t in rows]

    def audit(self) -> list[AuditEntry]:
        """Return what was done with personal data, oldest first."""
        rows = self._rows("SELECT recorded_at, what, path, count FROM audit ORDER BY recorded_at")
        return [AuditEntry(at=utc(a) or a, what=w, path=p, count=n) for a, w, p, n in rows]

    def counts(self) -> Counts:
        """Return how much the store holds."""
        row = self._rows(
            "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM amounts), "
            "(SELECT count(*) FROM imports), (SELECT count(*) FROM dead_letter), "
            "(SELECT count(DISTINCT (app_id, session)) FROM events WHERE session IS NOT NULL), "
            "(SELECT count(DISTINCT country) FROM events)"
        )[0]
        names = ("events", "amounts", "imports", "dead_letters", "sessions", "countries")
        return Counts(**dict(zip(names, map(int, row), strict=True)))

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, list(values)).fetchall()
        except duckdb.Error as error:
            raise refused(self.path, error) from error
