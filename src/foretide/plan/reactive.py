"""This file knows the Kubernetes HPA formula: from the use of a fleet to the fleet asked for.

It follows the `autoscaling/v2` controller of Kubernetes step by step: the wanted count from the
use of ready instances, stabilisation over recent wishes, then the limits on the rate of change.
The windows of recent wishes and changes are kept by the caller, who knows what time it is.
"""

from __future__ import annotations

import math

import msgspec

from foretide.errors import InvalidValueError

TOLERANCE_FRACTION = 0.1


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
    ratio = used_count / measured_count / target_fraction if measured_count else 1.0
    if ratio == 1:
        return current_count
    has_idle_unready = unready_count > 0 and ratio > 1
    if not has_idle_unready and missing_count == 0:
        if 1 - tolerance_fraction <= ratio <= 1 + tolerance_fraction:
            return current_count
        return math.ceil(ratio * measured_count)
    considered_count = measured_count + missing_count + unready_count * has_idle_unready
    if ratio < 1:
        used_count += missing_count * max(1.0, target_fraction)
    new_ratio = used_count / considered_count / target_fraction
    turned = (ratio - 1) * (new_ratio - 1) < 0
    if turned or 1 - tolerance_fraction <= new_ratio <= 1 + tolerance_fraction:
        return current_count
    wanted = math.ceil(new_ratio * considered_count)
    if (new_ratio - 1) * (wanted - current_count) < 0:
        return current_count
    return wanted


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
    return min(max(current_count, lowest_recent_count), highest_recent_count)


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
    start_count = current_count - added_count + removed_count
    if wanted > current_count:
        step = max(start_count + up.step_count, math.ceil(start_count * (1 + up.step_fraction)))
        wanted = min(wanted, max(step, current_count))
    elif wanted < current_count:
        step = min(start_count - down.step_count, int(start_count * (1 - down.step_fraction)))
        wanted = max(wanted, min(step, current_count))
    wanted = max(wanted, min_count)
    return wanted if max_count is None else min(wanted, max_count)
