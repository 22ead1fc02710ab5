"""This file knows what loss and coverage of a model are usual, and how far a day strays from that.

Errors of neighbouring hours are not independent: a level that is off is off all day. What counts
as unusual is therefore measured in days, on a stretch of history that the model had not seen: how
much a day's loss strays from that of its hours of the week, and how much a day's share of misses
strays from the nominal share. A test that took hours for independent would condemn a perfect model
every few days. Where even days resemble the day before, so few weeks tell less than they seem to,
and a loss must stray further to be unusual.
"""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.forecast.tally import MISS_FRACTION, WEEK_H, IntArray, Tally, hours_of_week, share_of
from foretide.model.demand import FloatArray

# One hour counts as at most so many usual ones: a burst is no drift.
BURST = 15.0
# A day's loss strays this much when nothing better is known, and as many days weigh as much.
PRIOR_STRAY, _PRIOR_DAYS = 0.2, 4.0
# More than this is no stray: something changed while it was calibrated.
_STRAY_MAX = 0.45
# Days are held to be independent unless they resemble the day before more than chance lets them.
_ALIKE_BY_CHANCE, _ALIKE_MAX, _ALIKE_PRIOR = 0.3, 0.8, 0.2
# How far beyond its usual stray a loss must lie: no alarm in hundreds of weeks of calm.
ALARM_STRAYS, PEAK_MARGIN = 5.5, 1.3
# Values of an hour of the week lean on as many of the same hour on days of its kind.
_PRIOR_WEEKS = 3.0
# A day of forecasts is worth so many independent points when nothing better is known.
PRIOR_DAY_POINTS = 2.0


class Calibration(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a model's forecasts were worth on history it had not seen.

    Parameters
    ----------
    loss : ndarray, shape (series, 168)
        Usual pinball loss of a point, by local hour of the week (any fixed first hour); NaN where
        nothing is known of the series.
    stray, window_stray : ndarray, shape (series,)
        Usual relative stray from that of a day's loss, and of 48 hours' loss: bad days may come
        in pairs.
    missed : ndarray, shape (series,)
        Share of misses.
    day_points : ndarray, shape (series,)
        How many independent points a day of them is worth, 1 ... 24.
    """

    loss: FloatArray
    stray: FloatArray
    window_stray: FloatArray
    missed: FloatArray
    day_points: FloatArray


def calibrated(tally: Tally, zone: ZoneInfo) -> Calibration:
    """Return what is usual, from the forecasts of a model on history it had not seen.

    Parameters
    ----------
    tally : Tally
        Of forecasts issued a day apart.
    zone : ZoneInfo
        Whose wall clock the weeks follow.

    Returns
    -------
    Calibration
    """
    hour = hours_of_week(tally.first_hour, tally.loss.shape[1], zone)
    loss = _weekly_loss(tally, hour)
    usual = loss[:, hour] * tally.points
    counted = np.minimum(tally.loss, BURST * usual)
    # whole days, counted back from the end
    days = tally.loss.shape[1] // 24
    by_day = [
        part[:, part.shape[1] - 24 * days :].reshape(len(part), days, 24).sum(axis=2)
        for part in (counted, usual, tally.missed, tally.points)
    ]
    missed = share_of(tally.missed.sum(axis=1), tally.points.sum(axis=1), MISS_FRACTION)
    return Calibration(
        loss=loss,
        stray=_seen_stray(_stray(by_day[0], by_day[1]), _peak(counted, usual, 24)),
        window_stray=_seen_stray(_window_stray(by_day[0], by_day[1]), _peak(counted, usual, 48)),
        missed=missed,
        day_points=_day_points(by_day[2], by_day[3]),
    )


def _weekly_loss(tally: Tally, hour: IntArray) -> FloatArray:
    # Mean loss of a point by hour of the week, leaning on the same hour of days of its kind.
    weekly = [
        np.stack([part[:, hour == at].sum(axis=1) for at in range(WEEK_H)], axis=1)
        for part in (tally.loss, tally.points, (tally.points > 0).astype(np.float64))
    ]
    weeks = weekly[2]
    own = share_of(weekly[0], weekly[1], 0.0)
    days = own.reshape(-1, 7, 24), weeks.reshape(-1, 7, 24)
    kind = np.empty_like(own).reshape(-1, 7, 24)
    for span in (np.s_[:, :5], np.s_[:, 5:]):
        total = (days[0][span] * days[1][span]).sum(axis=1)
        kind[span] = share_of(total, days[1][span].sum(axis=1), np.nan)[:, None]
    overall = share_of(tally.loss.sum(axis=1), tally.points.sum(axis=1), np.nan)[:, None]
    prior = np.where(np.isfinite(kind.reshape(-1, WEEK_H)), kind.reshape(-1, WEEK_H), overall)
    leaned = (own * weeks + _PRIOR_WEEKS * prior) / (weeks + _PRIOR_WEEKS)
    # an hour that was once forecast to perfection is not held to perfection
    return np.maximum(leaned, 0.05 * overall)


def _stray(loss: FloatArray, usual: FloatArray) -> FloatArray:
    # Root mean square of the logs of daily ratios, leaning on a prior.
    seen = (usual > 0) & (loss > 0)
    logs = np.log(np.divide(loss, usual, out=np.ones_like(loss), where=seen))
    count = seen.sum(axis=1)
    centre = share_of(logs.sum(axis=1), count, 0.0)[:, None]
    off = np.where(seen, logs - centre, 0.0)
    alike = np.clip(likeness(off, count) - _ALIKE_BY_CHANCE, 0.0, _ALIKE_MAX)
    own = _leaned(np.square(off).sum(axis=1), np.maximum(count - 1, 0))
    return own * np.sqrt((1 + alike) / (1 - alike))


def _leaned(
    squares: FloatArray, count: FloatArray, prior: FloatArray | float = PRIOR_STRAY
) -> FloatArray:
    return np.sqrt((squares + _PRIOR_DAYS * np.square(prior)) / (count + _PRIOR_DAYS))


def likeness(off: FloatArray, count: FloatArray, *, prior_squares: float = 0.0) -> FloatArray:
    """Return how much days resemble the day before: their correlation.

    Parameters
    ----------
    off : ndarray, shape (series, days)
        By how much each is off their mean; 0 where not known.
    count : ndarray, shape (series,)
        Days known.
    prior_squares : float
        Sum of squares below which days that hardly differ are held to resemble each other little.

    Returns
    -------
    ndarray, shape (series,)
        Corrected for what the mean of few days hides.
    """
    pairs = (off[:, 1:] * off[:, :-1]).sum(axis=1) + _ALIKE_PRIOR * prior_squares
    found = share_of(pairs, np.square(off).sum(axis=1) + prior_squares, 0.0)
    return found + (1 + 3 * found) / np.maximum(count, 4.0)


def served_stray(loss: FloatArray, usual: FloatArray, stray: FloatArray, window: int) -> FloatArray:
    """Return how far the loss of the days a model has served strayed from the usual one.

    What was usual is known from few weeks; where it was not, that shows within a few days.

    Parameters
    ----------
    loss, usual : ndarray, shape (series, hours)
        Of whole days, counted back from the end; 0 where nothing matured.
    stray : ndarray, shape (series,)
        What is held to be usual; never less is returned.
    window : int
        Hours in a stretch of which the highest that was served through is held to be usual too.

    Returns
    -------
    ndarray, shape (series,)
    """
    days = loss.shape[1] // 24
    by_day = [
        part[:, part.shape[1] - 24 * days :].reshape(len(part), days, 24).sum(axis=2)
        for part in (loss, usual)
    ]
    seen = (by_day[0] > 0) & (by_day[1] > 0)
    logs = np.log(np.divide(by_day[0], by_day[1], out=np.ones_like(by_day[0]), where=seen))
    own = _leaned(np.square(logs).sum(axis=1), seen.sum(axis=1), stray)
    return _seen_stray(np.maximum(stray, own), _peak(loss, usual, window))


def _window_stray(loss: FloatArray, usual: FloatArray) -> FloatArray:
    # Of two days together: as independent days would, or as they did where that is more.
    own = _stray(loss, usual)
    pairs = _stray(loss[:, 1:] + loss[:, :-1], usual[:, 1:] + usual[:, :-1])
    return np.maximum(own / math.sqrt(2), pairs)


def _peak(loss: FloatArray, usual: FloatArray, window: int) -> FloatArray:
    # The highest ratio over any stretch of so many hours.
    if loss.shape[1] < window:
        return np.ones(len(loss))
    ends = [np.cumsum(np.nan_to_num(part), axis=1) for part in (loss, usual)]
    sums = [np.pad(part, ((0, 0), (1, 0))) for part in ends]
    over, under = (part[:, window:] - part[:, :-window] for part in sums)
    least = under.mean(axis=1, keepdims=True) / 2
    ratio = np.divide(over, under, out=np.ones_like(over), where=(under > least) & (under > 0))
    return ratio.max(axis=1)


def _seen_stray(stray: FloatArray, peak: FloatArray) -> FloatArray:
    # What was seen by chance once will be seen again, and a bit more.
    seen = np.log(np.maximum(PEAK_MARGIN * peak, 1)) / ALARM_STRAYS
    return np.minimum(np.maximum(stray, seen), _STRAY_MAX)


def _day_points(missed: FloatArray, points: FloatArray) -> FloatArray:
    # If a day were worth n independent points, its share of misses would vary by p(1-p)/n.
    share = share_of(missed, points, np.nan)
    seen = np.isfinite(share)
    count = seen.sum(axis=1)
    mean = share_of(np.where(seen, share, 0).sum(axis=1), count, MISS_FRACTION)[:, None]
    freedom = np.maximum(count - 1, 0)
    total = np.square(np.where(seen, share - mean, 0)).sum(axis=1)
    usual = MISS_FRACTION * (1 - MISS_FRACTION)
    variance = (total + _PRIOR_DAYS * usual / PRIOR_DAY_POINTS) / (freedom + _PRIOR_DAYS)
    return np.clip(usual / np.maximum(variance, 1e-12), 1, 24)
