"""This file knows how high demand will peak within windows: an hour, a shift, a day.

The quantile of a maximum is not the maximum of quantiles: the most of twenty buckets lies above
the upper quantile of each more often than any one of them does. So the peaks of windows are tried
on past days as the buckets themselves are: what the highest of the window came to, against the
highest of the forecast, gives their quantiles by window of the day and day ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S, first_step
from foretide.forecast.conformal import moved, spread_of, wander_of
from foretide.forecast.days import Floats, mean_level
from foretide.forecast.fleet import FINEST_S, answered
from foretide.forecast.issue import Past
from foretide.forecast.views import View, outcomes, views_of
from foretide.model.demand import Demand, FloatArray

# Lengths to which short buckets are gathered, by their peaks; the longest that fits.
_GATHERED_S = (1800, 900, 600, 300)


class Maxima(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How high one series will peak in each of the windows ahead.

    Parameters
    ----------
    series_id : str
        Whose demand it is.
    issued_at, start : datetime
        Nothing observed later went into it; when the first window begins. Aware UTC.
    window_s : int
        Length of every window in seconds.
    levels : tuple of float
        Quantile levels, rising, each in (0, 1).
    values : ndarray, shape (windows, levels)
        The highest bucket of each window at each level, in the unit of the series.
    note : str
        Why it is wide, empty when nothing needs saying.
    """

    series_id: str
    issued_at: datetime
    start: datetime
    window_s: int
    levels: tuple[float, ...]
    values: FloatArray
    note: str


def maxima(
    demands: Sequence[Demand],
    *,
    issued_at: datetime,
    horizon_s: int,
    window_s: int,
    levels: tuple[float, ...],
    timezone: ZoneInfo,
) -> list[Maxima]:
    """Forecast the highest bucket of every window of the days ahead.

    Parameters
    ----------
    demands, issued_at, horizon_s, levels, timezone
        As for `Forecaster.forecast`.
    window_s : int
        Length of the windows: divides a day, and is a multiple of every series' bucket.

    Returns
    -------
    list of Maxima
        One per demand, in the order given; the last window may be cut off by the horizon.

    Raises
    ------
    InvalidValueError
        When the window, the horizon or a level is impossible.
    """
    for demand in demands:
        if window_s < demand.step_s or DAY_S % window_s or window_s % demand.step_s:
            raise InvalidValueError(
                f"window_s must divide a day and be a multiple of the {demand.step_s} s of "
                f"{demand.series_id}, was {window_s}"
            )

    def quantiles(past: Past, levels: tuple[float, ...]) -> Floats:
        bins = past.days.values.shape[2]
        width = max(window_s * bins // DAY_S, 1)
        views = views_of(past)
        parts = [_peaks(past, view, width, levels) for view in views]
        found = parts[0]
        if len(views) == 2:
            daily, weekly = (view.share[:, :, None, None] for view in views)
            found = parts[0] * daily + parts[1] * weekly
        return np.repeat(found, width, axis=2)

    forecasts = answered(
        [_peaks_of(demand, issued_at, window_s) for demand in demands],
        issued_at=issued_at,
        horizon_s=horizon_s,
        levels=levels,
        timezone=timezone,
        quantiles=quantiles,
    )
    return [
        Maxima(
            series_id=found.series_id,
            issued_at=issued_at,
            start=found.start,
            window_s=window_s,
            levels=levels,
            values=_highest(found.values, window_s // found.step_s),
            note=found.note,
        )
        for found in forecasts
    ]


def _peaks_of(demand: Demand, issued_at: datetime, window_s: int) -> Demand:
    # Short buckets are gathered before they are forecast, and a mean of them has no peak: so their
    # peaks are, on a grid that meets the windows.
    if demand.step_s >= FINEST_S:
        return demand
    length_s = next(
        (one for one in _GATHERED_S if window_s % one == 0 and one % demand.step_s == 0), window_s
    )
    size = length_s // demand.step_s
    before = (first_step(demand, issued_at) - demand.start) // timedelta(seconds=demand.step_s)
    begin = max(before, 0) % size
    count = max(min(before, len(demand.values)) - begin, 0) // size
    values = demand.values[begin : begin + count * size].reshape(count, size)
    # A stretch of which less than half was observed may have peaked unseen.
    is_known = np.isfinite(values).mean(axis=1) >= 0.5
    peaks = np.where(np.isfinite(values), values, -1.0).max(axis=1, initial=-1.0)
    return Demand(
        series_id=demand.series_id,
        start=demand.start + timedelta(seconds=begin * demand.step_s),
        step_s=length_s,
        values=np.where(is_known, peaks, np.nan),
    )


def _highest(values: FloatArray, steps: int) -> FloatArray:
    return np.maximum.reduceat(values, np.arange(0, len(values), steps), axis=0)


def _peaks(past: Past, view: View, width: int, levels: tuple[float, ...]) -> Floats:
    # Quantiles of the peak of every window, shape (series, 7, windows a day, levels).
    actual, seen = outcomes(past.sampled, view.first)
    expected = _of_windows(np.sqrt(view.past_centre), width)
    came, known = _of_windows(np.sqrt(actual), width), _whole(seen, width)
    # The highest of what strays lies above the highest of what was expected: by so much.
    strays = (came - expected) * known
    total, count = strays.sum(axis=(1, 2)), known.sum(axis=(1, 2))
    above = (total / np.maximum(count, 1))[:, None]
    strays = (strays - above[:, None]) * known
    spread = spread_of(strays, known, np.sqrt(mean_level(past.days)), wander_of(past.days))
    centre = np.maximum(_of_windows(np.sqrt(view.centre), width) + above, 0)
    return moved(np.square(centre), spread, levels)


def _of_windows(values: Floats, width: int) -> Floats:
    return values.reshape(*values.shape[:-1], -1, width).max(axis=-1)


def _whole(seen: Floats, width: int) -> Floats:
    # A window with a gap in it may have peaked there.
    return seen.reshape(*seen.shape[:-1], -1, width).min(axis=-1)
