"""This file knows predictive scaling as clouds do it: an hourly forecast that only ever adds."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.reactive import IntArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.target_tracking import target_tracking_counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario

HISTORY_DAYS = 14
REISSUED_HOURS = 6
_DAY_HOURS, _HOUR_MINUTES = 24, 60
_FADE, _SAME_WEEKDAY = 0.8, 6.0  # weight of a day / of the day after it, and of a week ago
_LEVEL_RANGE = (0.5, 2.0)
_ROUNDING = 1e-9  # of an instance: a mean of twelves is not to ask for thirteen


def cloud_predictive_counts(
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    start: datetime,
    target: float = 0.7,
) -> Counts:
    """Play predictive scaling, as Amazon EC2 Auto Scaling has it, beside target tracking.

    Every six hours a forecast of each hour's mean demand is made from the last 14 days, once there
    are 24 hours of them. The group's least capacity is what the highest forecast of the present
    and the next hour takes at the target; it launches ahead, and never removes: that is left to
    target tracking.

    The cloud's own forecast is not published. Ours is the mean of the same hour of the last 14
    days, newer days and the same day of the week counting more, moved half-way to the level of the
    last day. Where its rules leave room they favour the rival: the next hour's capacity is there
    an hour ahead instead of five minutes.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    start : datetime
        Of the first minute, aware UTC: hours are those of the clock.
    target : float
        Utilisation planned for and tracked, > 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.

    References
    ----------
    Amazon EC2 Auto Scaling user guide, "How predictive scaling works".
    """
    if not target > 0:
        raise InvalidValueError(f"the target must be > 0, was {target}")
    forecast = _forecast(demand_rps / capacity_rps, start.hour * _HOUR_MINUTES + start.minute)
    return target_tracking_counts(
        demand_rps,
        capacity_rps=capacity_rps,
        scenario=scenario,
        target=target,
        floor_count=_floor(forecast / target),
    )


def _floor(asked_count: FloatArray) -> IntArray:
    asked = np.nan_to_num(np.minimum(asked_count, FLEET_MAX_COUNT), nan=1.0)
    whole = np.ceil(asked - _ROUNDING)
    return np.maximum(whole, 1).astype(np.int64)


def _forecast(used_count: FloatArray, start_minute: int) -> FloatArray:
    """Return, for every minute, the highest forecast of its hour and the next; NaN without one.

    `start_minute` is the first minute's place in its day.
    """
    hour_count = math.ceil((start_minute + len(used_count)) / _HOUR_MINUTES) + 1
    minutes = np.full(hour_count * _HOUR_MINUTES, np.nan)
    minutes[start_minute : start_minute + len(used_count)] = used_count
    hours = _mean(minutes.reshape(hour_count, _HOUR_MINUTES))
    usual = _usual(hours)
    # what was forecast of every hour by each of the last two issues: its own, and the one before
    level = _level(hours, usual)
    issued = np.arange(hour_count) // REISSUED_HOURS * REISSUED_HOURS
    following = np.append(usual[1:], np.nan)
    highest = np.fmax(usual, following) * level[issued]
    return np.repeat(highest, _HOUR_MINUTES)[start_minute : start_minute + len(used_count)]


def _usual(hours: FloatArray) -> FloatArray:
    """Return the weighted mean of the same hour of the days before, NaN without any."""
    days = np.arange(1, HISTORY_DAYS + 1)
    weight = _FADE**days * np.where(days % 7 == 0, _SAME_WEEKDAY, 1.0)
    past = np.full((HISTORY_DAYS, len(hours)), np.nan)
    for row, day in enumerate(days * _DAY_HOURS):
        past[row, day:] = hours[:-day]
    weights = np.where(np.isfinite(past), weight[:, None], 0.0)
    total = weights.sum(axis=0)
    summed = (weights * np.nan_to_num(past)).sum(axis=0)
    return np.divide(summed, total, out=np.full(len(hours), np.nan), where=total > 0)


def _level(hours: FloatArray, usual: FloatArray) -> FloatArray:
    """Return by what to multiply the usual demand, for forecasts issued at the start of an hour."""
    both = np.isfinite(hours) & np.isfinite(usual)
    padded = np.zeros((2, _DAY_HOURS + len(hours)))
    padded[:, _DAY_HOURS:] = np.where(both, hours, 0.0), np.where(both, usual, 0.0)
    seen, expected = sliding_window_view(padded, _DAY_HOURS, axis=1)[:, : len(hours)].sum(axis=2)
    ratio = np.divide(seen, expected, out=np.ones(len(hours)), where=expected > 0)
    return np.sqrt(np.clip(ratio, *_LEVEL_RANGE))


def _mean(rows: FloatArray) -> FloatArray:
    """Return the mean of what was observed in each row, NaN where nothing was."""
    seen = np.isfinite(rows)
    count = seen.sum(axis=1)
    summed = np.where(seen, rows, 0.0).sum(axis=1)
    return np.divide(summed, count, out=np.full(len(rows), np.nan), where=count > 0)
