"""This file knows KEDA as a rival: an HPA on requests per second, as its Prometheus trigger is.

KEDA feeds an external metric to an HPA of its own making and lets it move between 1 and N: a metric
of the kind AverageValue is shared out among all instances, those not ready included, and is pulled
at every sync of 15 s. Its own part, which polls every 30 s, activates, and lets go after a
cool-down of 300 s, only goes between 0 and 1; the referee keeps one instance at all times
(`minReplicaCount: 1`), so that it has nothing to do here.
"""

from __future__ import annotations

from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.hpa import controlled
from foretide.simulate.scenario import Scenario


def keda_counts(
    demand_rps: FloatArray, *, capacity_rps: float, scenario: Scenario, target: float = 0.7
) -> Counts:
    """Play KEDA with a trigger on requests per second over a trace.

    Where its rules leave room they favour the rival: the trigger sees the last closed minute
    without delay. Without a metric the HPA changes nothing (no `fallback` is set).

    Parameters
    ----------
    demand_rps : ndarray, shape (minutes,)
        Demand of each minute; NaN where not observed.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    scenario : Scenario
        Gives the boot time.
    target : float
        The trigger's threshold / capacity_rps, > 0.

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
    KEDA, "ScaledObject specification" (pollingInterval, cooldownPeriod, minReplicaCount) and
    "Scaling deployments" (activation and scaling phase).
    """
    return controlled(
        demand_rps / capacity_rps,
        boot_minutes=scenario.boot_minutes,
        target=target,
        is_average=True,
    )
