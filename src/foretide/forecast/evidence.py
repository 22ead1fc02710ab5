"""This file knows what matured forecasts say of the model that made them, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.calibration import (
    ALARM_STRAYS,
    BURST,
    Calibration,
    likeness,
    served_stray,
)
from foretide.forecast.tally import (
    MISS_FRACTION,
    WEEK_H,
    IntArray,
    Tally,
    hours_of_week,
    share_of,
)
from foretide.model.demand import FloatArray

# Of 0 ... 336, the hours of two weeks.
_LOG_FACTORIAL: npt.NDArray[np.float64] = np.cumsum(np.log(np.maximum(np.arange(14 * 24 + 1), 1)))
WINDOW_H, WINDOW_LEAST_H = 48, 20
COVERAGE_H = 14 * 24
POINTS_LEAST = 200
# Less far than an alarm's: it has to last for two days; and within which all is calm.
_WORSE_STRAYS, _CALM_STRAYS = 2.5, 2.5
RATIO_NOW, RATIO_WORSE, RATIO_CALM = 1.5, 1.25, 1.05
# Misses may exceed the nominal share by as much where they did so when it was calibrated.
_MISS_SLACK = 0.05
# What served longer ago than these hours tells how far losses stray; a drift is younger.
_SETTLED_H = 72
# Days of misses are held to resemble each other by as much more than they seem to.
_ALIKE_MARGIN, _ALIKE_MAX, _ALIKE_DAYS = 0.2, 0.85, 4
_ALIKE_SQUARES = 0.16  # of four days that stray by .2


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of how one model serves one series now.

    Parameters
    ----------
    ratio : float
        Pinball loss of the last 48 h over the calibration's at the same hours of the week; NaN
        when too little matured.
    ratio_now, ratio_worse : float
        Above these it is far worse, or worse, than chance explains; >= 1.5 and 1.25.
    day_ratio, day_ratio_now : float
        The ratio of the last 24 h, and above what it is far worse.
    period_ratio : float
        The same ratio over the whole time since the model was adopted; NaN likewise.
    ratio_calm : float
        Up to this the period was as calibrated, 1.05 ... 1.25.
    under_p, over_p : float
        Probability of so many, or so few, misses if coverage were right; 1 when too little matured.
    point_count : int
        Matured points that these two rest on.
    """

    ratio: float = math.nan
    ratio_now: float = RATIO_NOW
    ratio_worse: float = RATIO_WORSE
    day_ratio: float = math.nan
    day_ratio_now: float = RATIO_NOW
    period_ratio: float = math.nan
    ratio_calm: float = RATIO_CALM
    under_p: float = 1.0
    over_p: float = 1.0
    point_count: int = 0


def evidence_of(
    tally: Tally, calibration: Calibration, *, since_hour: IntArray, now_hour: int, zone: ZoneInfo
) -> list[Evidence]:
    """Weigh what has matured against what was usual, for every series.

    Parameters
    ----------
    tally : Tally
        Of the forecasts really issued by the models that `calibration` is of.
    calibration : Calibration
    since_hour : ndarray of int, shape (series,)
        Hour from the epoch at which each series' model was adopted: earlier ones do not count.
    now_hour : int
        Hour from the epoch: it and later ones are not looked at.
    zone : ZoneInfo
        Whose wall clock the weeks follow.

    Returns
    -------
    list of Evidence
        One per series.
    """
    first = max(tally.first_hour, now_hour - 4 * WEEK_H)
    part = np.s_[:, first - tally.first_hour : max(now_hour - tally.first_hour, 0)]
    loss, missed, points = tally.loss[part], tally.missed[part], tally.points[part]
    hours: IntArray = first + np.arange(loss.shape[1], dtype=np.int64)
    points = np.where(hours >= since_hour[:, None], points, 0.0)
    loss, missed = loss * (points > 0), missed * (points > 0)
    usual = calibration.loss[:, hours_of_week(first, len(hours), zone)] * points
    loss = np.where(usual > 0, np.minimum(loss, BURST * usual), loss)
    ratio, window_h = _ratio(loss, usual, points, WINDOW_H)
    day, day_h = _ratio(loss, usual, points, 24)
    settled = loss[:, :-_SETTLED_H], usual[:, :-_SETTLED_H]
    stray = served_stray(*settled, calibration.stray, 24)
    day_stray = stray * np.sqrt(24 / np.maximum(day_h, 1))
    day_now = np.maximum(RATIO_NOW, np.exp(ALARM_STRAYS * day_stray))
    period, period_h = _ratio(loss, usual, points, loss.shape[1])
    window_stray = served_stray(*settled, calibration.window_stray, WINDOW_H)
    window_stray = window_stray * np.sqrt(WINDOW_H / np.maximum(window_h, 1))
    # what was usual is itself known from some two weeks only
    period_stray = stray * np.sqrt(24 / np.maximum(period_h, 1) + 1 / 14)
    now = np.maximum(RATIO_NOW, np.exp(ALARM_STRAYS * window_stray))
    worse = np.maximum(RATIO_WORSE, np.exp(_WORSE_STRAYS * window_stray))
    calm = np.clip(1 + _CALM_STRAYS * period_stray, RATIO_CALM, RATIO_WORSE)
    return [
        Evidence(
            ratio=float(ratio[row]),
            ratio_now=float(now[row]),
            ratio_worse=float(worse[row]),
            day_ratio=float(day[row]),
            day_ratio_now=float(day_now[row]),
            period_ratio=float(period[row]),
            ratio_calm=float(calm[row]),
            under_p=under_p,
            over_p=over_p,
            point_count=count,
        )
        for row, (under_p, over_p, count) in enumerate(
            _coverage(missed[:, -COVERAGE_H:], points[:, -COVERAGE_H:], calibration)
        )
    ]


def common_evidence(members: Sequence[Evidence]) -> Evidence:
    """Return what holds for at least half of the series that share one model.

    Parameters
    ----------
    members : sequence of Evidence
        At least one.
    """
    columns = zip(*(msgspec.structs.astuple(one) for one in members), strict=True)
    middle = [_median(np.array(column, dtype=np.float64)) for column in columns]
    return Evidence(
        **dict(zip(Evidence.__struct_fields__[:-1], middle[:-1], strict=True)),
        point_count=int(middle[-1]),
    )


def tail_probability(count: int, trials: int, share: float) -> float:
    """Return the probability of `count` or more hits in independent trials (binomial).

    Parameters
    ----------
    count, trials : int
        >= 0.
    share : float
        Probability of one hit, in (0, 1).
    """
    if count <= 0:
        return 1.0
    hits = np.arange(count, trials + 1)
    ways = _LOG_FACTORIAL[trials] - _LOG_FACTORIAL[hits] - _LOG_FACTORIAL[trials - hits]
    logs = ways + hits * math.log(share) + (trials - hits) * math.log1p(-share)
    return min(float(np.exp(logs).sum()), 1.0)


def _ratio(
    loss: FloatArray, usual: FloatArray, points: FloatArray, window: int
) -> tuple[FloatArray, FloatArray]:
    # Loss over the usual one, and the observed hours it rests on; NaN when these are few.
    hours = (points[:, -window:] > 0).sum(axis=1).astype(np.float64)
    # One after the other: how a plain sum groups its terms depends on the hours before a series'
    # first, which its mates decide.
    total, of = (
        np.cumsum(part[:, -window:], axis=1)[:, -1] if part.shape[1] else np.zeros(len(part))
        for part in (loss, usual)
    )
    known = (hours >= WINDOW_LEAST_H) & (of > 0)
    return np.divide(total, of, out=np.full(len(loss), np.nan), where=known), hours


def _coverage(
    missed: FloatArray, points: FloatArray, calibration: Calibration
) -> list[tuple[float, float, int]]:
    count, hours = points.sum(axis=1), (points > 0).sum(axis=1)
    share = share_of(missed.sum(axis=1), count, MISS_FRACTION)
    alike = _alike(missed, points)
    found: list[tuple[float, float, int]] = []
    for row, total in enumerate(count):
        if total < POINTS_LEAST:
            found.append((1.0, 1.0, int(total)))
            continue
        # a part of an independent point, or of a miss, proves nothing
        independent = hours[row] / 24 * calibration.day_points[row]
        trials = int(independent)
        expected = float(
            np.clip(calibration.missed[row], MISS_FRACTION, MISS_FRACTION + _MISS_SLACK)
        )
        hits = float(share[row]) * trials
        # days that miss together are one event
        few = int(independent * (1 - alike[row]) / (1 + alike[row]))
        under = tail_probability(int(float(share[row]) * few + 1e-9), few, expected)
        over = tail_probability(trials - math.ceil(hits - 1e-9), trials, 1 - MISS_FRACTION)
        found.append((under, over, int(total)))
    return found


def _alike(missed: FloatArray, points: FloatArray) -> FloatArray:
    # How much days of misses resemble the day before, rather too much than too little.
    days = missed.shape[1] // 24
    if days < _ALIKE_DAYS:
        return np.full(len(missed), _ALIKE_MARGIN)
    by_day = [
        part[:, part.shape[1] - 24 * days :].reshape(len(part), days, 24).sum(axis=2)
        for part in (missed, points)
    ]
    seen = by_day[1] > 0
    count = seen.sum(axis=1).astype(np.float64)
    share = share_of(by_day[0], by_day[1], 0.0)
    centre = share_of(share.sum(axis=1), count, 0.0)[:, None]
    off = np.where(seen, share - centre, 0.0)
    found = likeness(off, count, prior_squares=_ALIKE_SQUARES)
    return np.clip(found + _ALIKE_MARGIN, 0.0, _ALIKE_MAX)


def _median(values: FloatArray) -> float:
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else math.nan
