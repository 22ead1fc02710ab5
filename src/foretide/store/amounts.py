"""This file knows how demand that came as a table is kept: its own step, later rows replace."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import msgspec
import numpy as np
import polars as pl

from foretide.demand.gaps import HEARTBEAT_S
from foretide.errors import InputError
from foretide.model.batch import ImportRecord
from foretide.model.demand import Demand
from foretide.model.instant import EPOCH
from foretide.store.records import append_record, first_row, next_import_id

Connection = duckdb.DuckDBPyConnection

_APPS = """
INSERT INTO apps
SELECT (SELECT coalesce(max(app_id), 0) FROM apps) + row_number() OVER (ORDER BY app), app, ?
FROM (SELECT DISTINCT app FROM given WHERE app NOT IN (SELECT name FROM apps))
"""
_FEATURES = """
INSERT INTO features
WITH named AS (
    SELECT DISTINCT a.app_id, g.feature AS name, g.step_s
    FROM given g JOIN apps a ON a.name = g.app
)
SELECT (SELECT coalesce(max(feature_id), 0) FROM features)
       + row_number() OVER (ORDER BY app_id, name), app_id, name, step_s
FROM named ANTI JOIN features USING (app_id, name)
"""
_NUMBERED = """
CREATE OR REPLACE TEMP TABLE numbered AS
SELECT f.feature_id, g.bucket, g.amount, old.amount AS before
FROM given g JOIN apps a ON a.name = g.app
JOIN features f ON f.app_id = a.app_id AND f.name = g.feature
LEFT JOIN amounts old ON old.feature_id = f.feature_id AND old.bucket = g.bucket
"""
_CLASH = """
SELECT a.name, f.name, f.step_s, g.step_s FROM given g JOIN apps a ON a.name = g.app
JOIN features f ON f.app_id = a.app_id AND f.name = g.feature
WHERE f.step_s IS DISTINCT FROM g.step_s LIMIT 1
"""


class Series(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Demand and the names under which it is kept."""

    app: str
    feature: str
    demand: Demand


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What an import of demand added.

    Parameters
    ----------
    stored_count : int
        Buckets that were not there before.
    replaced_count : int
        Buckets that were there with another amount.
    """

    stored_count: int
    replaced_count: int


def file_demand(connection: Connection, series: Sequence[Series], record: ImportRecord) -> Given:
    """Keep some demand, all of it or none; a bucket that is there already is replaced.

    Raises
    ------
    InputError
        When a series is kept with another step or is counted from events.
    """
    connection.execute("BEGIN")
    try:
        given = _filed(connection, series, record)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return given


def _filed(connection: Connection, series: Sequence[Series], record: ImportRecord) -> Given:
    run = connection.execute
    import_id = next_import_id(connection)
    connection.register("given", pl.concat([_rows(one) for one in series]))
    run(_APPS, [HEARTBEAT_S])
    _refuse_clash(connection, record.path)
    run(_FEATURES)
    run(_NUMBERED)
    connection.unregister("given")
    added, replaced = first_row(
        connection,
        "SELECT count(*) FILTER (before IS NULL), count(*) FILTER (before <> amount) FROM numbered",
    )
    run(
        "DELETE FROM amounts USING numbered n WHERE amounts.feature_id = n.feature_id "
        "AND amounts.bucket = n.bucket AND n.before <> n.amount"
    )
    run(
        "INSERT INTO amounts SELECT ?, feature_id, bucket, amount FROM numbered "
        "WHERE before IS NULL OR before <> amount ORDER BY feature_id, bucket",
        [import_id],
    )
    run("DROP TABLE numbered")
    append_record(connection, import_id, record)
    return Given(stored_count=added, replaced_count=replaced)


def _refuse_clash(connection: Connection, path: str) -> None:
    clash = first_row(connection, _CLASH)
    if not clash:
        return
    app, feature, kept_s, given_s = clash
    if kept_s is None:
        raise InputError(
            f"{path}: {app}/{feature} is already counted from events; import it under another --app"
        )
    raise InputError(
        f"{path}: {app}/{feature} has a step of {given_s} s but is kept with {kept_s} s; "
        "import it under another --app"
    )


def _rows(one: Series) -> pl.DataFrame:
    demand = one.demand
    first = int((demand.start - EPOCH).total_seconds())
    is_observed = ~np.isnan(demand.values)
    buckets = first + np.flatnonzero(is_observed) * demand.step_s
    frame = pl.DataFrame({"bucket": buckets, "amount": demand.values[is_observed]})
    return frame.select(
        pl.lit(one.app).alias("app"),
        pl.lit(one.feature).alias("feature"),
        pl.lit(demand.step_s).alias("step_s"),
        "bucket",
        "amount",
    )
