"""This file knows what no plan may break, whatever the forecast says.

Precedence: bounds of the fleet, then the ceiling of a shared budget, then how many may be disrupted
at once, then rates of change, then what the band asks for.
"""

from __future__ import annotations

import math

from foretide.model.plan import Reason
from foretide.plan.course import DOWN_FRACTION, UP_COUNT
from foretide.plan.policy import ServicePolicy
from foretide.plan.reconcile import Census

STALE_S = 180.0
FORECAST_OLD_S = 7200.0
_UP_FRACTION = 1.0
_DOWN_COUNT = 1


def is_stale(age_s: float | None, step_s: int, delay_s: float = 0.0) -> bool:
    """Return whether the latest demand is too old to remove anything on its word.

    Parameters
    ----------
    age_s : float, optional
        Seconds since the end of the last observed bucket; None when there never was one.
    step_s : int
        Length of a bucket in seconds.
    delay_s : float
        99 % quantile of the time the source takes to tell of a bucket, >= 0.
    """
    return age_s is None or age_s > max(STALE_S, 2.0 * step_s + delay_s)


def limited_total(
    wanted: int,
    current: int,
    policy: ServicePolicy,
    *,
    demanded_count: int,
    ceiling_count: int | None = None,
) -> tuple[int, tuple[Reason, ...]]:
    """Return the total a plan may aim at this minute, and the guards that bound it.

    Parameters
    ----------
    wanted : int
        Serving and warm instances that are asked for.
    current : int
        Serving and warm instances, counting those on their way.
    policy : ServicePolicy
        The bounds of the fleet.
    demanded_count : int
        Instances that demand takes already: growth up to it is not limited.
    ceiling_count : int, optional
        Instances a shared budget allows: stops growth, never removes.

    Returns
    -------
    total : int
        Within the bounds of the fleet.
    bound : tuple of Reason
        The guards that changed the number, in the order in which they did.
    """
    if wanted == current and policy.min_count <= wanted <= policy.max_count:
        return wanted, ()
    total, bound = wanted, list[Reason]()
    most = max(current + max(math.ceil(_UP_FRACTION * current), UP_COUNT), demanded_count)
    least = current - max(int(DOWN_FRACTION * current), _DOWN_COUNT)
    # a rate gives way to the bounds of the fleet
    most, least = max(most, policy.min_count), min(least, policy.max_count)
    if total > most:
        total, bound = most, [*bound, Reason.STEP_UP_LIMIT]
    if total < least:
        total, bound = least, [*bound, Reason.STEP_DOWN_LIMIT]
    if ceiling_count is not None and total > max(ceiling_count, current):
        total, bound = max(ceiling_count, current), [*bound, Reason.CEILING]
    if total > policy.max_count:
        total, bound = policy.max_count, [*bound, Reason.MAX_INSTANCES]
    if total < policy.min_count:
        total, bound = policy.min_count, [*bound, Reason.MIN_INSTANCES]
    return total, tuple(bound)


def least_serving(census: Census, policy: ServicePolicy) -> int:
    """Return how many of those that serve must go on, so that few are disrupted at once.

    Parameters
    ----------
    census : Census
        Of the fleet: what drains already is being disrupted.
    policy : ServicePolicy
        With the number that may be.
    """
    if policy.disrupted_max_count is None:
        return 0
    return census.serving - max(0, policy.disrupted_max_count - census.draining)
