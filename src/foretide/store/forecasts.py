"""This file knows how issued forecasts are kept.

A forecast is kept once: one row, its quantiles as single-precision numbers in one blob, packed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import msgspec
import numpy as np
import polars as pl

from foretide.errors import StoreError
from foretide.model.accuracy import KEPT_LEVELS, SCORED_LEVELS, Kept, SeriesClass
from foretide.model.demand import FloatArray
from foretide.model.forecast import Forecast
from foretide.model.ids import series_id
from foretide.model.instant import EPOCH
from foretide.store.records import first_row, naive, utc

Connection = duckdb.DuckDBPyConnection

_PACK_LEVEL = 1  # a higher one takes five times as long for a few percent

_KEEP = """
INSERT INTO forecasts
SELECT (SELECT coalesce(max(forecast_id), 0) FROM forecasts) + row_number() OVER (ORDER BY row),
       f.feature_id, issued.* EXCLUDE (row, app, feature)
FROM issued JOIN apps a ON a.name = issued.app
JOIN features f ON f.app_id = a.app_id AND f.name = issued.feature
ANTI JOIN forecasts k ON k.feature_id = f.feature_id AND k.issued_at = issued.issued_at
    AND k.model = issued.model AND k.step_s = issued.step_s
QUALIFY row_number() OVER (
    PARTITION BY f.feature_id, issued.issued_at, issued.model, issued.step_s ORDER BY row) = 1
"""
_OPEN = """
SELECT k.forecast_id, a.name, f.name, k.step_s, epoch(k.start)::BIGINT, k.step_count,
       k.scored_until, k.scored_import, coalesce(list(s.day) FILTER (s.is_final), [])
FROM forecasts k JOIN features f USING (feature_id) JOIN apps a USING (app_id)
LEFT JOIN scores s USING (forecast_id)
WHERE k.start < $until AND NOT k.is_closed
GROUP BY ALL ORDER BY a.name, k.step_s, f.name, k.forecast_id
"""
_READ = """
SELECT k.forecast_id, a.name, f.name, k.model, k.issued_at, k.start, k.step_s, k.note,
       k.quantiles, k.naive, k.naive_scale, k.class
FROM forecasts k JOIN features f USING (feature_id) JOIN apps a USING (app_id)
"""
# Until when the demand of each series is known: an app's counted features to its last event.
_KNOWN = """
WITH counted AS (
    SELECT app_id, max(minute)::BIGINT * 60 + 60 AS until_s FROM minutes GROUP BY ALL
), given AS (
    SELECT feature_id, max(bucket) + any_value(f.step_s) AS until_s
    FROM amounts JOIN features f USING (feature_id) GROUP BY ALL
)
SELECT a.name, f.name, coalesce(g.until_s, c.until_s) FROM features f JOIN apps a USING (app_id)
LEFT JOIN counted c USING (app_id) LEFT JOIN given g USING (feature_id)
WHERE coalesce(g.until_s, c.until_s) IS NOT NULL
"""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was known when a forecast was scored: the same look would find the same again.

    Parameters
    ----------
    until : datetime
        How far demand was known.
    import_id : int
        The last import before it.
    """

    until: datetime
    import_id: int


class OpenForecast(msgspec.Struct, frozen=True, kw_only=True):
    """A kept forecast some of whose days are not finally scored, without its numbers.

    Parameters
    ----------
    forecast_id : int
        Its number in the store.
    app, feature : str
        Whose demand it forecasts.
    step_s : int
        Length of its buckets in seconds.
    start, end : datetime
        Begin of its first and end of its last bucket.
    final_days : tuple of int
        Days of the horizon that are scored for good.
    looked : Look, optional
        When it was scored last; None: never.
    """

    forecast_id: int
    app: str
    feature: str
    step_s: int
    start: datetime
    end: datetime
    final_days: tuple[int, ...]
    looked: Look | None


def keep_forecasts(connection: Connection, kept: Sequence[Kept], kept_at: datetime) -> int:
    """Keep forecasts, all of them or none, and return how many were not there yet.

    A series' forecast by one forecaster, on one length of bucket, of one instant is kept once: the
    first stays, for it is what was really issued.

    Raises
    ------
    StoreError
        When a series is not in the store.
    """
    if not kept:
        return 0
    rows = [_row(number, one, kept_at) for number, one in enumerate(kept)]
    _refuse_unknown(connection, {(row["app"], row["feature"]) for row in rows})
    frame = pl.DataFrame(rows, schema_overrides={"quantiles": pl.Binary, "naive": pl.Binary})
    connection.register("issued", frame)
    connection.execute("BEGIN")
    try:
        added = first_row(connection, _KEEP)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.unregister("issued")
    return int(added[0])


def open_forecasts(connection: Connection, until: datetime) -> list[OpenForecast]:
    """Return the forecasts that began before `until` and are not wholly scored for good.

    By app, length of bucket, feature and number.
    """
    rows = connection.execute(_OPEN, {"until": naive(until)}).fetchall()
    return [
        OpenForecast(
            forecast_id=number,
            app=app,
            feature=feature,
            step_s=step_s,
            start=EPOCH + timedelta(seconds=start_s),
            end=EPOCH + timedelta(seconds=start_s + step_s * count),
            final_days=tuple(sorted(final)),
            looked=None if at is None else Look(until=utc(at) or at, import_id=import_id),
        )
        for number, app, feature, step_s, start_s, count, at, import_id, final in rows
    ]


def read_forecasts(connection: Connection, forecast_ids: Sequence[int]) -> list[tuple[int, Kept]]:
    """Return kept forecasts by their numbers, in the order of these."""
    rows = connection.execute(
        f"{_READ} WHERE forecast_id IN (SELECT unnest(?)) ORDER BY forecast_id",
        [list(forecast_ids)],
    ).fetchall()
    return [(int(row[0]), _kept(row)) for row in rows]


def read_forecasts_of(
    connection: Connection,
    *,
    app: str,
    feature: str,
    since: datetime | None,
    model: str | None,
    is_daily: bool,
) -> list[Kept]:
    """Return the kept forecasts of one series issued at or after `since`, oldest first.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The store.
    app, feature : str
        Whose.
    since : datetime, optional
        Only those issued here or later.
    model : str, optional
        Only by this forecaster.
    is_daily : bool
        Only the first of each day, forecaster and length of bucket.
    """
    rows = connection.execute(
        f"{_READ} WHERE a.name = $app AND f.name = $feature "
        "AND ($since IS NULL OR issued_at >= $since) AND ($model IS NULL OR model = $model) "
        "QUALIFY NOT $is_daily OR row_number() OVER ("
        "PARTITION BY model, k.step_s, issued_at::DATE ORDER BY issued_at) = 1 "
        "ORDER BY issued_at, model, k.step_s",
        {
            "app": app,
            "feature": feature,
            "since": None if since is None else naive(since),
            "model": model,
            "is_daily": is_daily,
        },
    ).fetchall()
    return [_kept(row) for row in rows]


def series_forecast_by(connection: Connection, model: str, since: datetime) -> set[str]:
    """Return the series of which a forecaster's forecasts issued at or after `since` are kept."""
    rows = connection.execute(
        "SELECT DISTINCT a.name, f.name FROM forecasts k JOIN features f USING (feature_id) "
        "JOIN apps a USING (app_id) WHERE k.model = ? AND k.issued_at >= ?",
        [model, naive(since)],
    ).fetchall()
    return {series_id(app, feature) for app, feature in rows}


def known_until(connection: Connection) -> dict[tuple[str, str], datetime]:
    """Return until when the demand of each app and feature is known."""
    rows = connection.execute(_KNOWN).fetchall()
    return {(app, feature): EPOCH + timedelta(seconds=int(s)) for app, feature, s in rows}


def _refuse_unknown(connection: Connection, names: set[tuple[str, str]]) -> None:
    rows = connection.execute("SELECT a.name, f.name FROM features f JOIN apps a USING (app_id)")
    unknown = sorted(names - set(rows.fetchall()))
    if unknown:
        raise StoreError(f"{series_id(*unknown[0])}: its demand is not in the store; import it")


def _row(number: int, one: Kept, kept_at: datetime) -> dict[str, Any]:
    forecast = one.forecast
    app, _, feature = forecast.series_id.partition("/")
    return {
        "row": number,
        "app": app,
        "feature": feature,
        "model": forecast.model,
        "issued_at": naive(forecast.issued_at),
        "kept_at": naive(kept_at),
        "start": naive(forecast.start),
        "step_s": forecast.step_s,
        "step_count": len(forecast.values),
        "class": one.series_class.value,
        "naive_scale": one.naive_scale,
        "note": forecast.note,
        "quantiles": _packed(forecast.values),
        "naive": _packed(one.naive),
        "is_closed": False,
        "scored_until": None,
        "scored_import": None,
    }


def _packed(values: FloatArray) -> bytes:
    # Bytes of equal weight beside each other: those of sign and exponent hardly change.
    single = np.ascontiguousarray(values.T, dtype="<f4")
    return zlib.compress(single.view(np.uint8).reshape(-1, 4).T.tobytes(), _PACK_LEVEL)


def _unpacked(blob: bytes, columns: int) -> FloatArray:
    flat = np.frombuffer(zlib.decompress(blob), dtype=np.uint8).reshape(4, -1)
    single = np.ascontiguousarray(flat.T).view("<f4").reshape(columns, -1)
    return np.ascontiguousarray(single.T).astype(np.float64)


def _kept(row: tuple[Any, ...]) -> Kept:
    _, app, feature, model, issued_at, start, step_s, note, quantiles, plain, scale, kind = row
    forecast = Forecast(
        series_id=series_id(app, feature),
        model=model,
        issued_at=utc(issued_at) or issued_at,
        start=utc(start) or start,
        step_s=step_s,
        levels=KEPT_LEVELS,
        values=_unpacked(quantiles, len(KEPT_LEVELS)),
        note=note,
    )
    return Kept(
        forecast=forecast,
        naive=_unpacked(plain, len(SCORED_LEVELS)),
        naive_scale=scale,
        series_class=SeriesClass(kind),
    )
