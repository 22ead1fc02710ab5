"""This file knows how forecasts that the store kept correct those to be issued next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from foretide.control.scoring import matured
from foretide.forecast.base import HORIZON_MAX_S, Forecaster
from foretide.forecast.recall import MEMORY_DAYS, Issued, Memory, Recalled, remembered
from foretide.store.warehouse import Warehouse


def recalling(
    warehouse: Warehouse, forecaster: Forecaster, series: Iterable[str], *, now: datetime
) -> Forecaster:
    """Return a forecaster corrected by what became of the forecasts it issued before.

    Parameters
    ----------
    warehouse : Warehouse
        Where they were kept.
    forecaster : Forecaster
        Whose forecasts they were.
    series : iterable of str
        Whose demand, each as `app/feature`.
    now : datetime
        Nothing that ended later is used; aware UTC.

    Returns
    -------
    Forecaster
        `forecaster` itself while there is too little to remember.
    """
    since = now - timedelta(days=MEMORY_DAYS, seconds=HORIZON_MAX_S)
    memories: dict[str, Memory] = {}
    remembering = warehouse.series_forecast_by(forecaster.name, since=since)
    for series_id in remembering.intersection(series):
        issued = [
            Issued(forecast=one.kept.forecast, actual=one.actual)
            for one in matured(
                warehouse, series_id, now=now, since=since, model=forecaster.name, is_daily=True
            )
        ]
        memory = remembered(issued, now)
        if memory.share > 0:
            memories[series_id] = memory
    return Recalled(forecaster, memories) if memories else forecaster
