"""This file knows where demand was not observed: silence is a zero only while a source lives.

The rule. A source is alive between its first and its last event, except in a silence longer than
its heartbeat: 30 minutes unless the owner says otherwise. What lies in such a silence is missing.
Some logs are regular coarser than a minute: their stamps all share one place in the hour.
Their resolution is then that hour, and a silence counts from one and a half of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MINUTE_S = 60
HEARTBEAT_S = 1800
# Steps that a regular source may have, coarsest first.
_RESOLUTIONS_MIN = (1440, 720, 360, 240, 120, 60, 30, 20, 15, 10, 5, 2)
_SAME_PHASE_FRACTION = 0.99
_MINUTES_NEEDED = 12  # twelve random minutes agree modulo 2 once in 2,048


def resolution_s(minutes: IntArray) -> int:
    """Return the step below which an app's events tell nothing, in seconds.

    Parameters
    ----------
    minutes : ndarray of int, shape (n,)
        The distinct minutes since the epoch that hold an event.

    Returns
    -------
    int
        60 unless 99 % of at least twelve such minutes share one place in a coarser step.
    """
    if len(minutes) < _MINUTES_NEEDED:
        return MINUTE_S
    for step in _RESOLUTIONS_MIN:
        of_one_phase = np.bincount(minutes % step).max()
        spread = (minutes.max() - minutes.min()) // step
        if of_one_phase >= _SAME_PHASE_FRACTION * len(minutes) and spread >= _MINUTES_NEEDED - 1:
            return step * MINUTE_S
    return MINUTE_S


def is_alive(minutes: IntArray, *, step_s: int, heartbeat_s: int) -> BoolArray:
    """Return for every bucket of the source's own resolution whether the source was alive in it.

    Parameters
    ----------
    minutes : ndarray of int, shape (n,)
        The distinct minutes since the epoch that hold an event, rising, n >= 1.
    step_s : int
        Resolution of the source in seconds, a multiple of 60.
    heartbeat_s : int
        Longest silence of a living source, in seconds.

    Returns
    -------
    ndarray of bool, shape (buckets,)
        One per bucket from that of the first to that of the last event.
    """
    begins = minutes * MINUTE_S
    buckets = begins // step_s
    alive = np.zeros(int(buckets[-1] - buckets[0]) + 1, dtype=np.bool_)
    # begin of one minute to begin of the next holds at most a minute of events: not silence
    silent_s = np.diff(begins) - MINUTE_S
    breaks = np.flatnonzero(silent_s > max(heartbeat_s, 1.5 * step_s - MINUTE_S))
    first = buckets[np.concatenate(([0], breaks + 1))] - buckets[0]
    last = buckets[np.concatenate((breaks, [len(buckets) - 1]))] - buckets[0]
    for a, b in zip(first, last, strict=True):
        alive[a : b + 1] = True
    return alive
