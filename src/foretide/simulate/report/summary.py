"""This file knows how a backtest is boiled down to the numbers of `summary.json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import Band, PolicyRun, SeriesOutcome
from foretide.simulate.scenario import MINUTE_S, Scenario

MONTH_HOURS = 730.0  # an average month, as cloud price lists count it
SUBJECT = "foretide"
ORACLE = "oracle"
_PEAK_LEVEL = 0.999
_SPIKY_BELOW = 0.1  # mean demand / peak demand
_FORECASTABLE_UP_TO = 0.07  # WAPE at lead = boot

Kind = Literal["forecastable", "bursty", "spiky", "unknown"]
KINDS: tuple[Kind, ...] = get_args(Kind)


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
    kind : str
        `spiky` when the mean is under a tenth of the peak; else `forecastable` when the forecast
        one boot ahead was off by at most 7 % (WAPE), else `bursty`; `unknown` without a forecast.
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
    kind: Kind
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
    totals_by_kind : dict of str to tuple of TotalSummary
        The same over the series of each kind that occurs: one spiky series can decide a sum.
    """

    scenario: Scenario
    series: tuple[SeriesSummary, ...]
    totals: tuple[TotalSummary, ...]
    totals_by_kind: dict[Kind, tuple[TotalSummary, ...]]


def summary(outcomes: Sequence[SeriesOutcome], scenario: Scenario) -> dict[str, Any]:
    """Return what `summary.json` holds: `Summary` as plain JSON values.

    Parameters
    ----------
    outcomes : sequence of SeriesOutcome
        All that was played.
    scenario : Scenario
        The rules it was played by.

    Returns
    -------
    dict
        Keys `scenario`, `series`, `totals`, `totals_by_kind`; see `Summary` for what they hold.
    """
    return msgspec.to_builtins(summarise(outcomes, scenario))


def summarise(outcomes: Sequence[SeriesOutcome], scenario: Scenario) -> Summary:
    """Boil all that was played down to its numbers.

    Parameters
    ----------
    outcomes : sequence of SeriesOutcome
        All that was played.
    scenario : Scenario
        The rules it was played by.

    Returns
    -------
    Summary
        One entry per series, and one per policy over all series.
    """
    series = tuple(_series_summary(outcome, scenario) for outcome in outcomes)
    by_kind: dict[Kind, tuple[TotalSummary, ...]] = {
        kind: _totals([s for s in series if s.kind == kind])
        for kind in KINDS
        if any(s.kind == kind for s in series)
    }
    return Summary(
        scenario=scenario,
        series=series,
        totals=_totals(series),
        totals_by_kind=by_kind,
    )


def subject_of(names: Sequence[str]) -> str:
    """Return the policy a report is about: Foretide's own, else the first that is no oracle."""
    if SUBJECT in names:
        return SUBJECT
    return next((name for name in names if name != ORACLE), names[0])


def _series_summary(outcome: SeriesOutcome, scenario: Scenario) -> SeriesSummary:
    counts = outcome.demand_rps / outcome.capacity_rps
    seen = counts[np.isfinite(counts)]
    mean = float(seen.mean()) if len(seen) else 0.0
    peak = float(np.quantile(seen, _PEAK_LEVEL)) if len(seen) else 0.0
    policies = tuple(_policy_summary(run, outcome, scenario) for run in outcome.runs)
    front = outcome.front
    points = () if front is None else zip(front.violation_fraction, front.cost_usd, strict=True)
    return SeriesSummary(
        series_id=outcome.series_id,
        start=outcome.start,
        end=outcome.start + timedelta(minutes=len(outcome.demand_rps)),
        scored_minute_count=len(seen),
        capacity_rps=outcome.capacity_rps,
        mean_demand_count=mean,
        peak_demand_count=peak,
        kind=_kind(mean, peak, policies),
        policies=policies,
        oracle_front=tuple((float(v), float(cost)) for v, cost in points),
    )


def _policy_summary(run: PolicyRun, outcome: SeriesOutcome, scenario: Scenario) -> PolicySummary:
    score = run.score
    hours = score.scored_minute_count * MINUTE_S / 3600
    wape, coverage = _forecast_worth(run.band, outcome)
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
        cost_usd_per_month=score.cost_usd / hours * MONTH_HOURS if hours else 0.0,
        mean_billed_count=score.mean_billed_count,
        cost_over_oracle=ratio,
        forecast_wape_fraction=wape,
        band_coverage_fraction=coverage,
    )


def _forecast_worth(band: Band | None, outcome: SeriesOutcome) -> tuple[float | None, float | None]:
    if band is None:
        return None, None
    demand = outcome.demand_rps
    both = np.isfinite(demand) & np.isfinite(band.median_rps)
    if not demand[both].sum() > 0:
        return None, None
    wape = np.abs(demand[both] - band.median_rps[both]).sum() / demand[both].sum()
    within = (demand[both] >= band.low_rps[both]) & (demand[both] <= band.high_rps[both])
    return float(wape), float(within.mean())


def _kind(mean: float, peak: float, policies: Sequence[PolicySummary]) -> Kind:
    if mean < _SPIKY_BELOW * peak:
        return "spiky"
    wapes = [p.forecast_wape_fraction for p in policies if p.forecast_wape_fraction is not None]
    if not wapes:
        return "unknown"
    return "forecastable" if wapes[0] <= _FORECASTABLE_UP_TO else "bursty"


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
