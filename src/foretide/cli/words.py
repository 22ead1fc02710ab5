"""This file knows how a decision is told to a person: one plain sentence with its numbers."""

from __future__ import annotations

from typing import assert_never

from foretide.model.plan import Branch, Decision, Reason

_REASONS = {
    Reason.FORECAST_RISES: "demand is about to rise",
    Reason.FORECAST_FALLS: "demand is about to fall",
    Reason.INTERVAL_LOW: "the forecast is sure enough to remove instances",
    Reason.INTERVAL_TOO_WIDE: "the forecast is too unsure to remove instances",
    Reason.COST_FACTOR: "by what forecasts were worth lately another plan is cheaper",
    Reason.LESS_SKILL: "forecasts have lost skill, so less is run on their word",
    Reason.REACTIVE_PROMOTE: "the serving instances are nearly full, so warm ones are woken",
    Reason.SURPRISE: "demand is above all that was expected, or takes more than there is",
    Reason.SPEND_GUARD: "more came over capacity lately than is allowed, so more is held",
    Reason.NO_HISTORY: "there is too little history to forecast from",
    Reason.FALLBACK: "the forecast failed lately, so the fleet follows demand for now",
    Reason.FORECAST_BROKEN: "the forecast is missing numbers or contradicts itself",
    Reason.FORECAST_OLD: "the forecast is older than two hours",
    Reason.DATA_STALE: "no fresh demand has arrived, so nothing is removed",
    Reason.INSTANCES_MISSING: "instances are missing that nobody asked to go",
    Reason.INSTANCES_UNKNOWN: "instances are there that nobody asked for",
    Reason.LAUNCH_UNSEEN: "a launch is not reported yet, and is not asked for twice",
    Reason.REPORT_LATE: "the fleet was reported late, so the report before counts",
    Reason.STEP_UP_LIMIT: "growth is limited to one step at a time",
    Reason.STEP_DOWN_LIMIT: "removal is limited to one step at a time",
    Reason.DISRUPTION_LIMIT: "only so many may be disrupted at once",
    Reason.UPDATE_IN_FLIGHT: "an update is under way, so nothing is removed",
    Reason.VERSION_OLD: "a warm instance of an old version gives way to one of the new",
    Reason.CEILING: "the shared budget allows no more",
    Reason.MAX_INSTANCES: "the owner's maximum holds",
    Reason.MIN_INSTANCES: "the owner's minimum holds",
    Reason.NO_ROOM: "no node has room for what should be launched",
}


def describe(decision: Decision) -> str:
    """Return a decision as one sentence: what is done, why, and the numbers it rests on.

    Parameters
    ----------
    decision : Decision
        Of one tick.

    Returns
    -------
    str
        Such as "Scale up to 34 instances: demand is about to rise (now 310 requests/s, expected
        355, up to 410)."
    """
    reasons = _join([_REASONS[reason] for reason in decision.reasons])
    because = f": {reasons}" if reasons else ""
    parts = (_demand(decision), _width(decision), decision.lacking)
    numbers = "; ".join(part for part in parts if part)
    return f"{_deed(decision)}{because}{f' ({numbers})' if numbers else ''}."


def _deed(decision: Decision) -> str:
    match decision.branch:
        case Branch.SCALE_UP:
            return f"Scale up{_to(decision.total_up)}"
        case Branch.SCALE_DOWN:
            return f"Scale down{_to(decision.total_low)}"
        case Branch.PARK:
            return f"Park serving instances as warm{_serving(decision.serving_low)}"
        case Branch.PROMOTE:
            return f"Wake warm instances to serve{_serving(decision.serving_up)}"
        case Branch.HOLD:
            return "Keep the fleet as it is"
        case _ as unknown:
            assert_never(unknown)


def _to(count: int | None) -> str:
    return "" if count is None else f" to {count} instance{'' if count == 1 else 's'}"


def _serving(count: int | None) -> str:
    return "" if count is None else f", {count} serving"


def _demand(decision: Decision) -> str:
    parts: list[str] = []
    if decision.demand_rps is not None:
        parts.append(f"now {_rps(decision.demand_rps)} requests/s")
    if decision.predicted_rps is not None:
        parts.append(f"expected {_rps(decision.predicted_rps)}")
    if decision.upper_rps is not None:
        parts.append(f"at most about {_rps(decision.upper_rps)}")
    return ", ".join(parts)


def _width(decision: Decision) -> str:
    if decision.width_fraction is None:
        return ""
    text = f"the band is {decision.width_fraction:.0%} wide"
    if decision.width_max_fraction is None:
        return text
    return f"{text}, {decision.width_max_fraction:.0%} counts as sure"


def _rps(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _join(texts: list[str]) -> str:
    return (
        texts[0]
        if len(texts) == 1
        else ", and ".join([", ".join(texts[:-1]), texts[-1]])
        if texts
        else ""
    )
