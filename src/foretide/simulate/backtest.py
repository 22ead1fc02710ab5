"""This file knows how policies are compared on a trace: the same minutes, the same rules.

Demand is held within its bucket. A policy's counts of a minute depend only on demand before it;
the oracle alone knows the future, and is the limit, not a rival.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np

from foretide.demand.total import by_the_minute
from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import Counts, score
from foretide.simulate.oracle import oracle_counts, oracle_front
from foretide.simulate.outcome import Band, PolicyRun, SeriesOutcome
from foretide.simulate.play import Play
from foretide.simulate.record import journal_path
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario
from foretide.store.journal import FileJournal, Journal

DAY_MINUTES = 1440
_PEAK_LEVEL = 0.999
_PEAK_INSTANCES = 50
_MAX_STEP_S = 3600

DEFAULT_TARGET = 0.7  # of an HPA whose owner says nothing else
POLICIES = ("foretide", "hpa", "oracle")


class Trace(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A series laid out for play.

    Parameters
    ----------
    demand : Demand
        The series.
    minutes_rps : ndarray, shape (minutes,)
        Its demand in every minute, NaN where not observed.
    first_scored : int
        First minute after the warm-up.
    capacity_rps : float
        Requests/s of one instance.
    """

    demand: Demand
    minutes_rps: FloatArray
    first_scored: int
    capacity_rps: float


def trace_for(demand: Demand, scenario: Scenario) -> Trace:
    """Return a series laid out by the scenario's rules.

    Parameters
    ----------
    demand : Demand
        Buckets of at most an hour that divide a minute or are whole minutes.
    scenario : Scenario
        Gives the warm-up and the capacity.

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
    minutes = np.repeat(demand.values / demand.step_s, demand.step_s // MINUTE_S)
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
    return Trace(demand=demand, minutes_rps=minutes, first_scored=first, capacity_rps=capacity)


def _usual_peak_rps(warmup_rps: FloatArray) -> float:
    """Return the 99.9 % quantile of the warm-up; what comes later must decide nothing."""
    seen = warmup_rps[np.isfinite(warmup_rps)]
    return float(np.quantile(seen, _PEAK_LEVEL)) if len(seen) else 0.0


def check_policies(policies: Sequence[str]) -> None:
    """Refuse a policy that is not known.

    Raises
    ------
    InputError
        Naming the policy and those that are known.
    """
    for policy in policies:
        name, _, target = policy.partition("@")
        if policy not in POLICIES and not (name == "hpa" and _is_fraction(target)):
            raise InputError(
                f"--policy {policy}: not known; give one of {', '.join(POLICIES)}, "
                f"or hpa@TARGET with a utilisation such as hpa@0.5"
            )
    if len(set(policies)) != len(policies):
        raise InputError("--policy: give each policy once")


def _is_fraction(text: str) -> bool:
    try:
        return 0 < float(text) <= 2
    except ValueError:
        return False


def backtest(
    demand: Demand,
    *,
    scenario: Scenario,
    policies: Sequence[str],
    journal: Journal,
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
        Of `POLICIES`, or `hpa@TARGET`.
    journal : Journal
        Where Foretide's ticks are written.
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
    check_policies(policies)
    trace = trace_for(demand, scenario)
    if "foretide" not in policies:
        return _outcome(trace, scenario, [_rival(name, trace, scenario) for name in policies])
    play = Play(trace.demand, scenario=scenario, capacity_rps=trace.capacity_rps, journal=journal)
    for moment in play.moments():
        if moment.minute % DAY_MINUTES == 0:
            progress(moment.minute / play.minute_count)
    others = [name for name in policies if name != "foretide"]
    outcome = finish(trace, scenario, play, policies=others)
    ordered = sorted(outcome.runs, key=lambda run: policies.index(run.policy))
    return msgspec.structs.replace(outcome, runs=tuple(ordered))


def finish(
    trace: Trace, scenario: Scenario, play: Play, *, policies: Sequence[str]
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
        The others: `hpa`, `hpa@TARGET`, `oracle`.
    """
    counts = play.counts().from_minute(trace.first_scored)
    own = _scored("foretide", counts, trace, scenario, play.band(trace.first_scored))
    rivals = [_rival(name, trace, scenario) for name in policies]
    return _outcome(trace, scenario, [own, *rivals])


def _outcome(trace: Trace, scenario: Scenario, runs: Sequence[PolicyRun]) -> SeriesOutcome:
    front = None
    if any(run.policy == "oracle" for run in runs):
        front = oracle_front(
            trace.minutes_rps,
            capacity_rps=trace.capacity_rps,
            scenario=scenario,
            first_scored=trace.first_scored,
        )
    return SeriesOutcome(
        series_id=trace.demand.series_id,
        start=trace.demand.start + timedelta(minutes=trace.first_scored),
        demand_rps=trace.minutes_rps[trace.first_scored :],
        capacity_rps=trace.capacity_rps,
        runs=tuple(runs),
        front=front,
    )


def play_all(
    demands: Sequence[Demand],
    *,
    scenario: Scenario,
    policies: Sequence[str],
    folder: Path,
    jobs: int = 0,
    progress: Callable[[float], None] = lambda _done: None,
) -> list[SeriesOutcome]:
    """Play policies on several series, as many at once as there are cores.

    Parameters
    ----------
    demands : sequence of Demand
        The series.
    scenario : Scenario
        The rules.
    policies : sequence of str
        Of `POLICIES`, or `hpa@TARGET`.
    folder : Path
        Below it the journal of each series is written anew.
    jobs : int
        Series played at once; 0 = one per core.
    progress : callable
        Told how many series are done, with fractions while a single one is played.

    Returns
    -------
    list of SeriesOutcome
        In the order of `demands`, whatever order they ended in.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(demands))
    if jobs <= 1:
        outcomes = list[SeriesOutcome]()
        for done, demand in enumerate(demands):
            outcomes.append(
                _play_one(demand, scenario, tuple(policies), folder,
                          lambda fraction, done=done: progress(done + fraction))
            )  # fmt: skip
        progress(len(demands))
        return outcomes
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        played = [
            pool.submit(_play_one, demand, scenario, tuple(policies), folder) for demand in demands
        ]
        for done, _ in enumerate(as_completed(played), 1):
            progress(done)
        return [future.result() for future in played]


def _play_one(
    demand: Demand,
    scenario: Scenario,
    policies: tuple[str, ...],
    folder: Path,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> SeriesOutcome:
    path = journal_path(folder, demand.series_id)
    path.unlink(missing_ok=True)
    with FileJournal(path, is_durable=False) as journal:
        return backtest(
            demand, scenario=scenario, policies=policies, journal=journal, progress=progress
        )


def _rival(policy: str, trace: Trace, scenario: Scenario) -> PolicyRun:
    if policy == "oracle":
        counts = oracle_counts(
            trace.minutes_rps,
            capacity_rps=trace.capacity_rps,
            scenario=scenario,
            first_scored=trace.first_scored,
        )
    else:
        _, _, target = policy.partition("@")
        counts = hpa_counts(
            trace.minutes_rps,
            capacity_rps=trace.capacity_rps,
            scenario=scenario,
            target=float(target or DEFAULT_TARGET),
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
