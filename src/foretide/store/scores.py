"""This file knows how the scores of kept forecasts are filed and summed.

One row for each day of a forecast's horizon; a row that is final is never touched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import duckdb
import msgspec
import polars as pl

from foretide.model.accuracy import SCORED_LEVELS, Score, Scored, Tally
from foretide.model.ids import series_id
from foretide.store.forecasts import Look
from foretide.store.records import naive, utc

Connection = duckdb.DuckDBPyConnection
By = Literal["horizon", "class", "feature", "model"]

_REPLACED = """
DELETE FROM scores USING fresh n
WHERE scores.forecast_id = n.forecast_id AND scores.day = n.day AND NOT scores.is_final
"""
_LOOKED = """
UPDATE forecasts SET is_closed = l.is_closed, scored_until = l.until, scored_import = l.import_id
FROM looks l WHERE forecasts.forecast_id = l.forecast_id
"""
_READ = """
WITH days AS (
    SELECT s.*, a.name AS app, f.name AS feature, k.model, k.class,
           k.start + to_days(s.day - 1) AS begins,
           CASE $by WHEN 'horizon' THEN s.day::VARCHAR WHEN 'class' THEN k.class
           WHEN 'model' THEN k.model ELSE a.name || '/' || f.name END AS key
    FROM scores s JOIN forecasts k USING (forecast_id)
    JOIN features f USING (feature_id) JOIN apps a USING (app_id)
)
SELECT app, feature, model, key, count(DISTINCT forecast_id), count(DISTINCT begins::DATE),
       max(begins) + to_days(1), sum(bucket_count), sum(demand), sum(pinball_10), sum(pinball_50),
       sum(pinball_90), sum(pinball_95), sum(pinball_99), sum(absolute_error), sum(scaled_error),
       sum(scaled_count), sum(naive_loss), sum(expected_loss), sum(inside_50_count),
       sum(inside_80_count), sum(inside_95_count), sum(below_95_count)
FROM days
WHERE ($app IS NULL OR app = $app) AND ($feature IS NULL OR feature = $feature)
  AND ($class IS NULL OR class = $class)
  AND ($model IS NULL OR model = $model) AND ($since IS NULL OR begins >= $since)
  AND ($until IS NULL OR begins < $until)
GROUP BY app, feature, model, key ORDER BY app, feature, model, key
"""
_ISSUED = """
SELECT a.name, f.name, k.model, k.class,
       ceil(k.step_count::BIGINT * k.step_s / 86400)::INTEGER AS days, count(*)
FROM forecasts k JOIN features f USING (feature_id) JOIN apps a USING (app_id)
WHERE ($app IS NULL OR a.name = $app) AND ($feature IS NULL OR f.name = $feature)
  AND ($class IS NULL OR k.class = $class)
  AND ($model IS NULL OR k.model = $model) AND ($since IS NULL OR k.start >= $since)
  AND ($until IS NULL OR k.start < $until)
GROUP BY ALL ORDER BY ALL
"""


class ScoresAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which scores are wanted.

    Parameters
    ----------
    app, feature : str, optional
        Only of these.
    model : str, optional
        Only by this forecaster.
    series_class : str, optional
        Only of series that were of this class when the forecast was issued.
    since, until : datetime, optional
        Only of days that begin in [since, until).
    by : {"horizon", "class", "feature", "model"}
        What to keep apart, besides series and forecaster.
    """

    app: str | None = None
    feature: str | None = None
    model: str | None = None
    series_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: By = "feature"


class IssuedCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many forecasts of one kind are kept.

    Parameters
    ----------
    series_id, model, series_class : str
        Whose, by which forecaster, and what kind of demand it was then.
    days : int
        Days of the horizon, the last perhaps begun only.
    count : int
        How many.
    """

    series_id: str
    model: str
    series_class: str
    days: int
    count: int


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """That a forecast was scored.

    Parameters
    ----------
    forecast_id : int
        Its number in the store.
    is_closed : bool
        Whether all of it is scored for good.
    look : Look
        What was known.
    """

    forecast_id: int
    is_closed: bool
    look: Look


def file_scores(
    connection: Connection, scores: Iterable[tuple[int, Score]], looked: Sequence[Looked]
) -> None:
    """Write scores of forecasts by their number, and that these were looked at.

    All of it or nothing; a score that is there and not final is replaced.
    """
    rows = [(number, one.day, one.is_final, *_flat(one.tally)) for number, one in scores]
    looks = [
        (one.forecast_id, one.is_closed, naive(one.look.until), one.look.import_id)
        for one in looked
    ]
    connection.register("fresh", pl.DataFrame(rows, schema=_SCORE_COLUMNS, orient="row"))
    connection.register("looks", pl.DataFrame(looks, schema=_LOOK_COLUMNS, orient="row"))
    connection.execute("BEGIN")
    try:
        connection.execute(_REPLACED)
        connection.execute(
            "INSERT INTO scores SELECT * FROM fresh ANTI JOIN scores USING (forecast_id, day)"
        )
        connection.execute(_LOOKED)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.unregister("fresh")
        connection.unregister("looks")


def read_scores(connection: Connection, asked: ScoresAsked) -> list[Scored]:
    """Return the sums of what was scored, by series, forecaster and what is to be kept apart."""
    rows = connection.execute(_READ, {**_filter(asked), "by": asked.by}).fetchall()
    return [_scored(row) for row in rows]


def read_issued(connection: Connection, asked: ScoresAsked) -> list[IssuedCount]:
    """Return how many forecasts are kept, by series, forecaster, class and days of horizon."""
    rows = connection.execute(_ISSUED, _filter(asked)).fetchall()
    return [
        IssuedCount(
            series_id=series_id(app, feature), model=model, series_class=kind, days=days,
            count=count,
        )
        for app, feature, model, kind, days, count in rows
    ]  # fmt: skip


def _filter(asked: ScoresAsked) -> dict[str, Any]:
    return {
        "app": asked.app,
        "feature": asked.feature,
        "model": asked.model,
        "class": asked.series_class,
        "since": None if asked.since is None else naive(asked.since),
        "until": None if asked.until is None else naive(asked.until),
    }


_SCORE_COLUMNS = {
    "forecast_id": pl.Int64,
    "day": pl.UInt8,
    "is_final": pl.Boolean,
    "bucket_count": pl.Int64,
    "demand": pl.Float64,
    **{f"pinball_{level * 100:.0f}": pl.Float64 for level in SCORED_LEVELS},
    "absolute_error": pl.Float64,
    "scaled_error": pl.Float64,
    "scaled_count": pl.Int64,
    "naive_loss": pl.Float64,
    "expected_loss": pl.Float64,
    "inside_50_count": pl.Int64,
    "inside_80_count": pl.Int64,
    "inside_95_count": pl.Int64,
    "below_95_count": pl.Int64,
}

_LOOK_COLUMNS = {
    "forecast_id": pl.Int64,
    "is_closed": pl.Boolean,
    "until": pl.Datetime("us"),
    "import_id": pl.Int32,
}


def _flat(tally: Tally) -> tuple[float, ...]:
    count, demand, pinball, *rest = msgspec.structs.astuple(tally)
    return (count, demand, *pinball, *rest)


def _scored(row: tuple[Any, ...]) -> Scored:
    app, feature, model, key, forecasts, days, last, count, demand, *sums = row
    pinball, rest = sums[: len(SCORED_LEVELS)], sums[len(SCORED_LEVELS) :]
    error, scaled_error, scaled_count, naive_loss, expected_loss, *inside = rest
    tally = Tally(
        bucket_count=int(count),
        demand=demand,
        pinball=tuple(pinball),
        absolute_error=error,
        scaled_error=scaled_error,
        scaled_count=int(scaled_count),
        naive_loss=naive_loss,
        expected_loss=expected_loss,
        inside_50_count=int(inside[0]),
        inside_80_count=int(inside[1]),
        inside_95_count=int(inside[2]),
        below_95_count=int(inside[3]),
    )
    return Scored(
        series_id=series_id(app, feature),
        model=model,
        key=key,
        forecast_count=forecasts,
        day_count=days,
        last=utc(last) or last,
        tally=tally,
    )
