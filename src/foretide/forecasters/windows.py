"""This file knows how a series is cut into windows of days for a network: some to read, a week on.

Networks want one shape. Every series is brought to days of 24 hours, whatever its bins, and what
was not observed is 0 beside a mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.days import Floats
from foretide.forecasters.carry import unusual
from foretide.forecasters.features import AHEAD_DAYS, usual
from foretide.forecasters.pupils import Pupil

HOURS = 24
READ_DAYS = 28
_CLOCK = 9  # day of week, and the hour as a point on a circle


class Windows(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a network reads and is to say, from several days of one or more series.

    Parameters
    ----------
    past : ndarray, shape (windows, READ_DAYS, inputs)
        The days before: roots, whether observed, what was usual, the clock, and behaviour.
    ahead : ndarray, shape (windows, AHEAD_DAYS, HOURS + clock)
        What is usual of the days ahead, and the clock.
    unusual : ndarray, shape (windows, HOURS, 2 x behaviour)
        How yesterday's behaviour differed from what was usual.
    outcome : ndarray, shape (windows, AHEAD_DAYS, HOURS)
        Root of what came, less what is usual; NaN where that was not observed.
    """

    past: Floats
    ahead: Floats
    unusual: Floats
    outcome: Floats


def input_sizes(behaviour_count: int) -> tuple[int, int]:
    """Return how many numbers stand for a past day, and for a day ahead."""
    return HOURS * (3 + behaviour_count) + _CLOCK, HOURS + _CLOCK


def windows_of(one: Pupil, rows: Sequence[int], *, end_row: int, back_h: int = 0) -> Windows:
    """Cut one series into windows.

    Parameters
    ----------
    one : Pupil
        The series.
    rows : sequence of int
        Days from which to look ahead, not empty.
    end_row : int
        Nothing from this day on is an outcome.
    back_h : int
        Let every day begin this many hours earlier, 0 ... 23: a day that begins at another hour
        is another lesson.

    Returns
    -------
    Windows
    """
    roots, *beside = [_moved(_by_hour(part), back_h) for part in (one.roots, *one.behaviour)]
    expected = usual(roots, rows, AHEAD_DAYS)
    ahead = np.asarray(rows)[:, None] + np.arange(AHEAD_DAYS)
    outcome = roots[np.minimum(ahead, len(roots) - 1)]
    outcome = np.where((ahead < end_row)[..., None], outcome, np.nan) - expected
    clock = _clock(one, back_h)
    told = np.concatenate([expected, clock[ahead]], axis=-1)
    return Windows(
        past=_read(roots, beside, clock, rows),
        ahead=told.astype(np.float32),
        unusual=unusual(beside, rows, HOURS),
        outcome=outcome.astype(np.float32),
    )


def in_bins(hours: Floats, per_day: int) -> Floats:
    """Return what was said of the hours of days as bins of days, shape (..., bins)."""
    return hours @ _overlap(per_day).T * np.float32(per_day)


def _by_hour(days: Floats) -> Floats:
    # Shape (days, HOURS); coarser bins are spread over their hours.
    per_day = days.shape[1]
    if per_day == HOURS:
        return days
    shares = _overlap(per_day) * HOURS
    seen = np.isfinite(days).astype(np.float32) @ shares
    total = np.nan_to_num(days) @ shares
    return np.where(seen > 0, total / np.maximum(seen, 1e-6), np.nan).astype(np.float32)


def _overlap(per_day: int) -> Floats:
    # The part of a day that each bin and each hour have in common, shape (bins, HOURS).
    bins = np.arange(per_day)[:, None] / per_day
    hours = np.arange(HOURS) / HOURS
    low, high = np.maximum(bins, hours), np.minimum(bins + 1 / per_day, hours + 1 / HOURS)
    return np.maximum(high - low, 0).astype(np.float32)


def _moved(hours: Floats, back_h: int) -> Floats:
    # Days that begin earlier: the first is partly unknown, and the last hours fall away.
    if not back_h:
        return hours
    flat = np.concatenate([np.full(back_h, np.nan, dtype=np.float32), hours.ravel()[:-back_h]])
    return flat.reshape(hours.shape)


def _clock(one: Pupil, back_h: int) -> Floats:
    # Of every day of the past and a week on, shape (days + AHEAD_DAYS, _CLOCK).
    at_s = one.shown.clock_s(0, one.shown.rows + AHEAD_DAYS)[:, 0] - back_h * 3600
    weekday = (at_s // DAY_S + 3) % 7
    turn = 2 * np.pi * (at_s % DAY_S) / DAY_S
    points = np.stack([np.sin(turn), np.cos(turn)], axis=-1)
    return np.concatenate([np.eye(7)[weekday], points], axis=-1).astype(np.float32)


def _read(roots: Floats, beside: Sequence[Floats], clock: Floats, rows: Sequence[int]) -> Floats:
    everyday = usual(roots, range(len(roots)), 1)[:, 0]
    seen = np.isfinite(roots).astype(np.float32)
    # Behaviour is relative to its own mean: where it was not observed it is at its mean.
    others = [np.nan_to_num(part - 1) for part in beside]
    days = np.concatenate(
        [np.nan_to_num(roots), seen, everyday, *others, clock[: len(roots)]], axis=-1
    )
    at = np.asarray(rows)[:, None] + np.arange(-READ_DAYS, 0)
    return np.where((at >= 0)[..., None], days[np.maximum(at, 0)], 0).astype(np.float32)
