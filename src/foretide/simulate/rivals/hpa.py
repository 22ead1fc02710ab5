"""This file knows the Kubernetes HPA as a rival, alone or with a fixed pool of warm instances.

Where its rules leave room they favour the rival: it syncs on the last closed minute without any
delay of a metrics pipeline, utilisation is not capped at what its instances can serve, and what any
of the four syncs of a minute asks for is dated at the start of that minute.
"""

from __future__ import annotations

import math

import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.reactive import IntArray, hpa_fleet
from foretide.simulate.counts import Counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario


def hpa_counts(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, target: float = 0.7
) -> Counts:
    """Play a Horizontal Pod Autoscaler with Kubernetes' defaults over a trace.

    The fleet of 1 becomes the one the formula asks for as soon as a first demand has been seen, so
    that no start-up loss is counted against it.

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed: a sync without a metric changes nothing.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        Utilisation aimed at, > 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0.
    """
    return hpa_warm_counts(
        demand_rps, capacity_rps=capacity_rps, scenario=scenario, target=target, pool_count=0
    )


def hpa_warm_counts(
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    target: float = 0.7,
    pool_count: int,
) -> Counts:
    """Play an HPA beside which a fixed number of instances is held warm.

    What the HPA asks for is served by whatever is ready: an instance is promoted the moment a sync
    asks for it, a launch refills the pool, and an instance that the HPA lets go takes the place
    of one that still boots for the pool. The pool is full from the beginning.

    Parameters
    ----------
    demand_rps, capacity_rps, scenario, target
        As for `hpa_counts`.
    pool_count : int
        Instances held warm beyond those the HPA asks for, >= 0.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.

    Raises
    ------
    InvalidValueError
        When `target` is not > 0 or `pool_count` is below 0.
    """
    if pool_count < 0:
        raise InvalidValueError(f"pool_count must be >= 0, was {pool_count}")
    return controlled(
        demand_rps / capacity_rps,
        boot_minutes=scenario.boot_minutes,
        target=target,
        pool_count=pool_count,
    )


def controlled(
    used_count: FloatArray,
    *,
    boot_minutes: int,
    target: FloatArray | float,
    pool_count: IntArray | int = 0,
    is_average: bool = False,
) -> Counts:
    """Return what the controller of `plan/reactive` comes to; its target and pool may change.

    Parameters
    ----------
    used_count : ndarray, shape (minutes,)
        Demand of each minute in instances at full capacity, NaN where not observed.
    boot_minutes : int
        Whole minutes from launch to serving.
    target : ndarray, shape (minutes,), or float
        Utilisation aimed at, > 0.
    pool_count : ndarray of int, shape (minutes,), or int
        Instances held warm beyond those asked for.
    is_average : bool
        As for `hpa_fleet`.

    Raises
    ------
    InvalidValueError
        When a target is not > 0.
    """
    targets = np.broadcast_to(np.asarray(target, np.float64), used_count.shape)
    least = float(targets.min(initial=math.inf))
    if not least > 0:
        raise InvalidValueError(f"the target must be > 0, was {least:g}")
    serving, warm, booting = hpa_fleet(
        used_count,
        target_fraction=np.ascontiguousarray(targets),
        pool_count=np.ascontiguousarray(
            np.broadcast_to(np.asarray(pool_count, np.int64), used_count.shape)
        ),
        boot_minutes=boot_minutes,
        max_count=FLEET_MAX_COUNT,
        is_average=is_average,
    )
    return Counts(serving=serving, warm=warm, booting=booting)
