"""This file knows how a forecast is issued so that it can be kept and scored later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.classes import class_of, naive_scale_of
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.model.accuracy import KEPT_LEVELS, SCORED_LEVELS, Kept
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast


def kept_of(
    demands: Sequence[Demand],
    forecasts: Sequence[Forecast],
    *,
    horizon_s: int,
    timezone: ZoneInfo,
) -> list[Kept]:
    """Return forecasts as they are kept, those left out of whose series nothing was observed.

    Parameters
    ----------
    demands : sequence of Demand
        What the forecasts were made from, one for each.
    forecasts : sequence of Forecast
        Of one instant, at KEPT_LEVELS and perhaps others.
    horizon_s : int
        How far ahead they reach.
    timezone : ZoneInfo
        Whose wall clock they follow.
    """
    pairs = [
        (demand, one)
        for demand, one in zip(demands, forecasts, strict=True)
        if has_past(demand, one.issued_at)
    ]
    if not pairs:
        return []
    plain = plain_forecasts(
        [demand for demand, _ in pairs],
        issued_at=pairs[0][1].issued_at,
        horizon_s=horizon_s,
        timezone=timezone,
    )
    return [
        kept(demand, at_levels(one, KEPT_LEVELS), naive)
        for (demand, one), naive in zip(pairs, plain, strict=True)
    ]


def has_past(demand: Demand, instant: datetime) -> bool:
    """Return whether anything of a series was observed in a bucket that ended by an instant."""
    return bool(np.isfinite(demand.until(instant).values).any())


def at_levels(forecast: Forecast, levels: tuple[float, ...]) -> Forecast:
    """Return a forecast at some of its levels."""
    if levels == forecast.levels:
        return forecast
    columns = [forecast.levels.index(level) for level in levels]
    return msgspec.structs.replace(
        forecast, levels=levels, values=np.ascontiguousarray(forecast.values[:, columns])
    )


def plain_forecasts(
    demands: Sequence[Demand], *, issued_at: datetime, horizon_s: int, timezone: ZoneInfo
) -> list[Forecast]:
    """Return what the yardstick of skill, seasonal-naive, says at the levels that are scored.

    Parameters
    ----------
    demands, issued_at, horizon_s, timezone
        As for `Forecaster.forecast`.
    """
    return SeasonalNaive().forecast(
        demands, issued_at=issued_at, horizon_s=horizon_s, levels=SCORED_LEVELS, timezone=timezone
    )


def kept(demand: Demand, forecast: Forecast, naive: Forecast) -> Kept:
    """Return a forecast as it is kept: in single precision, with all that scoring it will need.

    Parameters
    ----------
    demand : Demand
        What it was made from; buckets that ended after its `issued_at` are not looked at.
    forecast : Forecast
        At KEPT_LEVELS.
    naive : Forecast
        The seasonal-naive one of the same instant, at SCORED_LEVELS.
    """
    return Kept(
        forecast=msgspec.structs.replace(forecast, values=_single(forecast.values)),
        naive=_single(naive.values),
        naive_scale=naive_scale_of(demand, forecast.issued_at),
        series_class=class_of(demand, forecast.issued_at),
    )


def _single(values: FloatArray) -> FloatArray:
    return values.astype(np.float32).astype(np.float64)
