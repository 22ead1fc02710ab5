"""This file knows how a forecaster is taught, and how good its lesson is known to be.

A lesson is what it learned of some series, with its calibration: the same forecaster is also
taught as of some weeks ago, and what it then says of each day since, which it has not seen, tells
what loss and coverage are usual. Replays are honest in the same way: a lesson forecasts from each
past instant with the demand of then alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import cast
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InputError, InvalidValueError
from foretide.forecast.base import DAY_S, Forecaster, Trainable
from foretide.forecast.calibration import Calibration, calibrated
from foretide.forecast.tally import HOUR_S, LEVELS, WEEK_H, Matured, Tally, add_matured, empty_tally
from foretide.forecast.wallclock import epoch_s
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_HELD_OUT_MAX, _HELD_OUT_MIN = 21, 4
_DAY = timedelta(days=1)


class Lesson(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a forecaster learned of some series.

    Parameters
    ----------
    trained : bytes
        Its own.
    series : tuple of str
        Of which.
    calibration : Calibration
        Of the same series, in the same order.
    """

    trained: bytes
    series: tuple[str, ...]
    calibration: Calibration


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    # A lesson as bytes.
    trained: bytes
    series: tuple[str, ...]
    numbers: bytes


class Task(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Teach a forecaster a part of the series.

    Parameters
    ----------
    forecaster : Trainable
    demands : sequence of Demand
    issued_at : datetime
        Nothing observed later is shown; aware UTC.
    timezone : ZoneInfo
    """

    forecaster: Trainable
    demands: Sequence[Demand]
    issued_at: datetime
    timezone: ZoneInfo


class Replay(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Say what a lesson would have forecast of a part of the series, at instants gone by.

    Parameters
    ----------
    forecaster : Trainable
    trained : bytes
        What it had learned.
    demands : sequence of Demand
    instants : sequence of datetime
        When it issues; at each it looks a day ahead.
    until : datetime
        Buckets that end later have not happened.
    timezone : ZoneInfo
    spread_factor : float
        See `narrowed`.
    """

    forecaster: Trainable
    trained: bytes
    demands: Sequence[Demand]
    instants: Sequence[datetime]
    until: datetime
    timezone: ZoneInfo
    spread_factor: float = 1.0


def trainable(forecaster: Forecaster) -> Trainable:
    """Return `forecaster`, which can be taught.

    Raises
    ------
    InputError
        When it keeps nothing between forecasts.
    """
    if not callable(getattr(forecaster, "train", None)):
        raise InputError(
            f"--model {forecaster.name}: keeps nothing between forecasts, so there is nothing to "
            "train; use it with `foretide forecast` as it is"
        )
    return cast("Trainable", forecaster)


def taught(task: Task) -> Lesson:
    """Teach a forecaster, and calibrate what it learned on days held out."""
    series = tuple(one.series_id for one in task.demands)
    trained = task.forecaster.train(task.demands, issued_at=task.issued_at, timezone=task.timezone)
    return Lesson(trained=trained, series=series, calibration=_calibration(task))


def replayed(replay: Replay) -> list[Matured]:
    """Return what a lesson said and what came to be, for every series."""
    made = [
        replay.forecaster.forecast_trained(
            replay.trained,
            [one.until(instant) for one in replay.demands],
            issued_at=instant,
            horizon_s=DAY_S,
            levels=LEVELS,
            timezone=replay.timezone,
        )
        for instant in replay.instants
    ]
    return [
        matured_of(
            [narrowed(forecasts[row], replay.spread_factor, LEVELS) for forecasts in made],
            demand,
            until=replay.until,
        )
        for row, demand in enumerate(replay.demands)
    ]


def narrowed(forecast: Forecast, spread_factor: float, levels: tuple[float, ...]) -> Forecast:
    """Return a forecast at `levels` only, its quantiles drawn towards the middle one.

    Parameters
    ----------
    forecast : Forecast
        At `levels` and .5.
    spread_factor : float
        Width left, in (0, 1]; 1 changes nothing.
    levels : tuple of float
    """
    columns = [forecast.levels.index(level) for level in levels]
    values = forecast.values[:, columns]
    if spread_factor != 1.0:
        # in square roots, where the spread of counts is even
        middle = np.sqrt(forecast.values[:, [forecast.levels.index(0.5)]])
        values = np.square(middle + spread_factor * (np.sqrt(values) - middle))
        values = np.maximum.accumulate(values, axis=1)
    return msgspec.structs.replace(forecast, levels=levels, values=values)


def matured_of(forecasts: Sequence[Forecast], demand: Demand, *, until: datetime) -> Matured:
    """Return those points of forecasts at `LEVELS` whose bucket ended by `until`."""
    step_s, first_s = demand.step_s, epoch_s(demand.start)
    known = demand.until(until).values
    parts: list[Matured] = []
    for one in forecasts:
        at = (epoch_s(one.start) - first_s) // step_s
        count = min(max(len(known) - at, 0), len(one.values))
        actual = np.full(count, np.nan)
        begin = min(max(-at, 0), count)
        actual[begin:] = known[at + begin : at + count]
        parts.append(
            Matured(
                issued_s=np.full(count, epoch_s(one.issued_at)),
                ts_s=epoch_s(one.start) + step_s * np.arange(count, dtype=np.int64),
                actual=actual,
                quantiles=one.values[:count],
            )
        )
    return Matured(
        issued_s=np.concatenate([np.zeros(0, np.int64), *(one.issued_s for one in parts)]),
        ts_s=np.concatenate([np.zeros(0, np.int64), *(one.ts_s for one in parts)]),
        actual=np.concatenate([np.zeros(0), *(one.actual for one in parts)]),
        quantiles=np.concatenate([np.zeros((0, len(LEVELS))), *(one.quantiles for one in parts)]),
    )


def tallied(found: Sequence[Matured], *, since: datetime, until: datetime) -> Tally:
    """Return the tally of what matured of every series between two instants."""
    first = epoch_s(since) // HOUR_S
    tally = empty_tally(len(found), first_hour=first, hours=-(-epoch_s(until) // HOUR_S) - first)
    for row, matured in enumerate(found):
        add_matured(tally, row, matured)
    return tally


def digest_of(demands: Sequence[Demand]) -> str:
    """Return a hash of demand: equal for equal demand."""
    found = sha256()
    for one in demands:
        found.update(f"{one.series_id} {one.start.isoformat()} {one.step_s}\n".encode())
        found.update(np.ascontiguousarray(one.values, dtype="<f8").tobytes())
    return found.hexdigest()


def encoded(lesson: Lesson) -> bytes:
    """Return a lesson as bytes; the same lesson gives the same bytes."""
    own = lesson.calibration
    rest = (own.stray, own.window_stray, own.missed, own.day_points)
    columns = [own.loss, *(one[:, None] for one in rest)]
    numbers = np.concatenate(columns, axis=1).astype("<f4").tobytes()
    kept = _Kept(trained=lesson.trained, series=lesson.series, numbers=numbers)
    return msgspec.msgpack.encode(kept)


def decoded(text: bytes) -> Lesson:
    """Return the lesson that `encoded` was given.

    Raises
    ------
    InvalidValueError
        When it is none.
    """
    try:
        kept = msgspec.msgpack.decode(text, type=_Kept)
        table = np.frombuffer(kept.numbers, "<f4").reshape(len(kept.series), WEEK_H + 4)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidValueError(
            f"a lesson must have been written by this program: {error}"
        ) from None
    numbers = table.astype(np.float64)
    calibration = Calibration(
        loss=numbers[:, :WEEK_H],
        stray=numbers[:, WEEK_H],
        window_stray=numbers[:, WEEK_H + 1],
        missed=numbers[:, WEEK_H + 2],
        day_points=numbers[:, WEEK_H + 3],
    )
    return Lesson(trained=kept.trained, series=kept.series, calibration=calibration)


def _calibration(task: Task) -> Calibration:
    # Half of the usual history is held out, three weeks at most; a series too young for it is
    # left without a calibration rather than with one that flatters or slanders.
    at, step = task.issued_at, _DAY
    ages = [(at - _first_seen(one, at)) // step for one in task.demands]
    held_out = min(int(np.median(ages)) // 2 if ages else 0, _HELD_OUT_MAX)
    begin = at - max(held_out, 1) * step
    if held_out < _HELD_OUT_MIN:
        found = tallied([_nothing()] * len(ages), since=begin, until=at)
        return calibrated(found, task.timezone)
    trained = task.forecaster.train(
        [one.until(begin) for one in task.demands], issued_at=begin, timezone=task.timezone
    )
    matured = replayed(
        Replay(
            forecaster=task.forecaster,
            trained=trained,
            demands=task.demands,
            instants=[begin + day * step for day in range(held_out)],
            until=at,
            timezone=task.timezone,
        )
    )
    known = [
        one if age >= held_out + _HELD_OUT_MIN else _nothing()
        for one, age in zip(matured, ages, strict=True)
    ]
    return calibrated(tallied(known, since=begin, until=at), task.timezone)


def _first_seen(demand: Demand, at: datetime) -> datetime:
    seen = np.flatnonzero(np.isfinite(demand.until(at).values))
    first = int(seen[0]) if len(seen) else len(demand.values)
    return demand.start + timedelta(seconds=first * demand.step_s)


def _nothing() -> Matured:
    return Matured(
        issued_s=np.zeros(0, np.int64),
        ts_s=np.zeros(0, np.int64),
        actual=np.zeros(0),
        quantiles=np.zeros((0, len(LEVELS))),
    )
