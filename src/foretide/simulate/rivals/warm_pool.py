"""This file knows the fixed warm pool as a rival: an HPA beside a tenth of the usual peak, warm."""

from __future__ import annotations

import math

import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.hpa import controlled
from foretide.simulate.scenario import Scenario

POOL_FRACTION = 0.1
_PEAK_LEVEL = 0.999


def warm_pool_counts(
    demand_rps: FloatArray,
    *,
    capacity_rps: float,
    scenario: Scenario,
    first_scored: int,
    target: float = 0.7,
) -> Counts:
    """Play an HPA with a warm pool sized once, at the end of the warm-up, by what was seen in it.

    Parameters
    ----------
    demand_rps, capacity_rps, scenario, target
        As for `hpa_counts`.
    first_scored : int
        First minute after the warm-up. One boot before it the pool is filled, with a tenth of the
        99.9 % quantile of the demand seen until then, in instances, but at least one.

    Returns
    -------
    Counts
        One entry per minute; those of minute t depend only on demand before t.
    """
    used = demand_rps / capacity_rps
    filled = max(first_scored - scenario.boot_minutes, 0)
    pool = np.zeros(len(used), np.int64)
    pool[filled:] = pool_size(used[:filled])
    return controlled(used, boot_minutes=scenario.boot_minutes, target=target, pool_count=pool)


def pool_size(used_count: FloatArray) -> int:
    """Return how many instances to hold warm for demand like this, at least one."""
    seen = used_count[np.isfinite(used_count)]
    peak = float(np.quantile(seen, _PEAK_LEVEL)) if len(seen) else 0.0
    return max(1, math.ceil(POOL_FRACTION * peak))
