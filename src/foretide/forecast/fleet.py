"""This file knows the built-in engine: many series at once, experts weighed by a backtest.

For every series the experts guess the next days from each of the last weeks' days (the origins);
what they missed sets their weights (`choose`), what the combination still missed is carried
forward (`correct`), a new level is followed (`shift`), and what is still missed becomes the
quantiles (`conformal`). Series with little history get fewer experts and a stated note
(`coldstart`). What was learned can be kept and used for later instants (`fitted`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.base import HORIZON_MAX_S
from foretide.forecast.choose import combine, weights_of
from foretide.forecast.coldstart import short_quantiles
from foretide.forecast.conformal import moved, spread_of
from foretide.forecast.correct import carry_of, corrected
from foretide.forecast.days import Days, Floats, calmed, mean_level, windows
from foretide.forecast.experts import guesses
from foretide.forecast.fitted import Fitted, decoded, encoded, row_of, stacked
from foretide.forecast.issue import Answer, Past, issue
from foretide.forecast.shift import relevelled, threshold_of
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

# Shorter buckets are gathered into bins of five minutes; their own spread is kept.
FINEST_S = 300
# The engine always looks this far, so that a day's forecast is the week's first.
DAYS_AHEAD = 7
DAYS_FOR_BACKTEST = 3
_DAYS_FOR_WEEKS = 8
_DAYS_FOR_WEEKS_ALONE = 14
_ORIGINS_LONG, _ORIGINS_LEAST = 28, 14
_DAILY, _WEEKLY = "daily", "weekly"


class View(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One way of looking at a chunk of series: with or without weekdays.

    Parameters
    ----------
    way : str
        "daily" or "weekly": whether experts that look at weekdays take part.
    fitted : Fitted
        What was learned.
    centre : ndarray, shape (series, 7, bins)
        The combined forecast of the days ahead.
    plain : ndarray, shape of `centre`
        The same before the last errors and a new level moved it.
    shift : ndarray, shape (series,)
        New level / old; 1 where it has not shifted.
    share : ndarray, shape (7,)
        How much of the forecast of each day comes from this view.
    """

    way: str
    fitted: Fitted
    centre: Floats
    plain: Floats
    shift: Floats
    share: Floats


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
        return _issued(demands, issued_at, horizon_s, levels, timezone, views=views_of)

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn weights, corrections and spreads; see `Trainable.train`."""
        learned: dict[str, dict[str, Fitted]] = {}

        def views(past: Past) -> list[View]:
            found = views_of(past)
            for row, series_id in enumerate(past.series_ids):
                learned[series_id] = {view.way: row_of(view.fitted, row) for view in found}
            return found

        _issued(demands, issued_at, HORIZON_MAX_S, (0.5,), timezone, views=views)
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
        views = partial(views_of, learned=decoded(trained))
        return _issued(demands, issued_at, horizon_s, levels, timezone, views=views)


def _issued(
    demands: Sequence[Demand],
    issued_at: datetime,
    horizon_s: int,
    levels: tuple[float, ...],
    zone: ZoneInfo,
    *,
    views: Callable[[Past], list[View]],
) -> list[Forecast]:
    def quantiles_of(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
        if past.whole_days < DAYS_FOR_BACKTEST:
            note = "less than three days of history: by level and time of day, wide by prior"
            return Answer(quantiles=short_quantiles(past.sampled, days_ahead, levels), note=note)
        quantiles = blended(views(past), levels)[:, :days_ahead]
        few = f"only {past.whole_days} days of history: weekdays are barely known, widened"
        note = few if past.whole_days < _DAYS_FOR_WEEKS_ALONE else ""
        return Answer(quantiles=quantiles, note=note)

    return issue(
        demands,
        model=Fleet.name,
        issued_at=issued_at,
        horizon_s=horizon_s,
        levels=levels,
        zone=zone,
        finest_s=FINEST_S,
        quantiles_of=quantiles_of,
    )


def blended(views: Sequence[View], levels: tuple[float, ...]) -> Floats:
    """Return the quantiles of the days ahead, shape (series, 7, bins, levels)."""
    parts = [moved(view.centre, view.fitted.spread, levels) for view in views]
    if len(parts) == 1:
        return parts[0]
    daily, weekly = (view.share[:, None, None] for view in views)
    return parts[0] * daily + parts[1] * weekly


def views_of(past: Past, learned: dict[str, dict[str, Fitted]] | None = None) -> list[View]:
    """Look at the past of some series in every way their history allows.

    Parameters
    ----------
    past : Past
        At least three whole days.
    learned : dict, optional
        What was learned of each series earlier, by way of looking; who is not in it is learned
        anew.

    Returns
    -------
    list of View
        One or two; their shares of every day sum to 1.
    """
    days = past.whole_days
    earliest: dict[str, int] = {}
    if days < _DAYS_FOR_WEEKS_ALONE:
        earliest[_DAILY] = 2
    if days >= _DAYS_FOR_WEEKS:
        earliest[_WEEKLY] = min(max(days // 2, 7), 14)
    # Weekdays matter more the further ahead the day lies.
    late = np.minimum(0.5 + np.arange(DAYS_AHEAD, dtype=np.float32) / 6, 1)
    shares = {_DAILY: 1 - late, _WEEKLY: late} if len(earliest) == 2 else {}
    return [
        _view(past, way, first, shares.get(way, np.ones(DAYS_AHEAD, dtype=np.float32)), learned)
        for way, first in earliest.items()
    ]


def _view(
    past: Past,
    way: str,
    earliest: int,
    share: Floats,
    learned: dict[str, dict[str, Fitted]] | None,
) -> View:
    bins = past.days.values.shape[2]
    fits: dict[int, Fitted] = {}
    for row, series_id in enumerate(past.series_ids):
        fitted = (learned or {}).get(series_id, {}).get(way)
        if fitted is not None and fitted.spread.scale.shape[2] == bins:
            fits[row] = fitted
    if not fits:
        return _learned(past, way, earliest, share)
    applied = _applied(past.rows(list(fits)), way, stacked(list(fits.values())), share)
    new = [row for row in range(len(past.series_ids)) if row not in fits]
    if not new:
        return applied
    return _merged(applied, list(fits), _learned(past.rows(new), way, earliest, share), new)


def _learned(past: Past, way: str, earliest: int, share: Floats) -> View:
    # One whole backtest, its first origin no earlier than the given row.
    days, rows = past.days, past.days.values.shape[1]
    origins = min(rows - earliest, max(rows - _ORIGINS_LONG, _ORIGINS_LEAST), _ORIGINS_LONG)
    first = rows - origins
    found = _guesses(past, way, first)
    actual, seen = _outcomes(days, first)
    weights = weights_of(found, actual, seen)
    plain = combine(found, weights)
    carry = carry_of(plain, actual, seen)
    usual = _usual(found, way)
    threshold = threshold_of(usual, actual, seen)
    centre = corrected(plain, actual, seen, carry)
    centre, shift = relevelled(centre, usual, actual, seen, threshold)
    single, single_seen = _outcomes(past.sampled, first)
    strays = np.sqrt(single) - np.sqrt(centre[:, :-1])
    strays *= single_seen
    spread = spread_of(strays, single_seen, np.sqrt(mean_level(days)))
    fitted = Fitted(
        weights=weights, carry=carry, threshold=threshold, spread=spread, origin_count=origins
    )
    return View(
        way=way,
        fitted=fitted,
        centre=centre[:, -1],
        plain=plain[:, -1],
        shift=shift,
        share=share,
    )


def _applied(past: Past, way: str, fitted: Fitted, share: Floats) -> View:
    # What was learned earlier, applied to what is known now: only the last day is tried.
    first = past.days.values.shape[1] - 1
    found = _guesses(past, way, first)
    plain = combine(found, fitted.weights)
    actual, seen = past.days.values[:, None, -1:], past.days.seen[:, None, -1:]
    centre = corrected(plain, actual, seen, fitted.carry)
    centre, shift = relevelled(centre, _usual(found, way), actual, seen, fitted.threshold)
    return View(
        way=way,
        fitted=fitted,
        centre=centre[:, -1],
        plain=plain[:, -1],
        shift=shift,
        share=share,
    )


def _merged(one: View, rows: Sequence[int], other: View, others: Sequence[int]) -> View:
    def both(left: Floats, right: Floats) -> Floats:
        whole = np.empty((len(rows) + len(others), *left.shape[1:]), dtype=np.float32)
        whole[rows], whole[others] = left, right
        return whole

    order = np.argsort([*rows, *others])
    fits = [row_of(one.fitted, at) for at in range(len(rows))]
    fits += [row_of(other.fitted, at) for at in range(len(others))]
    return View(
        way=one.way,
        fitted=stacked([fits[int(at)] for at in order]),
        centre=both(one.centre, other.centre),
        plain=both(one.plain, other.plain),
        shift=both(one.shift, other.shift),
        share=one.share,
    )


def _guesses(past: Past, way: str, first: int) -> dict[str, Floats]:
    return guesses(
        calmed(past.days),
        past.weekend,
        first=first,
        days_ahead=DAYS_AHEAD,
        has_weeks=way == _WEEKLY,
    )


def _usual(found: dict[str, Floats], way: str) -> Floats:
    return found["weekly median" if way == _WEEKLY else "daily median"]


def _outcomes(days: Days, first: int) -> tuple[Floats, Floats]:
    # What came after every past origin; days that lie ahead of the present are not seen.
    ahead = ((0, 0), (0, DAYS_AHEAD - 1), (0, 0))
    return (
        windows(np.pad(days.values, ahead), first, DAYS_AHEAD),
        windows(np.pad(days.seen, ahead), first, DAYS_AHEAD),
    )
