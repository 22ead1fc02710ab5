"""This file knows how the past of many series is laid out as days, in chunks of equal shape.

A day here begins at the time of day of the forecast, on the wall clock of the users, so that row
`days` would be the first day to forecast. Everything behind this file is arithmetic along a
series' own days: no operation mixes series, so a chunk's members never influence each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.base import DAY_S, step_count
from foretide.forecast.bins import Grid, bin_s, by_day, gathered
from foretide.forecast.wallclock import IntArray, epoch_s, local_s
from foretide.model.demand import Demand, FloatArray

DAYS_MAX = 56
_DAYS_AHEAD = 7
_WEEK_S, _HOUR_S = 7 * DAY_S, 3600
# About this many bins of history are worked on together: they fit in a processor's cache.
_CHUNK_BINS = 100_000


class Chunk(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The past of some series with equally many days, laid out by day.

    Parameters
    ----------
    members : ndarray of int, shape (series,)
        Where each series stands among the demands asked for.
    whole_days : int
        Whole days of history, 0 ... 56.
    bins : ndarray, shape (series, max(whole_days, 1), bins per day)
        Mean amount per bucket in each bin, oldest day first; NaN where nothing was observed.
    sampled : ndarray, shape of `bins`
        One single bucket out of each bin, over its usual share of the bin: what residuals are
        taken on, because a bucket varies more than the mean of several.
    position : ndarray of int, shape (steps,)
        The bin, counted from the forecast's start, in which each step lies.
    share : ndarray, shape (series, steps)
        Usual amount of a step's bucket / mean of its bin.
    silent_s : ndarray, shape (series,)
        Seconds between the last observed bucket and the forecast's start; 0 where that is only
        the bucket still open.
    weekend : ndarray of bool, shape (days of history + 7, bins per day)
        Whether a bin falls on a Saturday or Sunday; row `days of history` is the first ahead.
    step_s : int
        Length of a bucket in seconds.
    recent : ndarray, shape (series, days, buckets per day)
        Amounts of the last days, ending with the last closed bucket; NaN where nothing was
        observed. No days when they were not asked for, or the clock changes within hours.
    open_count : int
        Buckets between the last closed one and the forecast's start, 0 or 1.
    """

    members: IntArray
    whole_days: int
    bins: FloatArray
    sampled: FloatArray
    position: IntArray
    share: FloatArray
    silent_s: FloatArray
    weekend: npt.NDArray[np.bool_]
    step_s: int
    recent: FloatArray
    open_count: int

    def at_steps(self, bins: FloatArray) -> FloatArray:
        """Return what is said of bins ahead at each step, shape (series, steps, levels).

        Parameters
        ----------
        bins : ndarray, shape (series, bins ahead, levels)
        """
        series, steps = self.share.shape
        per_bin = int(np.searchsorted(self.position, 1))
        count = -(-steps // per_bin)
        even = np.arange(steps, dtype=np.int64) // per_bin
        if not np.array_equal(self.position, even):
            return bins[:, self.position] * self.share[:, :, None]
        if per_bin == 1:
            return bins[:, :steps].copy()
        share = np.ones((series, count * per_bin))
        share[:, :steps] = self.share
        found = bins[:, :count, None] * share.reshape(series, count, per_bin, 1)
        return found.reshape(series, count * per_bin, -1)[:, :steps]


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    # What is wanted of the past.
    issued_s: int
    horizon_s: int
    zone: ZoneInfo
    finest_s: int
    recent_days: int


class _Span(msgspec.Struct, frozen=True, kw_only=True, order=True):
    # What series must share to be laid out together: grid, forecast start and length of history.
    step_s: int
    first_s: int
    days: int


class _Past(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # One series' observed values, from its first to its last, moved to end before the forecast.
    index: int
    values: FloatArray
    end_count: int  # buckets between its last value and the forecast's start
    silent_s: int


def chunks(
    demands: Sequence[Demand],
    *,
    issued_at: datetime,
    horizon_s: int,
    zone: ZoneInfo,
    finest_s: int,
    recent_days: int = 0,
) -> list[Chunk]:
    """Lay out what was known at `issued_at` in chunks of series with equally many days.

    Parameters
    ----------
    demands : sequence of Demand
        Series on any grids, of any length.
    issued_at : datetime
        Buckets that ended later are not looked at.
    horizon_s : int
        How far the forecast reaches, 1 ... 604800.
    zone : ZoneInfo
        Whose wall clock the days follow.
    finest_s : int
        Buckets shorter than this are gathered into bins of at least this many seconds.
    recent_days : int
        So many of the last days are wanted bucket by bucket too.

    Returns
    -------
    list of Chunk
        Every series that was ever observed is a member of exactly one.
    """
    asked = _Asked(
        issued_s=epoch_s(issued_at),
        horizon_s=horizon_s,
        zone=zone,
        finest_s=finest_s,
        recent_days=recent_days,
    )
    spans: dict[_Span, list[_Past]] = defaultdict(list)
    for index, demand in enumerate(demands):
        found = _last_days(index, demand, asked.issued_s)
        if found is not None:
            spans[found[0]].append(found[1])
    laid: list[Chunk] = []
    for span in sorted(spans):
        laid.extend(_lay_out(span, spans[span], asked))
    return laid


def _last_days(index: int, demand: Demand, issued_s: int) -> tuple[_Span, _Past] | None:
    # The observed past a forecast may use. Silence of weeks is closed by moving the past forward
    # by whole weeks: old weekdays tell more about the next ones than nothing does.
    step_s, start_s = demand.step_s, epoch_s(demand.start)
    closed = min(max((issued_s - start_s) // step_s, 0), len(demand.values))
    seen = np.isfinite(demand.values[:closed])
    begin = int(seen.argmax()) if closed else 0
    if not closed or not seen[begin]:
        return None
    # The first bucket of the grid that starts at or after the instant.
    first_s = start_s - (start_s - issued_s) // step_s * step_s
    last = closed - int(seen[::-1].argmax())
    silent_s = first_s - (start_s + last * step_s)
    moved_s = 0 if _WEEK_S % step_s else silent_s // _WEEK_S * _WEEK_S
    end_count = (silent_s - moved_s) // step_s
    days = (last - begin + end_count) * step_s // DAY_S
    # After a silence, enough days to reach the last bucket observed; DST may lend an hour.
    reach_s = (end_count + 1) * step_s + (_HOUR_S if end_count else 0)
    if reach_s > max(days, 1) * DAY_S:
        days = -(-reach_s // DAY_S)
    days = min(days, DAYS_MAX)
    begin = max(begin, last + end_count - _bucket_count(days, step_s))
    if begin >= last:
        return None
    past = _Past(
        index=index,
        values=demand.values[begin:last],
        end_count=end_count,
        silent_s=silent_s if silent_s > step_s else 0,
    )
    return _Span(step_s=step_s, first_s=first_s, days=days), past


def _bucket_count(days: int, step_s: int) -> int:
    # A day more than the whole ones: DST may lend an hour, and less than a day counts too.
    return -(-(days + 1) * DAY_S // step_s)


def _lay_out(span: _Span, pasts: list[_Past], asked: _Asked) -> list[Chunk]:
    length_s = bin_s(span.step_s, asked.finest_s)
    per_day, rows = DAY_S // length_s, max(span.days, 1)
    count = _bucket_count(span.days, span.step_s)
    steps = step_count(span.step_s, asked.horizon_s)
    utc_s = span.first_s + span.step_s * np.arange(-count, steps, dtype=np.int64)
    clock = _clock(utc_s, span.step_s, asked.zone)
    grid = Grid(past=clock[:count], ahead=clock[count:], step_s=span.step_s, length_s=length_s)
    position: IntArray = (grid.ahead - grid.ahead[0]) // length_s
    # Where DST begins within the horizon the last hour lies a bin beyond it: take the day before.
    bins_ahead = -(-asked.horizon_s // DAY_S) * per_day
    position = np.where(position >= bins_ahead, position - per_day, position)
    weekend = _weekend(int(grid.ahead[0]), length_s, rows, _DAYS_AHEAD)
    open_count = int(span.first_s > asked.issued_s)
    size = max(1, _CHUNK_BINS // (rows * per_day))
    laid: list[Chunk] = []
    for at in range(0, len(pasts), size):
        part = pasts[at : at + size]
        values = _aligned(part, count)
        bins, sampled, share = gathered(values, grid, rows * per_day)
        laid.append(
            Chunk(
                members=np.array([one.index for one in part], dtype=np.int64),
                whole_days=span.days,
                bins=bins.reshape(len(part), rows, per_day),
                sampled=sampled.reshape(len(part), rows, per_day),
                position=position,
                share=share,
                silent_s=np.array([one.silent_s for one in part], dtype=np.float64),
                weekend=weekend,
                step_s=span.step_s,
                recent=by_day(values, grid, min(rows, asked.recent_days), open_count),
                open_count=open_count,
            )
        )
    return laid


def _clock(utc_s: IntArray, step_s: int, zone: ZoneInfo) -> IntArray:
    # Wall-clock seconds; of a span in which the clock was never changed at a look a day.
    looks = np.append(utc_s[:: max(1, DAY_S // step_s)], utc_s[-1])
    offsets = local_s(looks, zone) - looks
    return utc_s + offsets[0] if (offsets == offsets[0]).all() else local_s(utc_s, zone)


def _weekend(first_s: int, length_s: int, rows: int, days_ahead: int) -> npt.NDArray[np.bool_]:
    per_day = DAY_S // length_s
    bins = np.arange(-rows * per_day, days_ahead * per_day, dtype=np.int64)
    # The epoch was a Thursday.
    weekday = ((first_s + bins * length_s) // DAY_S + 3) % 7
    return (weekday >= 5).reshape(-1, per_day)


def _aligned(pasts: list[_Past], count: int) -> FloatArray:
    values = np.full((len(pasts), count), np.nan)
    for row, one in enumerate(pasts):
        end = count - one.end_count
        values[row, end - len(one.values) : end] = one.values
    return values
