"""This file knows the plain algorithm as a rival: three branches on the forecast one boot ahead.

Scale up if the target exceeds what there is; scale down if it falls below and the interval is low;
otherwise stay. There are no layers, no warm pool, no reactive layer and no tuning: what this rival
lacks is what they are worth, for the forecast is the planner's own.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from foretide.control.lookahead import Lookahead
from foretide.errors import InvalidValueError
from foretide.model.demand import Demand, FloatArray
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.group import counted, followed
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario

BoolArray = npt.NDArray[np.bool_]
_BLOCK_MINUTES = 240


def plain_counts(
    demand: Demand,
    minutes_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    target: float = 0.7,
) -> Counts:
    """Play the plain algorithm over a trace.

    The target is the forecast's median one boot ahead, at the utilisation given; the interval is
    low by the planner's own rule. Until there is enough history for a forecast, the last demand
    seen stands for it, and the interval counts as low.

    Parameters
    ----------
    demand : Demand
        The trace in its own buckets, of whole minutes.
    minutes_rps : ndarray, shape (minutes,)
        The same in every minute, NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        Utilisation planned for, > 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.
    """
    if not target > 0:
        raise InvalidValueError(f"the target must be > 0, was {target}")
    predicted, is_low = _predicted(demand, minutes_rps, scenario, capacity_rps)
    asked = np.ceil(np.minimum(predicted / capacity_rps / target, FLEET_MAX_COUNT))
    return counted(followed(np.maximum(asked, 1).astype(np.int64), is_low, scenario.boot_minutes))


def _predicted(
    demand: Demand, minutes_rps: FloatArray, scenario: Scenario, capacity_rps: float
) -> tuple[FloatArray, BoolArray]:
    policy = ServicePolicy(  # of which the forecast takes the boot and the size of an instance
        service=demand.series_id,
        version="v1",
        curve=linear_curve(capacity_rps),
        knob=knob_for_objective(scenario.objective, has_warm_pool=False),
        boot_s=scenario.boot_s,
        has_warm_pool=False,
        max_count=FLEET_MAX_COUNT,
    )
    outlook = Lookahead(policy, demand, block_minutes=_BLOCK_MINUTES)
    predicted = np.zeros(len(minutes_rps))
    is_low = np.ones(len(minutes_rps), np.bool_)
    last = 0.0
    for minute, seen in enumerate(minutes_rps.tolist()):
        need = outlook.need(demand.start + timedelta(seconds=minute * MINUTE_S))
        if need is None:
            predicted[minute] = last
        else:
            predicted[minute] = need.predicted_rps
            is_low[minute] = need.width_fraction <= need.width_max_fraction
        if not math.isnan(seen):
            last = seen
    return predicted, is_low
