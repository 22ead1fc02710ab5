"""This file knows what one policy saves against another, and how sure that is.

Days are resampled in short runs, both policies on the same days: what a lucky week could have made
of the saving shows in the interval.

References
----------
Politis and Romano (1992), A circular block-resampling procedure for stationary data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.outcome import PolicyRun, SeriesOutcome, Sweep
from foretide.simulate.scenario import MINUTE_S, Scenario

MONTH_HOURS = 730.0  # an average month, as cloud price lists count it
YEAR_MONTHS = 12
_TAIL = 0.05  # left out at each end of an interval
_DRAWS = 2000
_SEED = 7
DAY_MINUTES = 1440
_DAY_S = 86_400

_Pair = tuple[SeriesOutcome, PolicyRun, PolicyRun]


class Savings(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy saves against a rival on the same minutes.

    Parameters
    ----------
    policy, rival : str
        Who saves, against whom.
    saved_usd_per_month, saved_usd_per_year : float
        The rival's cost - the policy's, for 730 hours and for twelve times that; negative where
        the policy costs more.
    saved_fraction : float
        The same over the rival's cost; 0 where that is 0.
    low_fraction, high_fraction : float
        90 % interval of `saved_fraction` over days like those seen.
    day_count : int
        Whole days that were scored, of the longest series.
    violation_fraction, rival_violation_fraction : float
        What each missed meanwhile: a saving is only one where no more is missed.
    """

    policy: str
    rival: str
    saved_usd_per_month: float
    saved_usd_per_year: float
    saved_fraction: float
    low_fraction: float
    high_fraction: float
    day_count: int
    violation_fraction: float
    rival_violation_fraction: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a trial shows that it is worth it.

    Parameters
    ----------
    is_worth_it : bool
        Whether money is saved with no more requests over capacity, and surely enough.
    against : str
        The policy it was compared with.
    sentence : str
        For a person.
    reasons : tuple of str
        Why not, one clause each; empty when it is.
    """

    is_worth_it: bool
    against: str
    sentence: str
    reasons: tuple[str, ...] = ()


def savings(
    outcomes: Sequence[SeriesOutcome], policy: str, rival: str, scenario: Scenario
) -> Savings:
    """Return what a policy saves against a rival over all series.

    Parameters
    ----------
    outcomes : sequence of SeriesOutcome
        Those on which one of the two was not played are left out.
    policy, rival : str
        Names of two runs.
    scenario : Scenario
        Gives the prices.

    Returns
    -------
    Savings
        With its interval.
    """
    pairs: list[_Pair] = [
        (one, own, theirs)
        for one in outcomes
        for own in one.runs
        for theirs in one.runs
        if (own.policy, theirs.policy) == (policy, rival)
    ]
    own_usd, rival_usd = _by_day(pairs, scenario)
    minutes = max((own.score.scored_minute_count for _, own, _ in pairs), default=0)
    saved = _saved(own_usd.sum(), rival_usd.sum())
    low, high = _interval(own_usd, rival_usd)
    a_month = sum(cost_per_month(theirs) - cost_per_month(own) for _, own, theirs in pairs)
    return Savings(
        policy=policy,
        rival=rival,
        saved_usd_per_month=a_month,
        saved_usd_per_year=YEAR_MONTHS * a_month,
        saved_fraction=saved,
        low_fraction=min(low, saved),
        high_fraction=max(high, saved),
        day_count=minutes // DAY_MINUTES,
        violation_fraction=_missed((one, own) for one, own, _ in pairs),
        rival_violation_fraction=_missed((one, theirs) for one, _, theirs in pairs),
    )


def cheapest_within(sweep: Sweep, violation_fraction: float) -> tuple[str, float] | None:
    """Return the cheapest setting of a swept rival that misses no more, and its cost in USD.

    Parameters
    ----------
    sweep : Sweep
        A rival with every setting.
    violation_fraction : float
        What may be missed at most.

    Returns
    -------
    (str, float), optional
        None where every setting misses more.
    """
    enough = np.flatnonzero(sweep.violation_fraction <= violation_fraction)
    if not len(enough):
        return None
    best = int(enough[np.argmin(sweep.cost_usd[enough])])
    return sweep.settings[best], float(sweep.cost_usd[best])


def cost_per_month(run: PolicyRun) -> float:
    """Return what a run costs in USD for 730 hours of minutes like those scored."""
    hours = run.score.scored_minute_count * MINUTE_S / 3600
    return run.score.cost_usd / hours * MONTH_HOURS if hours else 0.0


def _by_day(pairs: Sequence[_Pair], scenario: Scenario) -> tuple[FloatArray, FloatArray]:
    """Return the cost of both on each day (UTC) with a scored minute, all series together.

    Each series is scaled to a month, so that one with a longer history weighs no more.
    """
    days: dict[int, list[float]] = {}
    for outcome, own, theirs in pairs:
        minutes = int(outcome.start.timestamp()) + MINUTE_S * np.arange(len(outcome.demand_rps))
        seen = np.isfinite(outcome.demand_rps)
        which, at = np.unique(minutes[seen] // _DAY_S, return_inverse=True)
        for place, run in enumerate((own, theirs)):
            billed = run.counts.billed(scenario.warm_price_fraction)[seen]
            usd = np.bincount(at, billed, len(which)) * scenario.price_usd_per_hour
            usd *= MONTH_HOURS / max(seen.sum(), 1)
            for day, cost in zip(which.tolist(), usd.tolist(), strict=True):
                days.setdefault(day, [0.0, 0.0])[place] += cost
    both = np.array([days[day] for day in sorted(days)], dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _interval(own_usd: FloatArray, rival_usd: FloatArray) -> tuple[float, float]:
    count = len(own_usd)
    if count == 0:
        return 0.0, 0.0
    length = max(1, round(count ** (1 / 3)))
    rng = np.random.default_rng(_SEED)
    first = rng.integers(0, count, size=(_DRAWS, -(-count // length)))
    drawn = (first[:, :, None] + np.arange(length)).reshape(_DRAWS, -1)[:, :count] % count
    own, rival = own_usd[drawn].sum(axis=1), rival_usd[drawn].sum(axis=1)
    saved = 1 - own[rival > 0] / rival[rival > 0]
    if not len(saved):
        return 0.0, 0.0
    low, high = np.quantile(saved, (_TAIL, 1 - _TAIL))
    return float(low), float(high)


def _saved(own_usd: float, rival_usd: float) -> float:
    return float(1 - own_usd / rival_usd) if rival_usd > 0 else 0.0


def _missed(runs: Iterable[tuple[SeriesOutcome, PolicyRun]]) -> float:
    # work, which is demand in instances, so that series of different units add up
    missed = work = 0.0
    for outcome, run in runs:
        load = float(np.nansum(outcome.demand_rps)) / outcome.capacity_rps
        missed += load * run.score.violation_fraction
        work += load
    return missed / work if work > 0 else 0.0
