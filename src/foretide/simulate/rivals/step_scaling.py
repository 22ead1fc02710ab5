"""This file knows step scaling as a rival: the larger the breach, the larger the step."""

from __future__ import annotations

import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.group import counted, stepped
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario

ALARM_MINUTES = 2
# The steps of the user guide: nothing below .1 beyond the threshold, 10 % there, 30 % from .2 on.
BEYOND = (0.0, 0.1, 0.2)
CHANGE = (0.0, 0.1, 0.3)


def step_scaling_counts(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, target: float = 0.7
) -> Counts:
    """Play step scaling policies, as Amazon EC2 Auto Scaling has them, over a trace.

    Two alarms lie at the target and are raised by two successive minutes beyond it. Each minute
    that one lasts, the step its breach lies in is taken: a percentage of the capacity that serves,
    parts of instances cut off but at least one. Instances on their way count towards the step, so
    that a breach is not answered twice; nothing is removed while any boots. A minute without a
    metric neither counts nor breaks a succession, and changes nothing.

    Where its rules leave room they favour the rival: metrics come every minute and at once, they
    are not capped, two minutes raise an alarm, and instances warm up for no longer than they boot.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        Utilisation at which the alarms lie, > 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.

    References
    ----------
    Amazon EC2 Auto Scaling user guide, "Step and simple scaling policies": its example of a
    threshold of 50 % with these steps is a test of this file.
    """
    if not target > 0:
        raise InvalidValueError(f"the target must be > 0, was {target}")
    return counted(
        stepped(
            demand_rps / capacity_rps,
            float(target),
            np.array(BEYOND),
            np.array(CHANGE),
            ALARM_MINUTES,
            scenario.boot_minutes,
            FLEET_MAX_COUNT,
        )
    )
