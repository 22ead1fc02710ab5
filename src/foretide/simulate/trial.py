"""This file knows how a history is put to trial: what ran, what could have, and a verdict.

What ran is replayed by the referee's rules like any policy. What an instance serves is mostly not
known; it is read off the fleet at its busiest, which is to assume that it was just full then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import numpy as np

from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.backtest import Trace, backtest, trace_for
from foretide.simulate.classes import LoadClass
from foretide.simulate.counts import Counts, Score, score
from foretide.simulate.oracle import oracle_counts, oracle_front
from foretide.simulate.outcome import Front, PolicyRun, SeriesOutcome
from foretide.simulate.report.amounts import one_in, percent, usd
from foretide.simulate.report.summary import AS_RUN, ORACLE
from foretide.simulate.savings import Savings, Verdict
from foretide.simulate.scenario import MINUTE_S, Scenario
from foretide.store.journal import Journal

SCORED_DAYS_MIN = 7  # fewer say nothing of how much a week differs from the next
_LEARNING_DAYS = 7  # at most, and at most a third: a stranger's history is short
_BUSIEST_LEVEL = 0.999
_HELD_MINUTES = 60  # a count that nobody reported is taken to hold for so long
_KNOWN_FRACTION_MIN = 0.5
_UNSCORED = Score(
    violation_fraction=0.0, cost_usd=0.0, mean_billed_count=0.0, scored_minute_count=0
)


class Laid(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A history made ready for trial.

    Parameters
    ----------
    demand : Demand
        What was asked of the service.
    scenario : Scenario
        The rules, the capacity among them.
    fleet : ndarray, shape (minutes,), optional
        Instances that ran in every minute of the trace; None where nobody told.
    assumptions : tuple of str
        What had to be assumed, one sentence each.
    """

    demand: Demand
    scenario: Scenario
    fleet: FloatArray | None
    assumptions: tuple[str, ...]


def laid_out(
    demand: Demand,
    instances: Demand | None,
    scenario: Scenario,
    *,
    capacity_rps: float | None = None,
    held_fraction: float | None = None,
) -> Laid:
    """Return a history made ready for trial.

    Parameters
    ----------
    demand : Demand
        What was asked of the service.
    instances : Demand, optional
        How many ran.
    scenario : Scenario
        The rules, without a capacity.
    capacity_rps : float, optional
        What one instance serves; read off the fleet when absent, and where there is none, set so
        that the usual peak takes 50 instances.
    held_fraction : float, optional
        The utilisation that what ran was held at, where its owner knows; in (0, 2].

    Raises
    ------
    InputError
        When demand cannot be played, or too little is known of the instances.
    """
    days = (demand.end - demand.start) / timedelta(days=1)
    learning_days = round(min(_LEARNING_DAYS, days / 3), 1)
    scenario = msgspec.structs.replace(scenario, warmup_days=learning_days)
    given = {} if capacity_rps is None else {demand.series_id: capacity_rps}
    rules = msgspec.structs.replace(scenario, capacity_rps=given)
    trace = trace_for(demand, rules)
    fleet = None if instances is None else fleet_minutes(instances, trace)
    if capacity_rps is not None:
        told = f"An instance serves {capacity_rps:g} requests/s, as was said."
    elif fleet is not None:
        found_rps, told = _read_off(trace.minutes_rps, fleet, held_fraction)
        rules = msgspec.structs.replace(scenario, capacity_rps={demand.series_id: found_rps})
        trace_for(demand, rules)  # refused where it takes too many
    else:
        told = (
            f"An instance serves {trace.capacity_rps:.3g} requests/s, so that the usual peak takes "
            "50 of them: nobody said. Shares hold for other sizes, dollars do not; give "
            "--capacity, or --instances."
        )
    ran = ("What ran is paid for as counted, and all of it served.",) if instances else ()
    return Laid(demand=demand, scenario=rules, fleet=fleet, assumptions=(told, *ran))


def fleet_minutes(instances: Demand, trace: Trace) -> FloatArray:
    """Return how many instances ran in each minute of a trace.

    Parameters
    ----------
    instances : Demand
        Instances by bucket, NaN where nobody told.
    trace : Trace
        The demand they served.

    Returns
    -------
    ndarray, shape (minutes,)
        At least 1 where known. A count holds for an hour when none follows; then NaN.

    Raises
    ------
    InputError
        When less than half of the minutes are known.
    """
    minute_s = MINUTE_S * np.arange(len(trace.minutes_rps))
    offset_s = (trace.demand.start - instances.start).total_seconds()
    bucket = ((minute_s + offset_s) // instances.step_s).astype(np.int64)
    inside = (bucket >= 0) & (bucket < len(instances.values))
    told = np.full(len(minute_s), np.nan)
    told[inside] = instances.values[bucket[inside]]
    last = np.maximum.accumulate(np.where(np.isfinite(told), np.arange(len(told)), -1))
    held = (last >= 0) & (np.arange(len(told)) - last <= _HELD_MINUTES)
    known = np.where(held, np.maximum(told[np.maximum(last, 0)], 1), np.nan)
    both = np.isfinite(trace.minutes_rps)
    share = float(np.isfinite(known[both]).mean()) if both.any() else 0.0
    if share < _KNOWN_FRACTION_MIN:
        raise InputError(
            f"--instances: tells how many ran in only {percent(share)} of the minutes whose demand "
            "is known; give a query or file that covers the same time"
        )
    return known


def _read_off(
    minutes_rps: FloatArray, fleet: FloatArray, held_fraction: float | None
) -> tuple[float, str]:
    """Return what one instance serves, and how that is known."""
    each = minutes_rps / fleet
    each = each[np.isfinite(each)]
    busiest = float(np.quantile(each, _BUSIEST_LEVEL)) if len(each) else 0.0
    if not busiest > 0:
        raise InputError(
            "--instances: no request was served while instances were known; give --capacity, or "
            "a query that covers the time of the demand"
        )
    held = float(np.median(each)) / held_fraction if held_fraction else 0.0
    if held_fraction and held > busiest:
        found = float(f"{held:.3g}")
        return found, (
            f"An instance serves {found:g} requests/s: in the median minute each served "
            f"{held * held_fraction:.3g}, and that was to be {percent(held_fraction)} of it. If it "
            "serves more or less, say so by --capacity."
        )
    found = float(f"{busiest:.3g}")
    return found, (
        f"An instance serves {found:g} requests/s: what each served in the busiest minute of a "
        "thousand, as if it was just full then. If it can serve more, say so by --capacity: then "
        "what ran was larger than it had to be, and more would be saved. Or give the utilisation "
        "it was held at by --target."
    )


def tried(
    demand: Demand,
    *,
    fleet: FloatArray | None,
    scenario: Scenario,
    policies: Sequence[str],
    journal: Journal,
    progress: Callable[[float], None] = lambda _done: None,
) -> SeriesOutcome:
    """Play policies on a history, beside what ran, all scored where that is known.

    Parameters
    ----------
    demand : Demand
        The history.
    fleet : ndarray, shape (minutes,), optional
        Instances in every minute of its trace, NaN where not known; None: nobody told.
    scenario : Scenario
        The rules.
    policies : sequence of str
        As of a backtest; the oracle is always added.
    journal : Journal
        Where Foretide's ticks are written.
    progress : callable
        Told now and then which fraction is done, in [0, 1].

    Returns
    -------
    SeriesOutcome
        What ran first, then the policies in their order, the oracle last.
    """
    trace = trace_for(demand, scenario)
    minutes = trace.minutes_rps
    if fleet is not None:
        minutes = np.where(np.isfinite(fleet), minutes, np.nan)
    is_all_scored = bool((np.isnan(minutes) == np.isnan(trace.minutes_rps)).all())
    outcome = backtest(
        demand, scenario=scenario, policies=policies, journal=journal, progress=progress,
        is_swept=is_all_scored,  # a sweep is scored on every minute
    )  # fmt: skip
    runs = list(outcome.runs)
    if fleet is not None:
        runs.insert(0, _as_run(fleet[trace.first_scored :]))
    given = (minutes, trace.capacity_rps, scenario, trace.first_scored)
    runs.append(PolicyRun(policy=ORACLE, counts=_oracle_counts(*given), score=_UNSCORED))
    scored_rps = minutes[trace.first_scored :]
    return msgspec.structs.replace(
        outcome,
        demand_rps=scored_rps,
        runs=tuple(_rescored(run, scored_rps, trace.capacity_rps, scenario) for run in runs),
        front=_front(*given),
    )


def _as_run(fleet: FloatArray) -> PolicyRun:
    serving = np.rint(np.nan_to_num(fleet, nan=1.0)).astype(np.int64)
    none = np.zeros_like(serving)
    counts = Counts(serving=serving, warm=none, booting=none)
    return PolicyRun(policy=AS_RUN, counts=counts, score=_UNSCORED)


def _oracle_counts(
    minutes_rps: FloatArray, capacity_rps: float, scenario: Scenario, first: int
) -> Counts:
    whole = oracle_counts(
        minutes_rps, capacity_rps=capacity_rps, scenario=scenario, first_scored=first
    )
    return whole.from_minute(first)


def _front(minutes_rps: FloatArray, capacity_rps: float, scenario: Scenario, first: int) -> Front:
    return oracle_front(
        minutes_rps, capacity_rps=capacity_rps, scenario=scenario, first_scored=first
    )


def _rescored(
    run: PolicyRun, demand_rps: FloatArray, capacity_rps: float, scenario: Scenario
) -> PolicyRun:
    scored = score(
        run.counts,
        demand_rps,
        capacity_rps=capacity_rps,
        warm_price_fraction=scenario.warm_price_fraction,
        price_usd_per_hour=scenario.price_usd_per_hour,
    )
    return msgspec.structs.replace(run, score=scored)


def judge(saved: Savings, *, rival_name: str, load_class: LoadClass, objective: float) -> Verdict:
    """Return whether a saving is worth it, or each reason why it is not.

    Parameters
    ----------
    saved : Savings
        Against what ran, or against the rival its owner would run.
    rival_name : str
        How that is called in a sentence.
    load_class : LoadClass
        What kind of load it is.
    objective : float
        Fraction of requests allowed over capacity.
    """
    reasons = tuple(_reasons(saved, load_class, objective))
    between = f"{_share(saved.low_fraction)} to {_share(saved.high_fraction)}"
    if not reasons:
        sentence = (
            f"Worth it: {usd(saved.saved_usd_per_month)} a month less than {rival_name} "
            f"({_share(saved.saved_fraction)}; nine times in ten {between}), with "
            f"{one_in(saved.violation_fraction)} requests over capacity instead of "
            f"{one_in(saved.rival_violation_fraction)}; {one_in(objective)} is allowed."
        )
        return Verdict(is_worth_it=True, against=saved.rival, sentence=sentence)
    lead = "Too early to say" if saved.day_count < SCORED_DAYS_MIN else "Not worth it here"
    return Verdict(
        is_worth_it=False,
        against=saved.rival,
        sentence=f"{lead}: {'; '.join(reasons)}.",
        reasons=reasons,
    )


def _reasons(saved: Savings, load_class: LoadClass, objective: float) -> Sequence[str]:
    found: list[str] = []
    if saved.day_count < SCORED_DAYS_MIN:
        found.append(
            f"{saved.day_count} days could be scored, and it takes {SCORED_DAYS_MIN} to tell a "
            "saving from luck"
        )
    if load_class is LoadClass.SPIKY:
        found.append("the load is spiky: one event, or one instance, decides what it costs")
    if saved.violation_fraction > max(objective, saved.rival_violation_fraction):
        found.append(
            f"{one_in(saved.violation_fraction)} requests would have come over capacity instead of "
            f"{one_in(saved.rival_violation_fraction)}"
        )
    if saved.low_fraction <= 0:
        found.append(
            f"the saving is not certain: nine times in ten it lies between "
            f"{_share(saved.low_fraction)} and {_share(saved.high_fraction)}"
        )
    return found


def _share(fraction: float) -> str:
    return f"{100 * fraction:.0f} %".replace("-", "\N{MINUS SIGN}")
