"""This file knows how policies are compared on a trace: the same minutes, the same rules.

Demand is held within its bucket. A policy's counts of a minute depend only on demand before it;
the oracle alone knows the future, and is the limit, not a rival.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import numpy as np

from foretide.demand.total import by_the_minute
from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import Counts, score
from foretide.simulate.disturb import disturbed
from foretide.simulate.faults import NO_FAULTS, Faults
from foretide.simulate.oracle import oracle_counts, oracle_front
from foretide.simulate.outcome import Band, PolicyRun, SeriesOutcome
from foretide.simulate.play import Play
from foretide.simulate.rivals.registry import RIVALS, check_rival, rival_counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario
from foretide.simulate.sweep import swept
from foretide.store.journal import Journal

DAY_MINUTES = 1440
_PEAK_LEVEL = 0.999
_PEAK_INSTANCES = 50
_MAX_STEP_S = 3600

FORETIDE, ORACLE = "foretide", "oracle"
POLICIES = (FORETIDE, *RIVALS, ORACLE)


class Trace(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A series laid out for play.

    Parameters
    ----------
    demand : Demand
        The series, as policies see it.
    minutes_rps : ndarray, shape (minutes,)
        Its demand in every minute, NaN where not observed: what is scored.
    seen_rps : ndarray, shape (minutes,)
        The same as policies see it.
    first_scored : int
        First minute after the warm-up.
    capacity_rps : float
        Requests/s of one instance.
    """

    demand: Demand
    minutes_rps: FloatArray
    seen_rps: FloatArray
    first_scored: int
    capacity_rps: float


def trace_for(demand: Demand, scenario: Scenario, faults: Faults = NO_FAULTS) -> Trace:
    """Return a series laid out by the scenario's rules.

    Parameters
    ----------
    demand : Demand
        Buckets of at most an hour that divide a minute or are whole minutes.
    scenario : Scenario
        Gives the warm-up and the capacity.
    faults : Faults
        Those of demand and of its measurement are worked into it.

    Raises
    ------
    InputError
        When its buckets are no whole minutes or longer than an hour, nothing in it was observed, or
        the peak of its warm-up takes more instances than can be played.
    """
    demand = by_the_minute(demand)
    if demand.step_s % MINUTE_S or demand.step_s > _MAX_STEP_S:
        raise InputError(
            f"{demand.series_id}: buckets of {demand.step_s} s cannot be played minute by minute; "
            f"give demand in whole minutes, an hour at most"
        )
    minutes = _minutes_rps(demand)  # an instance is sized by what was, not by what goes wrong
    first = int(min(scenario.warmup_days * DAY_MINUTES, len(minutes) // 2))
    if not np.isfinite(minutes[first:]).any():
        raise InputError(f"{demand.series_id}: no demand was observed after the warm-up")
    usual_rps = _usual_peak_rps(minutes[: max(first, 1)])
    capacity = scenario.capacity_rps.get(demand.series_id, usual_rps / _PEAK_INSTANCES)
    if not capacity > 0:
        raise InputError(
            f"{demand.series_id}: no demand in the warm-up to size an instance by; "
            f"give its requests/s per instance under [capacity_rps] in the scenario"
        )
    if usual_rps > capacity * FLEET_MAX_COUNT:
        raise InputError(
            f"{demand.series_id}: its usual peak of {usual_rps:g} requests/s takes more than "
            f"{FLEET_MAX_COUNT} instances of {capacity:g}; give more under [capacity_rps]"
        )
    changed = disturbed(demand, faults)
    return Trace(
        demand=changed.seen,
        minutes_rps=_minutes_rps(changed.actual),
        seen_rps=_minutes_rps(changed.seen),
        first_scored=first,
        capacity_rps=capacity,
    )


def _minutes_rps(demand: Demand) -> FloatArray:
    return np.repeat(demand.values / demand.step_s, demand.step_s // MINUTE_S)


def _usual_peak_rps(warmup_rps: FloatArray) -> float:
    """Return the 99.9 % quantile of the warm-up; what comes later must decide nothing."""
    seen = warmup_rps[np.isfinite(warmup_rps)]
    return float(np.quantile(seen, _PEAK_LEVEL)) if len(seen) else 0.0


def check_policies(policies: Sequence[str], demands: Sequence[Demand] = ()) -> None:
    """Refuse a policy that is not known, or cannot be played on a series.

    Raises
    ------
    InputError
        Naming the policy and those that are known, or what is wrong with its settings or file.
    """
    for policy in policies:
        if policy not in {FORETIDE, ORACLE}:
            check_rival(policy, demands)
    if len(set(policies)) != len(policies):
        raise InputError("--policy: give each policy once")


def backtest(
    demand: Demand,
    *,
    scenario: Scenario,
    policies: Sequence[str],
    journal: Journal,
    faults: Faults = NO_FAULTS,
    is_swept: bool = False,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> SeriesOutcome:
    """Play policies on one series.

    Parameters
    ----------
    demand : Demand
        The series.
    scenario : Scenario
        The rules.
    policies : sequence of str
        Of `POLICIES`; rivals with their settings, such as `hpa@0.5`.
    journal : Journal
        Where Foretide's ticks are written.
    faults : Faults
        What goes wrong. Demand, and what is seen of it, goes wrong for every policy alike; the
        platform's own mishaps befall Foretide alone.
    is_swept : bool
        Whether rivals that have a target are played with every other one besides.
    progress : callable
        Told now and then which fraction of the series is done, in [0, 1].

    Returns
    -------
    SeriesOutcome
        Counts and scores of the scored minutes.

    Raises
    ------
    InputError
        When the series cannot be played or a policy is not known.
    """
    check_policies(policies, [demand])
    trace = trace_for(demand, scenario, faults)
    if FORETIDE not in policies:
        runs = [_rival(name, trace, scenario) for name in policies]
        return _outcome(trace, scenario, runs, is_swept=is_swept)
    play = Play(
        trace.demand, scenario=scenario, capacity_rps=trace.capacity_rps, journal=journal,
        faults=faults,
    )  # fmt: skip
    for moment in play.moments():
        if moment.minute % DAY_MINUTES == 0:
            progress(moment.minute / play.minute_count)
    others = [name for name in policies if name != FORETIDE]
    outcome = finish(trace, scenario, play, policies=others, is_swept=is_swept)
    ordered = sorted(outcome.runs, key=lambda run: policies.index(run.policy))
    return msgspec.structs.replace(outcome, runs=tuple(ordered))


def finish(
    trace: Trace,
    scenario: Scenario,
    play: Play,
    *,
    policies: Sequence[str],
    is_swept: bool = False,
) -> SeriesOutcome:
    """Return what a play came to, beside the other policies on the same trace.

    Parameters
    ----------
    trace : Trace
        The series.
    scenario : Scenario
        The rules.
    play : Play
        Foretide's, played to the end.
    policies : sequence of str
        The others: rivals and `oracle`.
    is_swept : bool
        Whether rivals that have a target are played with every other one besides.
    """
    counts = play.counts().from_minute(trace.first_scored)
    own = _scored(FORETIDE, counts, trace, scenario, play.band(trace.first_scored))
    rivals = [_rival(name, trace, scenario) for name in policies]
    return _outcome(trace, scenario, [own, *rivals], is_swept=is_swept)


def _outcome(
    trace: Trace, scenario: Scenario, runs: Sequence[PolicyRun], *, is_swept: bool
) -> SeriesOutcome:
    front = None
    if any(run.policy == ORACLE for run in runs):
        front = oracle_front(
            trace.minutes_rps,
            capacity_rps=trace.capacity_rps,
            scenario=scenario,
            first_scored=trace.first_scored,
        )
    names = [run.policy for run in runs] if is_swept else []
    return SeriesOutcome(
        series_id=trace.demand.series_id,
        start=trace.demand.start + timedelta(minutes=trace.first_scored),
        demand_rps=trace.minutes_rps[trace.first_scored :],
        capacity_rps=trace.capacity_rps,
        runs=tuple(runs),
        front=front,
        sweeps=swept(names, lambda name: _rival(name, trace, scenario).score),
    )


def _rival(policy: str, trace: Trace, scenario: Scenario) -> PolicyRun:
    if policy == ORACLE:
        counts = oracle_counts(
            trace.minutes_rps,
            capacity_rps=trace.capacity_rps,
            scenario=scenario,
            first_scored=trace.first_scored,
        )
    else:
        counts = rival_counts(
            policy,
            demand=trace.demand,
            minutes_rps=trace.seen_rps,
            scenario=scenario,
            capacity_rps=trace.capacity_rps,
            first_scored=trace.first_scored,
        )
    return _scored(policy, counts.from_minute(trace.first_scored), trace, scenario, None)


def _scored(
    policy: str, counts: Counts, trace: Trace, scenario: Scenario, band: Band | None
) -> PolicyRun:
    scored = score(
        counts,
        trace.minutes_rps[trace.first_scored :],
        capacity_rps=trace.capacity_rps,
        warm_price_fraction=scenario.warm_price_fraction,
        price_usd_per_hour=scenario.price_usd_per_hour,
    )
    return PolicyRun(policy=policy, counts=counts, score=scored, band=band)
