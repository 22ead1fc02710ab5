"""This file knows what a plan is expected to cost, and when another one takes its place.

The cost factor of a plan over the horizon, in USD:

`hours * price * (serving + warm_fraction * warm) + price * boot_hours * launches`
`+ penalty * E[demand over capacity] + what it stakes on the forecast and may lose`.

The last term prices the distance from the reactive plan by how often such distances were lost
lately: instances held above it that were not needed, and instances withheld below it that were.
With a good record it is nothing and the plan that follows the forecast wins; with a poor one the
reactive plan does. A plan takes over once it has been the lowest for half an hour, and only growth
is decided by it: what there is goes by the forecast's bands, so a poor record removes nothing.

References
----------
Ours.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.model.plan import Choice
from foretide.plan.capacity import instances_for, served_rps
from foretide.plan.knob import Knob
from foretide.plan.need import Need
from foretide.plan.policy import ServicePolicy
from foretide.plan.track import Track

# the utilisation that the HPA formula aims at
FORMULA_FRACTION = 0.70
CHOICES = (Choice.REACTIVE, Choice.PRE_SCALED, Choice.PRE_SCALED_WARM, Choice.HELD)
# probability that each quantile stands for: .05, .5, the tail's .75 and .9, .95, .98, .995, .999
_WEIGHTS = (0.003, 0.0095, 0.0225, 0.04, 0.1, 0.2, 0.35, 0.275)
# of demand that finds warm capacity, the share that is lost before it is woken
_WOKEN_LATE = 0.3
_TAKEOVER = timedelta(minutes=30)
# The plan that acts stays unless another is clearly cheaper.
_MARGIN = 0.05
# What follows the forecast needs no time to come back.
HOME = Choice.PRE_SCALED_WARM


class Weighed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What each plan is expected to cost, in the order of `Choice`.

    Parameters
    ----------
    costs_usd : tuple of float
        Cost factors over the horizon.
    staked_usd : tuple of float
        Of these, what is staked on the forecast and lost by the record.
    """

    costs_usd: tuple[float, float, float, float]
    staked_usd: tuple[float, float, float, float]


def rho_of(need: Need, knob: Knob) -> float:
    """Return what an hour of one unmet layer costs / its price, as the owner's wish has it."""
    return need.rho or knob.warm_rho or knob.run_rho


def reactive_count(rps: float, policy: ServicePolicy) -> int:
    """Return the fleet the HPA formula would aim at for a demand.

    Parameters
    ----------
    rps : float
        Demand, >= 0.
    policy : ServicePolicy
        The service.
    """
    return max(policy.min_count, instances_for(policy.curve, rps / FORMULA_FRACTION))


class Counts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the plans would have one boot ahead.

    Parameters
    ----------
    reactive : int
        What the HPA formula would have.
    run : int
        What will serve by the forecast: instances for its 90 % quantile.
    total : int
        All that the forecast asks for, >= run.
    current : int
        What there is and is on its way: more has to be launched.
    """

    reactive: int
    run: int
    total: int
    current: int


def cost_factors(
    need: Need, counts: Counts, *, track: Track, policy: ServicePolicy, is_short: bool = True
) -> Weighed:
    """Return the cost factor of each plan over the horizon.

    Parameters
    ----------
    need : Need
        With its tail.
    counts : Counts
        What the plans would have.
    track : Track
        What came of earlier stakes.
    policy : ServicePolicy
        The service and its prices.
    is_short : bool
        Whether more is lost than the owner allows, or each loss has the owner's price: else what
        was withheld and needed is what the owner bought.
    """
    curve, rho = policy.curve, rho_of(need, policy.knob)
    quantiles = _quantiles(need)
    below = instances_for(curve, need.predicted_rps)
    slope = served_rps(curve, below + 1) - served_rps(curve, below) or 1.0
    wasted = track.wasted_fraction
    missed = rho * track.missed_fraction if is_short else 0.0
    warm_fraction = policy.warm_price_fraction if policy.has_warm_pool else 1.0
    reactive, run, current = counts.reactive, counts.run, counts.current
    usd = policy.price_usd_per_hour * policy.horizon_minutes / 60
    launch_usd = policy.price_usd_per_hour * policy.boot_s / 3600

    def over(count: int) -> float:
        return rho / slope * _over_rps(quantiles, served_rps(curve, count))

    def weigh(serving: int, total: int, late: float, lost: float) -> tuple[float, float]:
        # what is over what serves, and what of that is over all there is
        warm = total - serving
        staked = wasted * max(0, serving - reactive) + missed * max(0, reactive - total)
        staked += wasted * warm_fraction * max(0, total - max(serving, reactive))
        unmet = lost + _WOKEN_LATE * (late - lost)
        cost = usd * (serving + warm_fraction * warm + unmet + staked)
        return cost + launch_usd * max(0, total - current), usd * staked

    over_run, over_reactive = over(run), over(reactive)
    has_pool = policy.has_warm_pool
    warm_run = run if has_pool else counts.total
    held_run = min(run, current) if has_pool else current
    over_total, over_current = over(counts.total), over(current)
    first = weigh(reactive, reactive, over_reactive, over_reactive)
    second = weigh(run, run, over_run, over_run)
    third = weigh(warm_run, counts.total, over_run if has_pool else over_total, over_total)
    fourth = weigh(held_run, current, over_run if held_run == run else over_current, over_current)
    return Weighed(
        costs_usd=(first[0], second[0], third[0], fourth[0]),
        staked_usd=(first[1], second[1], third[1], fourth[1]),
    )


def _quantiles(need: Need) -> tuple[float, ...]:
    """Return the quantiles one boot ahead, the highest first."""
    common, high, rare, rarer, rarest = need.tail_rps
    return rarest, rarer, rare, need.upper_rps, high, common, need.predicted_rps, need.low_rps


def _over_rps(quantiles: tuple[float, ...], capacity_rps: float) -> float:
    """Return the expected demand over a capacity."""
    over = 0.0
    for rps, weight in zip(quantiles, _WEIGHTS, strict=False):
        if rps <= capacity_rps:
            break
        over += weight * (rps - capacity_rps)
    return over


def challenged(
    weighed: Weighed,
    *,
    choice: Choice,
    challenger: Choice,
    challenged_at: datetime | None,
    now: datetime,
) -> tuple[Choice, Choice, datetime | None]:
    """Return the plan that acts from now on, its challenger and since when it has been cheaper.

    A plan is a challenger only when the record tips the scales: it would not be cheaper than the
    forecast's without what that one stakes. Insurance against what no quantile shows is the knob's
    to buy, not the quantiles' to refuse.

    Parameters
    ----------
    weighed : Weighed
        From `cost_factors`.
    choice : Choice
        The plan that acts.
    challenger : Choice
        The plan that has been the cheapest lately.
    challenged_at : datetime, optional
        Since when; None when it is the one that acts.
    now : datetime
        The instant, aware UTC.
    """
    costs_usd, staked_usd = weighed.costs_usd, weighed.staked_usd
    home = CHOICES.index(HOME)
    unstaked_usd = costs_usd[home] - staked_usd[home]
    best, least_usd = home, (1 - _MARGIN) * costs_usd[home]
    for place, cost_usd in enumerate(costs_usd):
        if cost_usd < least_usd and cost_usd - staked_usd[place] >= unstaked_usd:
            best, least_usd = place, cost_usd
    if best == home:
        return HOME, HOME, None
    if CHOICES[best] is choice:
        return choice, choice, None
    if CHOICES[best] is not challenger or challenged_at is None:
        return choice, CHOICES[best], now
    if now - challenged_at < _TAKEOVER:
        return choice, challenger, challenged_at
    return CHOICES[best], CHOICES[best], None
