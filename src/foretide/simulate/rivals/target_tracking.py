"""This file knows target tracking as a rival: two alarms that keep a group near a utilisation."""

from __future__ import annotations

import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.reactive import IntArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.group import counted, tracked
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario

HIGH_MINUTES = 3
LOW_MINUTES = 15
LOW_FRACTION = 0.9


def target_tracking_counts(
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    target: float = 0.7,
    floor_count: IntArray | None = None,
) -> Counts:
    """Play a target tracking policy, as Amazon EC2 Auto Scaling has it, over a trace.

    One alarm is raised by 3 successive minutes above the target, the other by 15 below 90 % of it.
    While the high one lasts, every minute asks for what would meet the target, instances on their
    way counted in; the low one removes only as much as keeps the group at or below the target, and
    nothing while instances boot. A minute without a metric neither counts nor breaks a succession,
    and changes nothing.

    Where its rules leave room they favour the rival: metrics come every minute and at once (the
    usual ones every five minutes), they are requests per instance and so are not capped, new
    instances are left out of them until they serve, and what is to be removed goes at once.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        Utilisation tracked, > 0.
    floor_count : ndarray of int, shape (minutes,), optional
        Least capacity of the group in each minute.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t, and on the floor.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.

    References
    ----------
    Amazon EC2 Auto Scaling user guide, "Target tracking scaling policies"; the alarms' periods are
    those of the alarms it creates.
    """
    if not target > 0:
        raise InvalidValueError(f"the target must be > 0, was {target}")
    floor = np.ones(len(demand_rps), np.int64) if floor_count is None else floor_count
    return counted(
        tracked(
            demand_rps / capacity_rps,
            float(target),
            floor,
            HIGH_MINUTES,
            LOW_MINUTES,
            LOW_FRACTION,
            scenario.boot_minutes,
            FLEET_MAX_COUNT,
        )
    )
