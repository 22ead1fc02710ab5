"""This file knows how the report says its numbers in words a manager understands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from foretide.simulate.classes import LoadClass
from foretide.simulate.report.amounts import one_in, percent, usd
from foretide.simulate.report.summary import (
    AS_RUN,
    ORACLE,
    SeriesSummary,
    Summary,
    TotalSummary,
    rival_of,
    subject_of,
)
from foretide.simulate.scenario import Scenario

_NAMES = {
    "foretide": "Foretide",
    "oracle": "Oracle",
    "as-run": "What ran",
    "hpa": "HPA",
    "hpa-warm": "HPA + warm pool",
    "hpa-tuned": "Tuned HPA",
    "hpa-warm-tuned": "Tuned HPA + warm pool",
    "keda": "KEDA",
    "target-tracking": "Target tracking",
    "step-scaling": "Step scaling",
    "cloud-predictive": "Cloud predictive scaling",
    "warm-pool": "Warm pool of a tenth",
    "static-peak": "Static peak",
    "plain": "Plain algorithm",
}
_KINDS = {
    LoadClass.FORECASTABLE: "forecastable: demand one start-up ahead was foreseen within 7 %, so "
    "capacity can be there before demand is",
    LoadClass.BURSTY: "bursty: demand one start-up ahead was missed by more than 7 %, so some "
    "reserve has to be paid for",
    LoadClass.SPIKY: "spiky: the mean is under a tenth of the peak or under 5 instances, so one "
    "event or one instance decides the outcome and no policy should be judged by it",
    LoadClass.UNKNOWN: "of unknown kind: no policy here made a forecast",
}
# What other series of the class came to; measured by benchmarks/planner.py.
_EXPECT = {
    LoadClass.FORECASTABLE: "Expect the objective to be met, at a cost little above the limit "
    "that hindsight sets. What was saved here should be saved again.",
    LoadClass.BURSTY: "Expect the objective to be missed now and then, or to be dear: a tight one "
    "costs a multiple of the limit. Allowing ten times as many requests over capacity saves most "
    "of that; so does a warm pool, or a shorter start-up.",
    LoadClass.SPIKY: "Expect nothing from these numbers: another month will have another event. "
    "A fixed reserve for the event you fear is the honest answer.",
    LoadClass.UNKNOWN: "Play the policy foretide as well to learn what to expect.",
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
    "Spiky: mean demand is under a tenth of the peak or under 5 instances, so a single event or "
    "instance decides the outcome.",
    _BAND: "Where demand was expected one start-up time before; nine minutes of ten should fall "
    "within it.",
}


def display_name(policy: str) -> str:
    """Return how a policy is called on the page."""
    if policy.startswith("csv:"):
        return "The cloud's forecast"
    name, at, setting = policy.partition("@")
    target, plus, pool = setting.partition("+")
    if name not in _NAMES:
        return policy
    held = f" at {100 * float(target):g} %" if at else ""
    return f"{_NAMES[name]}{held}{f', {pool} warm' if plus else ''}"


def in_sentence(policy: str) -> str:
    """Return how a policy is called in the middle of a sentence."""
    name = display_name(policy)
    is_phrase = policy == AS_RUN or policy.startswith("csv:")
    return name[:1].lower() + name[1:] if is_phrase else name


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
    name = rival_of(list(totals))
    rival = None if name is None else totals[name]
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
    name = in_sentence(rival.policy)
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
            "" if is_rival_met else f", and meets the objective {in_sentence(rival.policy)} misses"
        )
    if is_rival_met:
        return f", but misses the objective {in_sentence(rival.policy)} meets"
    return "; both miss the objective"


def _misses(subject: TotalSummary, rival: TotalSummary | None, objective: float) -> str:
    verdict = "within" if subject.violation_fraction <= objective else "above"
    text = (
        f"{display_name(subject.policy)} let {_share(subject)} "
        f"exceed capacity, {verdict} the {percent(objective)} allowed{_on(subject)}"
    )
    if rival is None:
        return f"{text}."
    theirs = f"{in_sentence(rival.policy)} let {_share(rival)}{_on(rival)}"
    return f"{text}; {theirs}."


def _share(total: TotalSummary) -> str:
    share = percent(total.violation_fraction)
    return f"{one_in(total.violation_fraction)} requests ({share})"


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
    text = f"{text} {_EXPECT[series.kind]}"
    seen = next((p for p in series.policies if p.forecast_wape_fraction is not None), None)
    if seen is None or seen.forecast_wape_fraction is None or seen.band_coverage_fraction is None:
        return text
    return (
        f"{text} {display_name(seen.policy)}'s forecast was off by "
        f"{percent(seen.forecast_wape_fraction)} (WAPE), and "
        f"{percent(seen.band_coverage_fraction)} of minutes fell within its 5 to 95 % band."
    )


def about_trade_off(series: SeriesSummary, scenario: Scenario, swept: Sequence[str] = ()) -> str:
    """Return in words what the figure of cost against requests over capacity shows.

    Parameters
    ----------
    series : SeriesSummary
        What was played.
    scenario : Scenario
        Gives the objective.
    swept : sequence of str
        Rivals whose every setting is drawn besides.
    """
    parts = [
        f"{display_name(p.policy)} {usd(p.cost_usd_per_month)} a month with "
        f"{percent(p.violation_fraction)} over capacity"
        for p in series.policies
    ]
    line = " The green line is the least that each share over capacity must cost."
    return (
        "Lower and further left is better; left of the dashed line the objective of "
        f"{percent(scenario.objective)} is met. "
        f"{'; '.join(parts)}.{line if series.oracle_front else ''}{_dotted(swept)}"
    )


def _dotted(swept: Sequence[str]) -> str:
    if not swept:
        return ""
    return f" Dotted: {_join(swept)} aiming at utilisations from 30 to 95 %."


def about_period(series: SeriesSummary) -> str:
    """Return in words what the figure of the whole period shows."""
    every = [p.policy for p in series.policies]
    names = _join(name for name in (subject_of(every), rival_of(every)) if name is not None)
    hidden = " Choose any other in the legend to see it." if len(series.policies) > 2 else ""
    return (
        f"Demand in instances (grey) and instances serving by {names}, "
        f"{series.start:%Y-%m-%d %H:%M} to {series.end:%Y-%m-%d %H:%M} UTC. Where a line dips "
        f"into the grey, requests were over capacity.{hidden}"
    )


def about_day(series: SeriesSummary) -> str:
    """Return in words what the figure of a single day shows."""
    names = [p.policy for p in series.policies]
    shown = [name for name in (subject_of(names), rival_of(names)) if name is not None]
    return (
        "Above: demand (dark), what was expected of it one start-up time earlier (blue range, 5 to "
        f"95 %), and the instances serving. Below: what {_join(shown)} had to pay for, by state. "
        "Good planning has serving rise before demand does, and fall soon after it. Times are UTC."
    )


def _join(policies: Iterable[str]) -> str:
    shown = [in_sentence(policy) for policy in policies]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
