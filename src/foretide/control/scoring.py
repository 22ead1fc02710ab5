"""This file knows how kept forecasts meet what came to be: the corridor from store to score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import msgspec

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S
from foretide.forecast.maturity import actual_of, scores_of
from foretide.model.accuracy import (
    LATENESS_S,
    Accuracy,
    Kept,
    Score,
    Scored,
    Tally,
    accuracy_from,
)
from foretide.model.demand import Demand, FloatArray
from foretide.model.ids import series_id
from foretide.store.forecasts import Look, OpenForecast
from foretide.store.scores import Looked, ScoresAsked
from foretide.store.warehouse import Warehouse

_PART_FORECASTS = 500  # read at once: bounds memory and moves the progress bar
_RECENT_S = 48 * 3600
_WEEK = timedelta(days=7)


class Matured(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A kept forecast and what of it has come to be.

    Parameters
    ----------
    kept : Kept
        As it was issued.
    actual : ndarray, shape (steps,)
        NaN where it is not known.
    """

    kept: Kept
    actual: FloatArray


class ScoringDone(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of scoring did.

    Parameters
    ----------
    forecast_count : int
        Forecasts of which something could be scored.
    day_count : int
        Forecast days scored, anew or again.
    """

    forecast_count: int = 0
    day_count: int = 0


def score_matured(
    warehouse: Warehouse,
    now: datetime,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ScoringDone:
    """Score every kept forecast as far as its time has come; doing it again changes nothing.

    A day of a forecast is scored on the buckets that were observed, again and again until demand
    is known for 15 minutes past its end; then its score is final, and later demand leaves it be.

    Parameters
    ----------
    warehouse : Warehouse
        Where forecasts, demand and scores are kept.
    now : datetime
        Nothing that ends later is looked at; aware UTC.
    progress : callable
        Told how many forecasts were looked at, of how many.
    """
    import_id = warehouse.last_import_id()
    known = {
        name: Look(until=min(until, now), import_id=import_id)
        for name, until in warehouse.known_until().items()
    }
    due = [
        one
        for one in warehouse.open_forecasts(now)
        if (look := known.get((one.app, one.feature))) and one.looked != look
        if one.start < look.until
    ]
    looked, forecast_count, day_count = 0, 0, 0
    for (app, step_s), of_app in groupby(due, key=lambda one: (one.app, one.step_s)):
        members = list(of_app)
        demands = _demands(warehouse, app, step_s, members)
        for begin in range(0, len(members), _PART_FORECASTS):
            part = members[begin : begin + _PART_FORECASTS]
            scores = _part_scores(warehouse, part, demands, known)
            warehouse.file_scores(scores, looked=[_looked(one, known) for one in part])
            forecast_count += len({number for number, _ in scores})
            day_count += len(scores)
            looked += len(part)
            progress(looked, len(due))
    return ScoringDone(forecast_count=forecast_count, day_count=day_count)


def matured(
    warehouse: Warehouse,
    series: str,
    *,
    now: datetime,
    since: datetime | None = None,
    model: str | None = None,
    is_daily: bool = False,
) -> list[Matured]:
    """Return the kept forecasts of a series with what has come to be of them, oldest first.

    Parameters
    ----------
    warehouse : Warehouse
        Where they are kept.
    series : str
        As `app/feature`.
    now : datetime
        Nothing that ends later is looked at.
    since : datetime, optional
        Only forecasts issued here or later.
    model : str, optional
        Only by this forecaster.
    is_daily : bool
        Only the first forecast of each day: those of one hour say much the same as the next.
    """
    app, _, feature = series.partition("/")
    kept = warehouse.forecasts_of(
        app=app, feature=feature, since=since, model=model, is_daily=is_daily
    )
    if not kept:
        return []
    start = min(one.forecast.start for one in kept)
    until = min(warehouse.known_until()[app, feature], now)
    by_step: dict[int, Demand] = {}
    for step_s in {one.forecast.step_s for one in kept}:
        for demand in warehouse.demand(series=series, start=start, step_s=step_s):
            by_step[step_s] = demand
    return [
        Matured(
            kept=one,
            actual=actual_of(one, by_step[one.forecast.step_s], known_until=until),
        )
        for one in kept
        if one.forecast.step_s in by_step
    ]


def accuracy_of(
    warehouse: Warehouse, series: str, *, model: str, now: datetime, window: timedelta = _WEEK
) -> list[Accuracy]:
    """Return what the forecasts of a series were worth lately, by day of the horizon.

    Parameters
    ----------
    warehouse : Warehouse
        Where the scores are kept; call `score_matured` first.
    series : str
        As `app/feature`.
    model : str
        By which forecaster.
    now : datetime
        The end of the window, aware UTC.
    window : timedelta
        How far to look back. The pinball ratio looks back 48 hours only: it is to notice drift.

    Returns
    -------
    list of Accuracy
        First all days taken together (day 0), then every day of the horizon that was scored;
        empty when nothing was.
    """
    app, _, feature = series.partition("/")
    asked = ScoresAsked(app=app, feature=feature, model=model, until=now)
    recently = now - timedelta(seconds=_RECENT_S + DAY_S)  # days that ended in the last 48 hours
    recent = _by_day(warehouse, msgspec.structs.replace(asked, since=recently))
    found: list[Accuracy] = []
    for day, one in _by_day(warehouse, msgspec.structs.replace(asked, since=now - window)).items():
        whole = accuracy_from(
            one.tally, series_id=series, model=model, day=day, day_count=one.day_count,
            age_s=max((now - one.last).total_seconds(), 0.0),
        )  # fmt: skip
        lately = recent[day].tally if day in recent else Tally()
        ratio = lately.pinball_ratio
        found.append(msgspec.structs.replace(whole, pinball_ratio=ratio))
    return found


def _by_day(warehouse: Warehouse, asked: ScoresAsked) -> dict[int, Scored]:
    # Day 0 is all days taken together.
    together = warehouse.scores(msgspec.structs.replace(asked, by="feature"))
    apart = warehouse.scores(msgspec.structs.replace(asked, by="horizon"))
    apart.sort(key=lambda one: int(one.key))
    days = {int(one.key): one for one in apart}
    return {0: together[0], **days} if together else {}


def _demands(
    warehouse: Warehouse, app: str, step_s: int, members: Sequence[OpenForecast]
) -> dict[str, Demand]:
    start = min(one.start for one in members)
    features = {one.feature for one in members}
    only = features.pop() if len(features) == 1 else None
    try:
        found = warehouse.demand(app=app, feature=only, start=start, step_s=step_s)
    except InvalidValueError:  # since then its events proved to tell less than this step
        return {}
    return {one.series_id: one for one in found}


def _part_scores(
    warehouse: Warehouse,
    part: Sequence[OpenForecast],
    demands: dict[str, Demand],
    known: dict[tuple[str, str], Look],
) -> list[tuple[int, Score]]:
    by_number = {one.forecast_id: one for one in part}
    scores: list[tuple[int, Score]] = []
    for number, kept in warehouse.kept_forecasts(sorted(by_number)):
        one = by_number[number]
        demand = demands.get(series_id(one.app, one.feature))
        if demand is None:
            continue
        fresh = scores_of(kept, demand, known_until=known[one.app, one.feature].until)
        scores.extend((number, score) for score in fresh if score.day not in one.final_days)
    return scores


def _looked(one: OpenForecast, known: dict[tuple[str, str], Look]) -> Looked:
    # Closed when wholly past: every day of it is final, or nothing of it was observed in time.
    look = known[one.app, one.feature]
    is_closed = one.end + timedelta(seconds=LATENESS_S) <= look.until
    return Looked(forecast_id=one.forecast_id, is_closed=is_closed, look=look)
