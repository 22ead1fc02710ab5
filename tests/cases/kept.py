"""Forecasts and stores that tests of scoring are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from foretide.forecast.levels import normal_quantiles
from foretide.model.accuracy import KEPT_LEVELS, SCORED_LEVELS, Kept, SeriesClass
from foretide.model.batch import Content, ImportRecord, Mark
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast
from foretide.store.amounts import Series
from foretide.store.warehouse import Warehouse

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR_S = 3600
_MARK = Mark(byte_count=1, line_count=1, digest=b"d")
RECORD = ImportRecord(
    at=START,
    path="demand.parquet",
    kind="demand",
    app="",
    content=Content(head=b"h", whole=_MARK, complete=_MARK),
    line_count=1,
    stored_count=1,
    rejected_count=0,
)


def hourly(values: Sequence[float] | FloatArray, name: str = "shop/cart") -> Demand:
    """Return demand by the hour from START on."""
    return Demand(
        series_id=name, start=START, step_s=HOUR_S, values=np.asarray(values, dtype=np.float64)
    )


def kept(
    centre: Sequence[float] | FloatArray,
    *,
    name: str = "shop/cart",
    model: str = "fleet",
    issued_at: datetime = START,
    spread: float = 0.0,
    naive_error: float = 5.0,
    naive_scale: float = 2.0,
) -> Kept:
    """Return an hourly forecast around a centre: normal, its deviation `spread`."""
    middle = np.asarray(centre, dtype=np.float64)[:, None]
    values = np.maximum(middle + spread * normal_quantiles(KEPT_LEVELS).astype(np.float64), 0)
    return Kept(
        forecast=Forecast(
            series_id=name,
            model=model,
            issued_at=issued_at,
            start=issued_at,
            step_s=HOUR_S,
            levels=KEPT_LEVELS,
            values=values.astype(np.float32).astype(np.float64),
        ),
        naive=np.repeat(middle + naive_error, len(SCORED_LEVELS), axis=1),
        naive_scale=naive_scale,
        series_class=SeriesClass.REGULAR,
    )


def file(warehouse: Warehouse, *demands: Demand) -> None:
    """Keep demand as a table would."""
    warehouse.file_demand(
        [
            Series(app=app, feature=feature, demand=one)
            for one in demands
            for app, _, feature in [one.series_id.partition("/")]
        ],
        RECORD,
    )


def hours(count: float) -> timedelta:
    """Return so many hours."""
    return timedelta(hours=count)
