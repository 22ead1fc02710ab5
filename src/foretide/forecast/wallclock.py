"""This file knows which wall-clock time users saw at an instant, also across DST changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from foretide.model.instant import EPOCH

IntArray = npt.NDArray[np.int64]
_DAY_S = 86_400


def epoch_s(instant: datetime) -> int:
    """Return whole seconds from the epoch to `instant`."""
    return (instant - EPOCH) // timedelta(seconds=1)


def local_s(utc_s: IntArray, zone: ZoneInfo) -> IntArray:
    """Return wall-clock seconds: what a clock in `zone` showed, counted as if it were UTC.

    Parameters
    ----------
    utc_s : ndarray of int, shape (instants,)
        Seconds from the epoch, rising.
    zone : ZoneInfo
        Whose wall clock.

    Returns
    -------
    ndarray of int, shape (instants,)
        Rises by an hour less, or more, than `utc_s` where DST begins or ends.
    """
    if not len(utc_s):
        return utc_s
    changes, offsets = _offsets_between(int(utc_s[0]), int(utc_s[-1]), zone)
    segment = np.searchsorted(np.asarray(changes, dtype=np.int64), utc_s, side="right")
    return utc_s + np.asarray(offsets, dtype=np.int64)[segment]


def _offsets_between(first_s: int, last_s: int, zone: ZoneInfo) -> tuple[list[int], list[int]]:
    # The instants at which the offset changed, and the offsets before, between and after them.
    changes: list[int] = []
    offsets = [_offset_s(first_s, zone)]
    day_s = first_s
    while day_s < last_s:
        next_s = min(day_s + _DAY_S, last_s)
        offset = _offset_s(next_s, zone)
        if offset != offsets[-1]:
            changes.append(_change_between(day_s, next_s, zone))
            offsets.append(offset)
        day_s = next_s
    return changes, offsets


def _change_between(before_s: int, after_s: int, zone: ZoneInfo) -> int:
    old = _offset_s(before_s, zone)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset_s(middle_s, zone) == old:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


@lru_cache(maxsize=100_000)
def _offset_s(utc_s: int, zone: ZoneInfo) -> int:
    instant = datetime.fromtimestamp(utc_s, UTC).astimezone(zone)
    offset = instant.utcoffset() or timedelta()
    return int(offset.total_seconds())
