"""This file knows how much above the price of an instance on demand a spot bid may go.

Losing an instance that is really needed costs requests until another has booted. The more often
what is planned proves to be needed, the dearer that is, and the higher the ceiling of the bid;
nothing else touches it.
"""

from __future__ import annotations

import math

from foretide.errors import InvalidValueError

_MOST = 0.5
_SPIKES_KNOWN = 30
_SKILL_SHARE = 0.25


def kill_cost_hours(
    *,
    shortfall_requests: float,
    penalty_usd_per_request: float,
    needed_fraction: float,
    on_demand_usd_per_hour: float,
) -> float:
    """Return what losing one instance costs, in hours of an instance on demand.

    Parameters
    ----------
    shortfall_requests : float
        Requests over capacity until another has booted, >= 0.
    penalty_usd_per_request : float
        What each costs, >= 0.
    needed_fraction : float
        Probability that the instance will be needed: how often what was planned was, in [0, 1].
    on_demand_usd_per_hour : float
        Price of an instance on demand, > 0.
    """
    if not 0 <= needed_fraction <= 1:
        raise InvalidValueError(f"needed_fraction must lie in [0, 1], was {needed_fraction}")
    if not on_demand_usd_per_hour > 0:
        raise InvalidValueError(f"on_demand_usd_per_hour must be > 0, was {on_demand_usd_per_hour}")
    lost_usd = shortfall_requests * penalty_usd_per_request
    return lost_usd * needed_fraction / on_demand_usd_per_hour


def bid_ceiling_usd(
    *,
    on_demand_usd_per_hour: float,
    kill_hours: float,
    spike_hours: float,
    spike_count: int,
    skill: float,
    owner_usd_per_hour: float | None = None,
) -> float:
    """Return the highest price a bid may name, in USD per hour.

    Parameters
    ----------
    on_demand_usd_per_hour : float
        Price of an instance on demand, > 0.
    kill_hours : float
        From `kill_cost_hours`, >= 0.
    spike_hours : float
        Mean length of the times the price spent above the one on demand, in hours, > 0 once known.
    spike_count : int
        How many such times were seen; below 30 their mean says too little.
    skill : float
        Of the forecasts, believed only above 0; stands in until then.
    owner_usd_per_hour : float, optional
        The owner's own ceiling; None: there is none.

    Returns
    -------
    float
        At most 1.5 x the price on demand, and never above the owner's ceiling.
    """
    if spike_count >= _SPIKES_KNOWN and spike_hours > 0:
        above = kill_hours / spike_hours
    else:
        above = _SKILL_SHARE * max(0.0, skill)
    ceiling = on_demand_usd_per_hour * (1 + min(_MOST, above))
    return min(ceiling, math.inf if owner_usd_per_hour is None else owner_usd_per_hour)
