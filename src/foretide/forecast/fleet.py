"""This file knows the built-in engine: many series at once, experts weighed by a backtest.

How it looks at the past is told in `views`; here every series is given what its history allows,
and what was learned is kept and used again (`fitted`). Series with less than three days of history
are answered by stated priors (`coldstart`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from foretide.forecast.base import HORIZON_MAX_S
from foretide.forecast.coldstart import short_quantiles
from foretide.forecast.days import Floats
from foretide.forecast.fitted import Fitted, decoded, encoded, row_of
from foretide.forecast.issue import Answer, Past, issue
from foretide.forecast.short_lead import RECENT_DAYS
from foretide.forecast.views import DAYS_FOR_WEEKS_ALONE, View, blended, views_of
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

# Shorter buckets are gathered into bins of five minutes; their own spread is kept.
FINEST_S = 300
_DAYS_FOR_BACKTEST = 3


class Fleet:
    """The built-in engine; keeps nothing between forecasts."""

    name = "fleet"

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand; see `Forecaster.forecast`."""
        return answered(
            demands,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            timezone=timezone,
            quantiles=lambda past, levels: blended(views_of(past), levels),
        )

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn weights, corrections and spreads; see `Trainable.train`."""
        learned: dict[str, dict[str, Fitted]] = {}

        def keep(past: Past, views: list[View]) -> None:
            for row, series_id in enumerate(past.series_ids):
                learned[series_id] = {view.way: row_of(view.fitted, row) for view in views}

        seen_by(keep, demands, issued_at=issued_at, horizon_s=HORIZON_MAX_S, timezone=timezone)
        return encoded(learned)

    def forecast_trained(
        self,
        trained: bytes,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast with what was learned earlier; see `Trainable.forecast_trained`."""
        return answered(
            demands,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            timezone=timezone,
            quantiles=partial(_quantiles, learned=decoded(trained)),
        )


def seen_by(
    see: Callable[[Past, list[View]], object],
    demands: Sequence[Demand],
    *,
    issued_at: datetime,
    horizon_s: int,
    timezone: ZoneInfo,
    levels: tuple[float, ...] = (0.5,),
) -> list[Forecast]:
    """Forecast, and show `see` the past of every chunk of series and how it was looked at.

    Series with less than three days of history are not shown.
    """

    def quantiles(past: Past, levels: tuple[float, ...]) -> Floats:
        views = views_of(past)
        see(past, views)
        return blended(views, levels)

    return answered(
        demands,
        issued_at=issued_at,
        horizon_s=horizon_s,
        levels=levels,
        timezone=timezone,
        quantiles=quantiles,
    )


def answered(
    demands: Sequence[Demand],
    *,
    issued_at: datetime,
    horizon_s: int,
    levels: tuple[float, ...],
    timezone: ZoneInfo,
    quantiles: Callable[[Past, tuple[float, ...]], Floats],
) -> list[Forecast]:
    """Forecast with `quantiles` of whatever has at least three days of history.

    Parameters
    ----------
    demands, issued_at, horizon_s, levels, timezone
        As for `Forecaster.forecast`.
    quantiles : callable
        Takes a chunk's past and the levels; returns shape (series, 7, bins, levels).

    Returns
    -------
    list of Forecast
        One per demand, in the order given.

    Raises
    ------
    InvalidValueError
        When the horizon or a level is impossible.
    """

    def quantiles_of(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
        if past.whole_days < _DAYS_FOR_BACKTEST:
            note = "less than three days of history: by level and time of day, wide by prior"
            return Answer(quantiles=short_quantiles(past.sampled, days_ahead, levels), note=note)
        few = f"only {past.whole_days} days of history: weekdays are barely known, widened"
        note = few if past.whole_days < DAYS_FOR_WEEKS_ALONE else ""
        return Answer(quantiles=quantiles(past, levels)[:, :days_ahead], note=note)

    return issue(
        demands,
        model=Fleet.name,
        issued_at=issued_at,
        horizon_s=horizon_s,
        levels=levels,
        zone=timezone,
        finest_s=FINEST_S,
        quantiles_of=quantiles_of,
        recent_days=RECENT_DAYS,
    )


def _quantiles(
    past: Past,
    levels: tuple[float, ...],
    learned: dict[str, dict[str, Fitted]],
) -> Floats:
    # Series of which the same was learned earlier go together, and the rest anew.
    bins = past.days.values.shape[2]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, series_id in enumerate(past.series_ids):
        ways = learned.get(series_id, {})
        groups[tuple(w for w, fit in ways.items() if fit.spread.scale.shape[2] == bins)].append(row)
    parts = [
        blended(views_of(past.rows(rows), learned if ways else None), levels)
        for ways, rows in groups.items()
    ]
    order = np.argsort([row for rows in groups.values() for row in rows])
    return np.concatenate(parts)[order]
