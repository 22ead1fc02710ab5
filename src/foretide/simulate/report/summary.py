"""This file knows how a backtest is boiled down to the numbers of `summary.json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from foretide.simulate.classes import LoadClass, forecast_worth, series_class
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import PolicyRun, SeriesOutcome
from foretide.simulate.savings import Savings, Verdict, cost_per_month, savings
from foretide.simulate.scenario import Scenario

SUBJECT = "foretide"
ORACLE = "oracle"
AS_RUN = "as-run"


class PolicySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One policy on one series.

    Parameters
    ----------
    policy : str
        Its name.
    violation_fraction : float
        Requests over capacity / all requests, in [0, 1].
    objective_met : bool
        Whether that is no more than the objective.
    cost_usd, cost_usd_per_month : float
        Over the scored minutes, and the same rate for 730 hours.
    mean_billed_count : float
        Billed instances on average.
    cost_over_oracle : float, optional
        Cost / the clairvoyant's cost at max(violation, objective); None without an oracle.
    forecast_wape_fraction : float, optional
        Sum of |demand - median| / sum of demand, the median issued one boot time before; None
        where the policy forecasts nothing.
    band_coverage_fraction : float, optional
        Share of minutes whose demand lay within the 5-95 % band; nominally 0.9.
    """

    policy: str
    violation_fraction: float
    objective_met: bool
    cost_usd: float
    cost_usd_per_month: float
    mean_billed_count: float
    cost_over_oracle: float | None = None
    forecast_wape_fraction: float | None = None
    band_coverage_fraction: float | None = None


class SeriesSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All policies on one series.

    Parameters
    ----------
    series_id : str
        The series.
    start, end : datetime
        The scored period, aware UTC.
    scored_minute_count : int
        Minutes of it whose demand was observed.
    capacity_rps : float
        Requests/s of one instance.
    mean_demand_count, peak_demand_count : float
        Mean and 99.9 % quantile of demand, in instances.
    kind : LoadClass
        `forecastable`, `bursty`, `spiky` or `unknown`.
    policies : tuple of PolicySummary
        In the order of the command line.
    oracle_front : tuple of (float, float)
        Points (violation_fraction, cost_usd) of the clairvoyant's trade-off; empty without it.
    """

    series_id: str
    start: datetime
    end: datetime
    scored_minute_count: int
    capacity_rps: float
    mean_demand_count: float
    peak_demand_count: float
    kind: LoadClass
    policies: tuple[PolicySummary, ...]
    oracle_front: tuple[tuple[float, float], ...]


class TotalSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One policy over all series it was played on.

    Parameters
    ----------
    policy : str
        Its name.
    series_count, objective_met_count : int
        Series it was played on, and those on which it met the objective.
    violation_fraction : float
        Work over capacity / all work, where work is demand in instances, so that series of
        different units can be added.
    cost_usd, cost_usd_per_month, mean_billed_count : float
        Sums over the series.
    cost_over_oracle : float, optional
        Sum of costs / sum of the clairvoyant's costs at the same violations (never below the
        objective); None where a series has no oracle.
    """

    policy: str
    series_count: int
    objective_met_count: int
    violation_fraction: float
    cost_usd: float
    cost_usd_per_month: float
    mean_billed_count: float
    cost_over_oracle: float | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backtest.

    Parameters
    ----------
    scenario : Scenario
        The rules it was played by.
    series : tuple of SeriesSummary
        Each series.
    totals : tuple of TotalSummary
        Each policy, in the order in which they first appear.
    totals_by_kind : dict of LoadClass to tuple of TotalSummary
        The same over the series of each kind that occurs: one spiky series can decide a sum.
    savings : tuple of Savings
        What the policy the report is about saves against each other one that could be run.
    verdict : Verdict, optional
        Of a trial.
    """

    scenario: Scenario
    series: tuple[SeriesSummary, ...]
    totals: tuple[TotalSummary, ...]
    totals_by_kind: dict[LoadClass, tuple[TotalSummary, ...]]
    savings: tuple[Savings, ...] = ()
    verdict: Verdict | None = None


def summary(
    outcomes: Sequence[SeriesOutcome], scenario: Scenario, verdict: Verdict | None = None
) -> dict[str, Any]:
    """Return what `summary.json` holds: `Summary` as plain JSON values.

    Parameters
    ----------
    outcomes : sequence of SeriesOutcome
        All that was played.
    scenario : Scenario
        The rules it was played by.
    verdict : Verdict, optional
        Of a trial.

    Returns
    -------
    dict
        Keys `scenario`, `series`, `totals`, `totals_by_kind`, `savings`, `verdict`; see `Summary`
        for what they hold.
    """
    return msgspec.to_builtins(summarise(outcomes, scenario, verdict))


def summarise(
    outcomes: Sequence[SeriesOutcome], scenario: Scenario, verdict: Verdict | None = None
) -> Summary:
    """Boil all that was played down to its numbers.

    Parameters
    ----------
    outcomes : sequence of SeriesOutcome
        All that was played.
    scenario : Scenario
        The rules it was played by.
    verdict : Verdict, optional
        Of a trial.

    Returns
    -------
    Summary
        One entry per series, and one per policy over all series.
    """
    series = tuple(_series_summary(outcome, scenario) for outcome in outcomes)
    totals = _totals(series)
    names = [total.policy for total in totals]
    subject = subject_of(names)
    by_kind: dict[LoadClass, tuple[TotalSummary, ...]] = {
        kind: _totals([s for s in series if s.kind == kind])
        for kind in LoadClass
        if any(s.kind == kind for s in series)
    }
    return Summary(
        scenario=scenario,
        series=series,
        totals=totals,
        totals_by_kind=by_kind,
        savings=tuple(
            savings(outcomes, subject, name, scenario)
            for name in names
            if name not in {subject, ORACLE} and subject != ORACLE
        ),
        verdict=verdict,
    )


def subject_of(names: Sequence[str]) -> str:
    """Return the policy a report is about: Foretide's own, else the first that is no oracle."""
    if SUBJECT in names:
        return SUBJECT
    return next((name for name in names if name != ORACLE), names[0])


def rival_of(names: Sequence[str]) -> str | None:
    """Return the policy to compare with: what ran, else an HPA, else any that is no oracle."""
    others = [name for name in names if name not in {subject_of(names), ORACLE}]
    for wanted in (AS_RUN, "hpa"):
        for name in others:
            if name == wanted or name.startswith(f"{wanted}@"):
                return name
    return others[0] if others else None


def _series_summary(outcome: SeriesOutcome, scenario: Scenario) -> SeriesSummary:
    band = next((run.band for run in outcome.runs if run.band is not None), None)
    known = series_class(outcome.demand_rps, band, outcome.capacity_rps)
    policies = tuple(_policy_summary(run, outcome, scenario) for run in outcome.runs)
    front = outcome.front
    points = () if front is None else zip(front.violation_fraction, front.cost_usd, strict=True)
    return SeriesSummary(
        series_id=outcome.series_id,
        start=outcome.start,
        end=outcome.start + timedelta(minutes=len(outcome.demand_rps)),
        scored_minute_count=outcome.runs[0].score.scored_minute_count,
        capacity_rps=outcome.capacity_rps,
        mean_demand_count=known.mean_count,
        peak_demand_count=known.peak_count,
        kind=known.load_class,
        policies=policies,
        oracle_front=tuple((float(v), float(cost)) for v, cost in points),
    )


def _policy_summary(run: PolicyRun, outcome: SeriesOutcome, scenario: Scenario) -> PolicySummary:
    score = run.score
    wape, coverage = forecast_worth(outcome.demand_rps, run.band)
    ratio = None
    if outcome.front is not None:
        allowed = max(score.violation_fraction, scenario.objective)
        limit_usd = front_cost_at(outcome.front, allowed)
        ratio = score.cost_usd / limit_usd if limit_usd > 0 else None
    return PolicySummary(
        policy=run.policy,
        violation_fraction=score.violation_fraction,
        objective_met=score.violation_fraction <= scenario.objective,
        cost_usd=score.cost_usd,
        cost_usd_per_month=cost_per_month(run),
        mean_billed_count=score.mean_billed_count,
        cost_over_oracle=ratio,
        forecast_wape_fraction=wape,
        band_coverage_fraction=coverage,
    )


def _totals(series: Sequence[SeriesSummary]) -> tuple[TotalSummary, ...]:
    names = dict.fromkeys(p.policy for s in series for p in s.policies)
    return tuple(_total(name, series) for name in names)


def _total(name: str, series: Sequence[SeriesSummary]) -> TotalSummary:
    played = [(s, p) for s in series for p in s.policies if p.policy == name]
    work = [s.mean_demand_count * s.scored_minute_count for s, _ in played]
    unmet = [w * p.violation_fraction for w, (_, p) in zip(work, played, strict=True)]
    cost_usd = sum(p.cost_usd for _, p in played)
    limits = [p.cost_usd / p.cost_over_oracle for _, p in played if p.cost_over_oracle]
    has_limit = len(limits) == len(played) and sum(limits) > 0
    return TotalSummary(
        policy=name,
        series_count=len(played),
        objective_met_count=sum(p.objective_met for _, p in played),
        violation_fraction=sum(unmet) / sum(work) if sum(work) > 0 else 0.0,
        cost_usd=cost_usd,
        cost_usd_per_month=sum(p.cost_usd_per_month for _, p in played),
        mean_billed_count=sum(p.mean_billed_count for _, p in played),
        cost_over_oracle=cost_usd / sum(limits) if has_limit else None,
    )
