"""This file knows a group of instances as clouds manage it: alarms, step by step, and launches.

All of it is compiled, and therefore in one file; what the rules mean stands in the rivals' own
files. A group launches what its desired capacity asks for; when that falls, instances still booting
end first, the youngest of them before the others. The fleet of 1 becomes the one its first metric
asks for at once, so that no start-up loss is counted against anybody.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray
from foretide.plan.compiled import compiled
from foretide.plan.reactive import IntArray
from foretide.simulate.counts import Counts

_MOST = 1e15  # a capacity beyond it is not told apart: it must fit a whole number of 64 bits
_EDGE = 1e-9  # of utilisation: a breach of .3 - .1 is to reach the step that begins at .2


def counted(rows: IntArray) -> Counts:
    """Return serving and booting rows as counts; a group holds nothing warm."""
    serving, booting = rows
    return Counts(serving=serving, warm=np.zeros_like(serving), booting=booting)


@compiled
def tracked(  # noqa: PLR0917
    used: FloatArray,
    target: float,
    floor: IntArray,
    high_minutes: int,
    low_minutes: int,
    low_fraction: float,
    boot: int,
    most: int,
) -> IntArray:
    """Return serving and booting instances of a group whose alarms track a target.

    Parameters
    ----------
    used : ndarray, shape (minutes,)
        Demand of each minute in instances at full capacity, NaN where not observed.
    target : float
        Utilisation tracked, > 0.
    floor : ndarray of int, shape (minutes,)
        The group's least capacity in each minute, 1 where nothing raises it.
    high_minutes, low_minutes : int
        Successive data points beyond its threshold that raise each alarm.
    low_fraction : float
        Threshold of the low alarm / target, in (0, 1].
    boot, most : int
        Whole minutes from launch to serving; the group's largest capacity.

    Returns
    -------
    ndarray of int, shape (2, minutes)
        Serving and booting.
    """
    counts = np.zeros((2, len(used)), np.int64)
    coming = np.zeros(len(used) + boot + 1, np.int64)
    desired, serving, booting, high, low = 1, 1, 0, 0, 0
    has_started = False
    for minute in range(len(used)):
        serving += coming[minute]
        booting -= coming[minute]
        last = used[minute - 1] if minute else np.nan
        if not np.isnan(last):
            wanted = max(1, math.ceil(min(last / target, _MOST)))
            if has_started:
                metric = last / counts[0, minute - 1]
                high = high + 1 if metric > target else 0
                low = low + 1 if metric < low_fraction * target else 0
                if high >= high_minutes:
                    desired = max(desired, wanted)
                elif low >= low_minutes and booting == 0:
                    desired = min(desired, wanted)
            else:
                desired = min(wanted, most)
                serving, has_started = desired, True
        desired = min(max(desired, floor[minute]), most)
        serving, booting = _resized(coming, minute, boot, serving, booting, desired)
        counts[0, minute] = serving
        counts[1, minute] = booting
    return counts


@compiled
def stepped(  # noqa: PLR0917
    used: FloatArray,
    threshold: float,
    beyond: FloatArray,
    change: FloatArray,
    alarm_minutes: int,
    boot: int,
    most: int,
) -> IntArray:
    """Return serving and booting instances of a group that steps by the size of a breach.

    Parameters
    ----------
    used : ndarray, shape (minutes,)
        As for `tracked`.
    threshold : float
        Utilisation at which both alarms lie, > 0.
    beyond, change : ndarray, shape (steps,)
        How far beyond the threshold each step begins, rising from 0, and the fraction of the
        capacity it adds or takes away.
    alarm_minutes : int
        Successive data points beyond the threshold that raise an alarm.
    boot, most : int
        As for `tracked`.

    Returns
    -------
    ndarray of int, shape (2, minutes)
        Serving and booting.
    """
    counts = np.zeros((2, len(used)), np.int64)
    coming = np.zeros(len(used) + boot + 1, np.int64)
    desired, serving, booting, high, low = 1, 1, 0, 0, 0
    has_started = False
    for minute in range(len(used)):
        serving += coming[minute]
        booting -= coming[minute]
        last = used[minute - 1] if minute else np.nan
        if not np.isnan(last):
            if has_started:
                over = last / counts[0, minute - 1] - threshold
                high = high + 1 if over > 0 else 0
                low = low + 1 if over < 0 else 0
                step = _step_count(abs(over), beyond, change, serving)
                if high >= alarm_minutes:
                    desired = max(desired, serving + step)
                elif low >= alarm_minutes and booting == 0:
                    desired = desired - step
            else:
                desired = min(max(1, math.ceil(min(last / threshold, _MOST))), most)
                serving, has_started = desired, True
        desired = min(max(desired, 1), most)
        serving, booting = _resized(coming, minute, boot, serving, booting, desired)
        counts[0, minute] = serving
        counts[1, minute] = booting
    return counts


@compiled
def followed(target_count: IntArray, is_low: npt.NDArray[np.bool_], boot: int) -> IntArray:
    """Return serving and booting instances of a fleet that follows a target, down only when sure.

    Parameters
    ----------
    target_count : ndarray of int, shape (minutes,)
        Instances asked for at the start of each minute, >= 1.
    is_low : ndarray of bool, shape (minutes,)
        Whether the interval is low enough to remove some.
    boot : int
        Whole minutes from launch to serving.

    Returns
    -------
    ndarray of int, shape (2, minutes)
        Serving and booting. The fleet begins with the first target.
    """
    counts = np.zeros((2, len(target_count)), np.int64)
    coming = np.zeros(len(target_count) + boot + 1, np.int64)
    serving, booting = target_count[0] if len(target_count) else 1, 0
    for minute in range(len(target_count)):
        serving += coming[minute]
        booting -= coming[minute]
        current = serving + booting
        if target_count[minute] > current or is_low[minute]:
            current = target_count[minute]
        serving, booting = _resized(coming, minute, boot, serving, booting, current)
        counts[0, minute] = serving
        counts[1, minute] = booting
    return counts


@compiled
def _resized(  # noqa: PLR0917
    coming: IntArray, minute: int, boot: int, serving: int, booting: int, total: int
) -> tuple[int, int]:
    grown = total - serving - booting
    if grown >= 0:
        coming[minute + boot] += grown
        return serving, booting + grown
    for at in range(minute + boot, minute, -1):
        gone = min(coming[at], -grown)
        coming[at] -= gone
        booting -= gone
        grown += gone
        if grown == 0:
            break
    return serving + grown, booting


@compiled
def _step_count(breach: float, beyond: FloatArray, change: FloatArray, capacity: int) -> int:
    # of the step the breach lies in; a fraction of an instance counts as one, any other is cut off
    fraction = 0.0
    for step in range(len(beyond)):
        if breach + _EDGE >= beyond[step]:
            fraction = change[step]
    amount = fraction * capacity + _EDGE
    return 1 if fraction > 0 and amount < 1 else int(amount)
