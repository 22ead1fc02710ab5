"""This file knows the Kubernetes HPA formula: from the use of a fleet to the fleet asked for.

It follows the `autoscaling/v2` controller of Kubernetes step by step: the wanted count from the
use of ready instances, stabilisation over recent wishes, then the limits on the rate of change.
`hpa_fleet` applies them minute after minute, as the controller does; who uses the formula alone
keeps the windows of recent wishes and changes.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.compiled import compiled

IntArray = npt.NDArray[np.int64]

TOLERANCE_FRACTION = 0.1
SYNC_S = 15
_SYNCS_PER_MINUTE = 60 // SYNC_S
_MOST = 1e15  # a wish beyond it is not told apart: it must fit a whole number of 64 bits


class ScaleRule(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a fleet may change in one direction: the larger of two steps in a period.

    Parameters
    ----------
    step_fraction : float
        Largest change in a period, as a fraction of the fleet at its start, >= 0.
    step_count : int
        Largest change in a period, in instances, >= 0.
    period_s : float
        Length of the period in seconds, > 0.
    stabilisation_s : float
        Wishes younger than this hold back a change in this direction, >= 0 seconds.
    """

    step_fraction: float
    step_count: int
    period_s: float
    stabilisation_s: float

    def __post_init__(self) -> None:
        if min(self.step_fraction, self.step_count, self.stabilisation_s) < 0:
            raise InvalidValueError("steps and stabilisation_s of a scale rule must be >= 0")
        if not self.period_s > 0:
            raise InvalidValueError(f"period_s must be > 0, was {self.period_s}")


# What Kubernetes does when the owner says nothing else.
SCALE_UP = ScaleRule(step_fraction=1.0, step_count=4, period_s=15, stabilisation_s=0)
SCALE_DOWN = ScaleRule(step_fraction=1.0, step_count=0, period_s=15, stabilisation_s=300)
_UP = (SCALE_UP.step_fraction, SCALE_UP.step_count)
_DOWN = (SCALE_DOWN.step_fraction, SCALE_DOWN.step_count)
_WINDOW_SYNCS = int(SCALE_DOWN.stabilisation_s) // SYNC_S


def wanted_count(
    used_count: float,
    *,
    target_fraction: float,
    current_count: int,
    measured_count: int,
    unready_count: int = 0,
    missing_count: int = 0,
    tolerance_fraction: float = TOLERANCE_FRACTION,
) -> int:
    """Return how many instances the use of the measured ones asks for.

    Instances without a measurement are counted against the change: an unready one as idle when
    the fleet would grow; a missing one as idle when it would grow and as full when it would
    shrink. When that turns the direction round, nothing changes.

    Parameters
    ----------
    used_count : float
        Sum of the utilisation of the measured instances, in instances, >= 0; may exceed their
        number when demand does.
    target_fraction : float
        Utilisation aimed at, > 0.
    current_count : int
        Instances asked for so far, ready or not.
    measured_count, unready_count, missing_count : int
        Instances that are ready and measured, not ready yet, and ready without a measurement.
    tolerance_fraction : float
        No change while use / target lies within 1 +- this.

    Returns
    -------
    int
        Instances wanted, >= 0, before stabilisation, rates and bounds; `current_count` when
        nothing was measured.

    References
    ----------
    Kubernetes, pkg/controller/podautoscaler/replica_calculator.go (GetResourceReplicas).
    Kubernetes truncates utilisation to whole percents; here it is kept as it is.
    """
    return _wanted(
        float(used_count),
        float(target_fraction),
        current_count,
        measured_count,
        unready_count,
        missing_count,
        float(tolerance_fraction),
    )


def average_count(used_count: float, *, target_fraction: float, current_count: int) -> int:
    """Return how many instances a metric shared out among all of them asks for.

    This is the formula of a metric that knows nothing of instances, such as requests per second
    in front of them: those that are not ready count like the others.

    Parameters
    ----------
    used_count : float
        The metric, in instances working at full capacity, >= 0.
    target_fraction : float
        What each instance is to bear of it, > 0.
    current_count : int
        Instances asked for so far, ready or not, > 0.

    Returns
    -------
    int
        Instances wanted, >= 0, before stabilisation, rates and bounds.

    References
    ----------
    Kubernetes, pkg/controller/podautoscaler/replica_calculator.go (GetExternalPerPodMetric).
    """
    return _average(float(used_count), float(target_fraction), current_count)


def stabilised_count(
    current_count: int, *, lowest_recent_count: int, highest_recent_count: int
) -> int:
    """Return the fleet nearest to today's that recent wishes allow.

    Parameters
    ----------
    current_count : int
        Instances asked for so far.
    lowest_recent_count : int
        Lowest wish, the present one included, of the scale-up stabilisation window.
    highest_recent_count : int
        Highest wish, the present one included, of the scale-down stabilisation window.

    Returns
    -------
    int
        Instances wanted after stabilisation.

    References
    ----------
    Kubernetes, horizontal.go (stabilizeRecommendationWithBehaviors).
    """
    return _stabilised(current_count, lowest_recent_count, highest_recent_count)


def bounded_count(
    wanted: int,
    *,
    current_count: int,
    added_count: int = 0,
    removed_count: int = 0,
    min_count: int = 1,
    max_count: int | None = None,
    up: ScaleRule = SCALE_UP,
    down: ScaleRule = SCALE_DOWN,
) -> int:
    """Return `wanted` within the rates of change and the bounds of the fleet.

    Parameters
    ----------
    wanted : int
        Instances wanted after stabilisation.
    current_count : int
        Instances asked for so far.
    added_count, removed_count : int
        Instances added and removed within the last period.
    min_count, max_count : int
        Bounds of the fleet; no upper bound when `max_count` is None.
    up, down : ScaleRule
        Rates of change.

    Returns
    -------
    int
        Instances to ask for now.

    References
    ----------
    Kubernetes, horizontal.go (convertDesiredReplicasWithBehaviorRate).
    """
    return _bounded(
        wanted,
        current_count,
        current_count - added_count + removed_count,
        min_count,
        int(_MOST) if max_count is None else max_count,
        (float(up.step_fraction), up.step_count),
        (float(down.step_fraction), down.step_count),
    )


def hpa_fleet(
    used_count: FloatArray,
    *,
    target_fraction: FloatArray,
    pool_count: IntArray,
    boot_minutes: int,
    max_count: int,
    is_average: bool = False,
) -> IntArray:
    """Return the fleet an HPA with Kubernetes' defaults keeps, minute after minute.

    The controller syncs four times in a minute, on the use of the minute before. What it asks for
    is served by whatever is ready, a warm instance at once; launches of a minute begin with it,
    and keep `pool_count` instances beyond what is asked for. Of a fleet that shrinks those not
    ready go first, the youngest of them before the others.

    Parameters
    ----------
    used_count : ndarray, shape (minutes,)
        Demand of each minute in instances at full capacity; NaN where it was not observed: a
        sync without a metric changes nothing and leaves no wish.
    target_fraction : ndarray, shape (minutes,)
        Utilisation aimed at in each minute, > 0.
    pool_count : ndarray of int, shape (minutes,)
        Instances kept warm beyond those asked for, >= 0.
    boot_minutes : int
        Whole minutes from launch to ready, > 0.
    max_count : int
        Never more serving instances than these.
    is_average : bool
        Whether the metric is shared out among all instances (`average_count`) instead of being
        measured on the ready ones (`wanted_count`).

    Returns
    -------
    ndarray of int, shape (3, minutes)
        Serving, warm and booting instances. Those of minute t depend only on the use before t.
        The fleet of 1 becomes the one the formula asks for as soon as a first use is seen.
    """
    return _played(used_count, target_fraction, pool_count, boot_minutes, max_count, is_average)


@compiled
def _wanted(  # noqa: PLR0917
    used: float,
    target: float,
    current: int,
    measured: int,
    unready: int,
    missing: int,
    tolerance: float,
) -> int:
    ratio = used / measured / target if measured else 1.0
    if ratio == 1:
        return current
    has_idle_unready = unready > 0 and ratio > 1
    if not has_idle_unready and missing == 0:
        if 1 - tolerance <= ratio <= 1 + tolerance:
            return current
        return math.ceil(min(ratio * measured, _MOST))
    considered = measured + missing + unready * has_idle_unready
    if ratio < 1:
        used += missing * max(1.0, target)
    new_ratio = used / considered / target
    turned = (ratio - 1) * (new_ratio - 1) < 0
    if turned or 1 - tolerance <= new_ratio <= 1 + tolerance:
        return current
    wanted = math.ceil(min(new_ratio * considered, _MOST))
    if (new_ratio - 1) * (wanted - current) < 0:
        return current
    return wanted


@compiled
def _average(used: float, target: float, current: int) -> int:
    ratio = used / (target * current)
    if 1 - TOLERANCE_FRACTION <= ratio <= 1 + TOLERANCE_FRACTION:
        return current
    return math.ceil(min(used / target, _MOST))


@compiled
def _stabilised(current: int, lowest: int, highest: int) -> int:
    return min(max(current, lowest), highest)


@compiled
def _bounded(  # noqa: PLR0917
    wanted: int,
    current: int,
    start: int,
    least: int,
    most: int,
    up: tuple[float, int],
    down: tuple[float, int],
) -> int:
    # `start` is the fleet at the beginning of the period, `up` and `down` its two largest steps
    if wanted > current:
        step = max(start + up[1], math.ceil(start * (1 + up[0])))
        wanted = min(wanted, max(step, current))
    elif wanted < current:
        step = min(start - down[1], int(start * (1 - down[0])))
        wanted = max(wanted, min(step, current))
    return min(max(wanted, least), most)


@compiled
def _played(  # noqa: PLR0917
    used: FloatArray,
    target: FloatArray,
    pool: IntArray,
    boot: int,
    most: int,
    is_average: bool,
) -> IntArray:
    counts = np.zeros((3, len(used)), np.int64)
    coming = np.zeros(len(used) + boot + 1, np.int64)  # launched, by the minute they are ready
    wishes = np.full(_WINDOW_SYNCS, -1, np.int64)  # of the last 300 s; -1: none was made
    asked, ready, booting, has_started = 1, 1, 0, False
    last = np.nan
    for minute in range(len(used)):
        ready += coming[minute]
        booting -= coming[minute]
        if has_started and not np.isnan(last):
            asked = _synced(minute, last, target[minute], asked, ready, wishes, most, is_average)
        else:
            for sync in range(minute * _SYNCS_PER_MINUTE, (minute + 1) * _SYNCS_PER_MINUTE):
                wishes[sync % _WINDOW_SYNCS] = -1
        if not has_started:
            if not np.isnan(last):
                asked = min(max(1, math.ceil(min(last / target[minute], _MOST))), most)
                has_started = True
            ready = asked + pool[minute]
        grown = asked + pool[minute] - ready - booting
        if grown > 0:
            coming[minute + boot] += grown
            booting += grown
        else:
            ended = _ended(coming, minute, boot, -grown)
            booting -= ended
            ready += grown + ended
        counts[0, minute] = min(asked, ready)
        counts[1, minute] = ready - counts[0, minute]
        counts[2, minute] = booting
        last = used[minute]
    return counts


@compiled
def _synced(  # noqa: PLR0917
    minute: int,
    used: float,
    target: float,
    asked: int,
    ready: int,
    wishes: IntArray,
    most: int,
    is_average: bool,
) -> int:
    # a period of 15 s holds no change but the one made now: the last sync's is 15 s old
    for sync in range(minute * _SYNCS_PER_MINUTE, (minute + 1) * _SYNCS_PER_MINUTE):
        if is_average:
            wish = _average(used, target, asked)
        else:
            measured = min(asked, ready)
            wish = _wanted(used, target, asked, measured, asked - measured, 0, TOLERANCE_FRACTION)
        wishes[sync % _WINDOW_SYNCS] = wish
        stabilised = asked if wish == asked else _stabilised(asked, wish, wishes.max())
        if stabilised != asked:
            asked = _bounded(stabilised, asked, asked, 1, most, _UP, _DOWN)
    return asked


@compiled
def _ended(coming: IntArray, minute: int, boot: int, surplus: int) -> int:
    # Ends booting instances, the youngest first, and returns how many that were.
    ended = 0
    for at in range(minute + boot, minute, -1):
        if ended == surplus:
            break
        gone = min(coming[at], surplus - ended)
        coming[at] -= gone
        ended += gone
    return ended
