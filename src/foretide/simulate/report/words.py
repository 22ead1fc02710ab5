"""This file knows how the report says its numbers in words a manager understands."""

from __future__ import annotations

from collections.abc import Iterable

from foretide.simulate.report.amounts import percent, usd
from foretide.simulate.report.summary import (
    ORACLE,
    SeriesSummary,
    Summary,
    TotalSummary,
    subject_of,
)
from foretide.simulate.scenario import Scenario

_NAMES = {"foretide": "Foretide", "hpa": "HPA", "oracle": "Oracle"}
_KINDS = {
    "forecastable": "forecastable: demand one start-up ahead was foreseen within 7 %, so capacity "
    "can be there before demand is",
    "bursty": "bursty: demand one start-up ahead was missed by more than 7 %, so some reserve has "
    "to be paid for",
    "spiky": "spiky: the mean is under a tenth of the peak, so one event decides the outcome and "
    "no policy should be judged by it",
    "unknown": "of unknown kind: no policy here made a forecast",
}

_RATIO, _TOGETHER, _BAND = "÷ oracle", "All series together", "Expected range"
_KIND = "Forecastable, bursty, spiky"
_MEANINGS = {
    "Requests over capacity": "The share of all requests that came while every serving instance "
    "was full. The lower it is, the fewer users wait or see errors.",
    "A month": "What the instances cost that served, booted or were held warm, at the scenario's "
    "price and for an average month of 730 hours.",
    _RATIO: "Cost divided by the cost of a clairvoyant who knows all demand beforehand and may "
    "miss as many requests (or the objective, where that is more). Nothing can beat 1.00.",
    _TOGETHER: "Costs add up. Requests over capacity are weighted by the instances that demand "
    "takes, so that series in different units can be compared.",
    _KIND: "Forecastable: the forecast one start-up ahead was off by at most 7 %. Bursty: by more. "
    "Spiky: mean demand is under a tenth of the peak, so a single event decides the outcome.",
    _BAND: "Where demand was expected one start-up time before; nine minutes of ten should fall "
    "within it.",
}


def display_name(policy: str) -> str:
    """Return how a policy is called on the page."""
    return _NAMES.get(policy, policy)


def headline(summary: Summary) -> list[str]:
    """Return what it all comes to, in two or three sentences.

    Parameters
    ----------
    summary : Summary
        The whole backtest, with one policy at least.

    Returns
    -------
    list of str
        Money first, then requests over capacity; never one without the other.
    """
    totals = {total.policy: total for total in summary.totals}
    subject = totals[subject_of(list(totals))]
    rivals = [t for t in summary.totals if t.policy not in (subject.policy, ORACLE)]
    rival = totals.get("hpa") or (rivals[0] if rivals else None)
    if rival is subject:
        rival = rivals[0] if rivals else None
    objective = summary.scenario.objective
    sentences = [_money(subject, rival, objective), _misses(subject, rival, objective)]
    if subject.cost_over_oracle is not None and subject.policy != ORACLE:
        sentences.append(_limit(subject))
    return sentences


def _money(subject: TotalSummary, rival: TotalSummary | None, objective: float) -> str:
    cost = f"{display_name(subject.policy)} costs {usd(subject.cost_usd_per_month)} a month"
    if rival is None or not rival.cost_usd_per_month > 0:
        return f"{cost}{_but(subject, None, objective)}."
    against = f"{_against(subject, rival)} ({usd(rival.cost_usd_per_month)})"
    return f"{cost}, {against}{_but(subject, rival, objective)}."


def _against(subject: TotalSummary, rival: TotalSummary) -> str:
    change = subject.cost_usd_per_month / rival.cost_usd_per_month - 1
    name = display_name(rival.policy)
    if abs(change) < 0.005:
        return f"as much as {name}"
    return f"{percent(abs(change))} {'less' if change < 0 else 'more'} than {name}"


def _but(subject: TotalSummary, rival: TotalSummary | None, objective: float) -> str:
    # A price is only good or bad together with what it buys, so the big line never hides this.
    is_met = subject.violation_fraction <= objective
    if rival is None:
        return "" if is_met else ", and misses the objective"
    is_rival_met = rival.violation_fraction <= objective
    if is_met:
        return (
            "" if is_rival_met else f", and meets the objective {display_name(rival.policy)} misses"
        )
    if is_rival_met:
        return f", but misses the objective {display_name(rival.policy)} meets"
    return "; both miss the objective"


def _misses(subject: TotalSummary, rival: TotalSummary | None, objective: float) -> str:
    verdict = "within" if subject.violation_fraction <= objective else "above"
    text = (
        f"{display_name(subject.policy)} let {percent(subject.violation_fraction)} of requests "
        f"exceed capacity, {verdict} the {percent(objective)} allowed{_on(subject)}"
    )
    if rival is None:
        return f"{text}."
    theirs = f"{display_name(rival.policy)} let {percent(rival.violation_fraction)}{_on(rival)}"
    return f"{text}; {theirs}."


def _on(total: TotalSummary) -> str:
    if total.series_count == 1:
        return ""
    return f" (objective met on {total.objective_met_count} of {total.series_count} series)"


def _limit(subject: TotalSummary) -> str:
    ratio = subject.cost_over_oracle or 1.0
    least = usd(subject.cost_usd_per_month / ratio)
    over = f"{percent(ratio - 1)} above" if ratio >= 1.0005 else "equal to"
    return (
        f"{display_name(subject.policy)}'s cost is {over} the least any planner could have spent "
        f"for as few misses ({least}), which is known only in hindsight."
    )


def rules(scenario: Scenario) -> list[str]:
    """Return the rules a backtest is played by, one sentence each."""
    warm = (
        f"A warm instance costs {percent(scenario.warm_price_fraction)} of a serving one and "
        f"serves {scenario.wake_s:g} s after it is woken."
        if scenario.has_warm_pool
        else "There is no warm pool: a warm instance would cost as much as a serving one."
    )
    price = usd(scenario.price_usd_per_hour, decimals=4)
    return [
        f"At most {percent(scenario.objective)} of requests may exceed capacity: the objective.",
        f"An instance costs {price} an hour while it serves or boots.",
        f"It serves {scenario.boot_minutes} min after its launch and is paid for from the launch.",
        warm,
        "A count at a minute depends only on the demand of minutes before it.",
        "A request over capacity counts once, in its minute; nothing carries over.",
        "A minute whose demand was not observed is neither scored nor paid for.",
        f"The first {scenario.warmup_days:g} days, at most half of a series, are not scored.",
    ]


def meanings(summary: Summary) -> list[tuple[str, str]]:
    """Return the words this page uses, each with what it means."""
    policies = [p for series in summary.series for p in series.policies]
    is_used = {
        _RATIO: any(policy.cost_over_oracle is not None for policy in policies),
        _TOGETHER: len(summary.series) > 1,
        _KIND: any(series.kind != "unknown" for series in summary.series),
        _BAND: any(policy.forecast_wape_fraction is not None for policy in policies),
    }
    return [(word, text) for word, text in _MEANINGS.items() if is_used.get(word, True)]


def about_series(series: SeriesSummary) -> str:
    """Return what one series is like and how well it was foreseen, in two sentences."""
    text = (
        f"{series.series_id}: demand takes {series.mean_demand_count:.1f} instances on average and "
        f"{series.peak_demand_count:.1f} at its peak (99.9 %). It is {_KINDS[series.kind]}."
    )
    seen = next((p for p in series.policies if p.forecast_wape_fraction is not None), None)
    if seen is None or seen.forecast_wape_fraction is None or seen.band_coverage_fraction is None:
        return text
    return (
        f"{text} {display_name(seen.policy)}'s forecast was off by "
        f"{percent(seen.forecast_wape_fraction)} (WAPE), and "
        f"{percent(seen.band_coverage_fraction)} of minutes fell within its 5 to 95 % band."
    )


def about_trade_off(series: SeriesSummary, scenario: Scenario) -> str:
    """Return in words what the figure of cost against requests over capacity shows."""
    parts = [
        f"{display_name(p.policy)} {usd(p.cost_usd_per_month)} a month with "
        f"{percent(p.violation_fraction)} over capacity"
        for p in series.policies
    ]
    line = " The green line is the least that each share over capacity must cost."
    return (
        "Lower and further left is better; left of the dashed line the objective of "
        f"{percent(scenario.objective)} is met. "
        f"{'; '.join(parts)}.{line if series.oracle_front else ''}"
    )


def about_period(series: SeriesSummary) -> str:
    """Return in words what the figure of the whole period shows."""
    names = _join(p.policy for p in series.policies)
    hidden = " Choose the oracle in the legend to see it." if _has_oracle(series) else ""
    return (
        f"Demand in instances (grey) and instances serving by {names}, "
        f"{series.start:%Y-%m-%d %H:%M} to {series.end:%Y-%m-%d %H:%M} UTC. Where a line dips "
        f"into the grey, requests were over capacity.{hidden}"
    )


def about_day(series: SeriesSummary) -> str:
    """Return in words what the figure of the steepest day shows."""
    name = display_name(subject_of([p.policy for p in series.policies]))
    return (
        "Above: demand (dark), what was expected of it one start-up time earlier (blue range, 5 to "
        f"95 %), and the instances serving. Below: the instances {name} pays for, by state. Good "
        "planning has serving rise before demand does, and fall soon after it. Times are UTC."
    )


def _has_oracle(series: SeriesSummary) -> bool:
    return any(p.policy == ORACLE for p in series.policies)


def _join(policies: Iterable[str]) -> str:
    shown = [display_name(policy) for policy in policies]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
