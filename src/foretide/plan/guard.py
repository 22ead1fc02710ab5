"""This file knows what no plan may break, whatever the forecast says.

Precedence: bounds of the fleet, then rates of change, then what the band asks for.
"""

from __future__ import annotations

import math

from foretide.model.plan import Reason
from foretide.plan.policy import ServicePolicy

STALE_S = 180.0
_UP_FRACTION, _UP_COUNT = 1.0, 4
_DOWN_FRACTION, _DOWN_COUNT = 0.10, 1


def is_stale(age_s: float | None, step_s: int) -> bool:
    """Return whether the latest demand is too old to remove anything on its word.

    Parameters
    ----------
    age_s : float, optional
        Seconds since the end of the last observed bucket; None when there never was one.
    step_s : int
        Length of a bucket in seconds.
    """
    return age_s is None or age_s > max(STALE_S, 2.0 * step_s)


def limited_total(
    wanted: int, current: int, policy: ServicePolicy, *, demanded_count: int
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

    Returns
    -------
    total : int
        Within the bounds of the fleet.
    bound : tuple of Reason
        The guards that changed the number, in the order in which they did.
    """
    total, bound = wanted, list[Reason]()
    most = max(current + max(math.ceil(_UP_FRACTION * current), _UP_COUNT), demanded_count)
    least = current - max(int(_DOWN_FRACTION * current), _DOWN_COUNT)
    # a rate gives way to the bounds of the fleet
    most, least = max(most, policy.min_count), min(least, policy.max_count)
    if total > most:
        total, bound = most, [*bound, Reason.STEP_UP_LIMIT]
    if total < least:
        total, bound = least, [*bound, Reason.STEP_DOWN_LIMIT]
    if total > policy.max_count:
        total, bound = policy.max_count, [*bound, Reason.MAX_INSTANCES]
    if total < policy.min_count:
        total, bound = policy.min_count, [*bound, Reason.MIN_INSTANCES]
    return total, tuple(bound)
