"""This file knows how kept events and tables are read back as demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import msgspec
import numpy as np

from foretide.demand.aggregate import coarser, observed_only, on_grid
from foretide.demand.gaps import MINUTE_S, IntArray, is_alive, resolution_s
from foretide.demand.total import summed
from foretide.errors import InvalidValueError
from foretide.model.demand import Demand, FloatArray
from foretide.model.ids import series_id
from foretide.model.instant import EPOCH
from foretide.store.records import first_row

Connection = duckdb.DuckDBPyConnection
BUCKETS_MAX = 20_000_000  # 38 years of minutes


_APP = """
WITH own AS (SELECT app_id, heartbeat_s FROM apps WHERE name = ?),
counted AS (
    SELECT sum(calls) AS events, min(minute)::BIGINT * 60 AS first_s,
           max(minute)::BIGINT * 60 + 60 AS last_s
    FROM minutes JOIN own USING (app_id)
), given AS (
    SELECT min(bucket) AS first_s, max(bucket + f.step_s) AS last_s
    FROM amounts JOIN features f USING (feature_id) JOIN own USING (app_id)
)
SELECT heartbeat_s, coalesce(events, 0), least(c.first_s, g.first_s), greatest(c.last_s, g.last_s)
FROM own, counted c, given g
"""


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one app.

    Parameters
    ----------
    name : str
        Its name.
    events : int
        Events kept.
    first, last : datetime, optional
        Begin of the first and end of the last bucket that holds something, aware UTC.
    resolution_s : int
        Step below which its events tell nothing.
    heartbeat_s : int
        Longest silence of its source while alive.
    """

    name: str
    events: int
    first: datetime | None
    last: datetime | None
    resolution_s: int
    heartbeat_s: int


class FeatureView(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one feature: its total, and its step when it came as a table."""

    name: str
    amount: float
    step_s: int | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which demand is wanted.

    Parameters
    ----------
    app : str
        Of which app.
    feature : str, optional
        Only this feature.
    start, end : datetime, optional
        Only buckets that begin in [start, end).
    step_s : int, optional
        Length of a bucket, >= 1; the own of each series when absent.
    is_total : bool
        Whether the sum over the features is wanted instead of each.
    """

    app: str
    feature: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    step_s: int | None = None
    is_total: bool = False


class _Grid(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # The source's own buckets of one app, and in which of them it was alive.
    first: int
    step_s: int
    alive: Any


def read_app(connection: Connection, app: str) -> AppView:
    """Return what is kept of `app`."""
    heartbeat_s, events, first_s, last_s = first_row(connection, _APP, [app])
    return AppView(
        name=app,
        events=int(events),
        first=_instant(first_s),
        last=_instant(last_s),
        resolution_s=resolution_s(_minutes(connection, app)),
        heartbeat_s=heartbeat_s,
    )


def _instant(since_epoch_s: int | None) -> datetime | None:
    return None if since_epoch_s is None else EPOCH + timedelta(seconds=since_epoch_s)


def read_features(connection: Connection, app: str) -> list[FeatureView]:
    """Return the features of `app`, most called first."""
    rows = connection.execute(
        "WITH called AS (SELECT feature_id, sum(calls) AS amount FROM minutes GROUP BY ALL), "
        "given AS (SELECT feature_id, sum(amount) AS amount FROM amounts GROUP BY ALL) "
        "SELECT f.name, coalesce(c.amount, g.amount, 0)::DOUBLE AS amount, f.step_s "
        "FROM features f JOIN apps a USING (app_id) LEFT JOIN called c USING (feature_id) "
        "LEFT JOIN given g USING (feature_id) WHERE a.name = ? ORDER BY amount DESC, f.name",
        [app],
    ).fetchall()
    return [FeatureView(name=n, amount=a, step_s=s) for n, a, s in rows]


def read_demand(connection: Connection, asked: Asked) -> list[Demand]:
    """Return the demand of one app by feature, or its total.

    Raises
    ------
    InvalidValueError
        When the step is finer than a series is known or no multiple of its step, or the span has
        too many buckets.
    """
    found = [*_counted(connection, asked), *_given(connection, asked)]
    if asked.is_total:
        found = [summed(asked.app, found)] if found else []
    return [cut for demand in found if len((cut := _between(demand, asked)).values)]


def _arrays(connection: Connection, query: str, values: Sequence[object]) -> dict[str, Any]:
    answer: Any = connection.execute(query, list(values))
    return answer.fetchnumpy()


def _minutes(connection: Connection, app: str) -> IntArray:
    return _arrays(
        connection,
        "SELECT DISTINCT minute::BIGINT AS minute FROM minutes JOIN apps USING (app_id) "
        "WHERE name = ? ORDER BY minute",
        [app],
    )["minute"]


def _counted(connection: Connection, asked: Asked) -> list[Demand]:
    minutes = _minutes(connection, asked.app)
    if not len(minutes):
        return []
    grid = _cut(_grid(connection, asked.app, minutes), asked)
    names = connection.execute(
        "SELECT f.name FROM features f JOIN apps a USING (app_id) "
        "WHERE a.name = ? AND f.step_s IS NULL AND (? IS NULL OR f.name = ?) ORDER BY 1",
        [asked.app, asked.feature, asked.feature],
    ).fetchall()
    rows = _arrays(
        connection,
        "SELECT f.name, minute::BIGINT * 60 // ? AS bucket, sum(calls)::DOUBLE AS calls "
        "FROM minutes m JOIN features f USING (feature_id) JOIN apps a ON a.app_id = f.app_id "
        "WHERE a.name = ? AND (? IS NULL OR f.name = ?) "
        "AND minute::BIGINT * 60 // ? BETWEEN ? AND ? GROUP BY ALL ORDER BY 1, 2",
        [
            grid.step_s, asked.app, asked.feature, asked.feature,
            grid.step_s, grid.first, grid.first + len(grid.alive) - 1,
        ],
    )  # fmt: skip
    called = dict(_groups(rows["name"]))
    found: list[Demand] = []
    for (name,) in names:
        part = called.get(name, slice(0, 0))
        values = on_grid(
            rows["bucket"][part], rows["calls"][part], first=grid.first, count=len(grid.alive)
        )
        seen = observed_only(values, grid.alive)
        found.append(_demand(name, seen, asked, first=grid.first, own_s=grid.step_s))
    return found


def _grid(connection: Connection, app: str, minutes: IntArray) -> _Grid:
    row = first_row(connection, "SELECT heartbeat_s FROM apps WHERE name = ?", [app])
    step_s = resolution_s(minutes)
    return _Grid(
        first=int(minutes[0]) * MINUTE_S // step_s,
        step_s=step_s,
        alive=is_alive(minutes, step_s=step_s, heartbeat_s=row[0]),
    )


def _cut(grid: _Grid, asked: Asked) -> _Grid:
    # whole buckets of the asked step around the asked span: what lies outside costs nothing
    step = timedelta(seconds=asked.step_s or grid.step_s)
    low, high = 0, len(grid.alive)
    if asked.start is not None:
        begin = (asked.start - EPOCH) // step * step // timedelta(seconds=grid.step_s)
        low = min(max(begin - grid.first, 0), high)
    if asked.end is not None:
        finish = -(-(asked.end - EPOCH) // step) * step // timedelta(seconds=grid.step_s)
        high = min(max(finish - grid.first, low), high)
    if high - low > BUCKETS_MAX:
        raise InvalidValueError(
            f"{asked.app}: {high - low:,} buckets of {grid.step_s} s lie between its first and "
            "last event; ask for a part by its start and end"
        )
    return _Grid(first=grid.first + low, step_s=grid.step_s, alive=grid.alive[low:high])


def _given(connection: Connection, asked: Asked) -> list[Demand]:
    rows = _arrays(
        connection,
        "SELECT f.name, f.step_s::BIGINT AS step_s, bucket // f.step_s AS bucket, amount "
        "FROM amounts m JOIN features f USING (feature_id) JOIN apps a ON a.app_id = f.app_id "
        "WHERE a.name = ? AND (? IS NULL OR f.name = ?) ORDER BY 1, 3",
        [asked.app, asked.feature, asked.feature],
    )
    found: list[Demand] = []
    for name, part in _groups(rows["name"]):
        buckets = rows["bucket"][part]
        values = np.full(int(buckets[-1] - buckets[0]) + 1, np.nan)
        values[buckets - buckets[0]] = rows["amount"][part]
        own_s = int(rows["step_s"][part][0])
        found.append(_demand(name, values, asked, first=int(buckets[0]), own_s=own_s))
    return found


def _groups(names: Any) -> list[tuple[str, slice]]:
    # names come sorted: one slice for each run of equals
    if not len(names):
        return []
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return [(str(names[a]), slice(a, b)) for a, b in pairwise(edges)]


def _demand(name: str, values: FloatArray, asked: Asked, *, first: int, own_s: int) -> Demand:
    series = series_id(asked.app, name)
    step_s = asked.step_s or own_s
    if step_s % own_s:
        raise InvalidValueError(
            f"--step {step_s} s: {series} is known every {own_s} s; give a multiple of it"
        )
    factor = step_s // own_s
    offset = first % factor
    return Demand(
        series_id=series,
        start=EPOCH + timedelta(seconds=(first - offset) * own_s),
        step_s=step_s,
        values=coarser(values, factor=factor, offset=offset),
    )


def _between(demand: Demand, asked: Asked) -> Demand:
    start, end, step = asked.start, asked.end, timedelta(seconds=demand.step_s)
    low = 0 if start is None else max(-((demand.start - start) // step), 0)
    high = len(demand.values) if end is None else max(-((demand.start - end) // step), 0)
    return Demand(
        series_id=demand.series_id,
        start=demand.start + low * step,
        step_s=demand.step_s,
        values=demand.values[low:high],
    )
