"""This file knows the report's three figures, as plain Plotly data and layout."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from foretide.model.demand import FloatArray
from foretide.simulate.outcome import Front, PolicyRun, SeriesOutcome, Sweep
from foretide.simulate.report.amounts import percent
from foretide.simulate.report.drawing import (
    ALARM,
    GREY,
    INK,
    Figure,
    colour_of,
    dash_of,
    faint,
    layout,
    line,
    rounded,
    symbol_of,
)
from foretide.simulate.report.summary import ORACLE, rival_of, subject_of
from foretide.simulate.report.thin import thin_extremes
from foretide.simulate.report.words import display_name
from foretide.simulate.savings import MONTH_HOURS
from foretide.simulate.scenario import MINUTE_S, Scenario

_COLUMNS = 900  # of pixels in the figure of the whole period
_FRONT_POINTS = 80
_LABELLED_UP_TO = 4  # policies whose names fit beside their marks
_DAY_FROM, _PANEL_GAP = 0.5, 0.06  # of the height of a day's figure
_LABEL_SIDES = ("top center", "bottom center", "top center", "bottom center")


def trade_off(outcome: SeriesOutcome, scenario: Scenario) -> Figure:
    """Draw cost against requests over capacity: each policy a mark, the oracle's front a line.

    Parameters
    ----------
    outcome : SeriesOutcome
        One series.
    scenario : Scenario
        Gives the objective, drawn as a vertical line.

    Returns
    -------
    dict
        Plotly `data` and `layout`. The axis is logarithmic; what lies below a hundredth of the
        objective is drawn there.
    """
    floor = scenario.objective / 100
    names = [run.policy for run in outcome.runs]
    seen = [max(run.score.violation_fraction, floor) for run in outcome.runs]
    most = 1.6 * max(*seen, scenario.objective)
    to_month = _to_month(outcome)
    data: list[Figure] = []
    if outcome.front is not None:
        data.append(_front_line(outcome.front, floor, most, to_month))
    data += [_sweep_line(one, floor, most, to_month, names) for one in outcome.sweeps]
    for run, violation in zip(outcome.runs, seen, strict=True):
        data.append(_mark(run, 100 * violation, to_month, names))
    picture = layout(height=380, y_title="USD a month")
    picture["xaxis"] |= {
        "type": "log",
        "title": {"text": "requests over capacity", "standoff": 8},
        "range": [math.log10(70 * floor), math.log10(100 * most)],
        "dtick": 1,
        "ticksuffix": " %",
        "exponentformat": "none",
    }
    picture["yaxis"] |= {"tickprefix": "$", "rangemode": "normal"}
    picture |= {"showlegend": len(names) > _LABELLED_UP_TO, "hovermode": "closest"}
    return {"data": data, "layout": picture | _objective_line(scenario)}


def whole_period(outcome: SeriesOutcome) -> Figure:
    """Draw demand in instances, and what every policy had serving, over all scored minutes.

    Parameters
    ----------
    outcome : SeriesOutcome
        One series.

    Returns
    -------
    dict
        Plotly `data` and `layout`, thinned to the extremes of each column of pixels; all but two
        policies are drawn when their names in the legend are chosen.
    """
    names = [run.policy for run in outcome.runs]
    demand, step_min = thin_extremes(outcome.demand_rps / outcome.capacity_rps, _COLUMNS)
    drawn = line("demand", demand, outcome.start, {"color": GREY, "width": 0.8}, step_min)
    data = [drawn | {"fill": "tozeroy", "fillcolor": faint(GREY, 0.22)}]
    for policy, run in zip(names, outcome.runs, strict=True):
        serving, step_min = thin_extremes(run.counts.serving.astype(np.float64), _COLUMNS)
        colour, dash = colour_of(policy, names), dash_of(policy, names)
        style = {"color": colour, "width": 1.3, "dash": dash}
        drawn = line(display_name(policy), serving, outcome.start, style, step_min)
        drawn["zorder"] = _zorder(policy, names)
        is_shown = policy in {subject_of(names), rival_of(names)}
        data.append(drawn | {"visible": True if is_shown else "legendonly"})
    picture = layout(height=380, y_title="instances")
    picture["xaxis"] |= _range(outcome.start, len(outcome.demand_rps))
    return {"data": data, "layout": picture}


def zoomed_day(outcome: SeriesOutcome, day: slice) -> Figure:
    """Draw one day: the forecast band and who served above, below what was paid for by state.

    Parameters
    ----------
    outcome : SeriesOutcome
        One series; the band is that of Foretide, else of the first policy. The fleets are its own
        and that of the policy it is compared with.
    day : slice
        Minutes of it.

    Returns
    -------
    dict
        Plotly `data` and `layout`, one point a minute.
    """
    names = [run.policy for run in outcome.runs]
    runs = {run.policy: run for run in outcome.runs}
    subject, rival = runs[subject_of(names)], rival_of(names)
    start = outcome.start + timedelta(minutes=day.start)
    demand = outcome.demand_rps[day] / outcome.capacity_rps
    data = _band(subject, outcome.capacity_rps, day, start)
    data.append(line("demand", demand, start, {"color": INK, "width": 1.2}))
    for run in outcome.runs:
        if run.policy != ORACLE:
            data.append(_serving(run, day, start, names))
    over = np.where(demand > subject.counts.serving[day], demand, np.nan)
    data += _over_capacity(over, start)
    shown = [subject] if rival is None else [subject, runs[rival]]
    for place, run in enumerate(shown):
        data += _fleet(run, day, start, colour_of(run.policy, names), place)
    picture = layout(height=500 + 110 * len(shown), y_title="instances")
    return {"data": data, "layout": picture | _panels(picture, shown, _range(start, len(demand)))}


def _serving(run: PolicyRun, day: slice, start: datetime, names: list[str]) -> Figure:
    style = {"color": colour_of(run.policy, names), "width": 2, "shape": "hv"}
    style["dash"] = dash_of(run.policy, names)
    serving = run.counts.serving[day].astype(np.float64)
    drawn = line(display_name(run.policy), serving, start, style)
    is_shown = run.policy in {subject_of(names), rival_of(names)}
    return drawn | {
        "zorder": _zorder(run.policy, names),
        "visible": True if is_shown else "legendonly",
    }


def _panels(picture: Figure, shown: list[PolicyRun], span: Figure) -> Figure:
    """Return the axes: the day above, below it a panel of what each paid for."""
    panels: Figure = {"yaxis": picture["yaxis"] | {"domain": [_DAY_FROM, 1.0]}}
    height = _DAY_FROM / len(shown)
    for place, run in enumerate(shown):
        bottom = _DAY_FROM - height * (place + 1)
        top = bottom + height - _PANEL_GAP
        panels[f"yaxis{place + 2}"] = picture["yaxis"] | {
            "domain": [bottom, top],
            "title": {"text": f"{display_name(run.policy)} pays", "standoff": 8},
            "nticks": 4,
        }
    panels["xaxis"] = picture["xaxis"] | {"anchor": f"y{len(shown) + 1}"} | span
    return panels


def _mark(run: PolicyRun, violation_percent: float, to_month: float, names: list[str]) -> Figure:
    name = display_name(run.policy)
    return {
        "type": "scatter",
        "mode": "markers+text" if len(names) <= _LABELLED_UP_TO else "markers",
        "name": name,
        "x": [violation_percent],
        "y": [round(run.score.cost_usd * to_month, 2)],
        "text": [name],
        "textposition": _LABEL_SIDES[names.index(run.policy) % len(_LABEL_SIDES)],
        "cliponaxis": False,
        "hovertemplate": f"%{{text}}<br>%{{y:$,.2f}} a month<br>"
        f"{percent(run.score.violation_fraction)} of requests over capacity<extra></extra>",
        "marker": {
            "size": 13,
            "symbol": symbol_of(run.policy, names),
            "color": colour_of(run.policy, names),
            "line": {"color": "white", "width": 1.5},
        },
    }


def _front_line(front: Front, floor: float, most: float, to_month: float) -> Figure:
    # Straight between its points on a linear axis, so curved on this one: draw it where it is.
    last = min(max(float(front.violation_fraction[-1]), floor), most)
    first = min(max(float(front.violation_fraction[0]), floor), last)
    violation: FloatArray = np.geomspace(first, last, _FRONT_POINTS)
    cost_usd = np.interp(violation, front.violation_fraction, front.cost_usd)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "the oracle's limit",
        "x": rounded(100 * violation, 6),
        "y": rounded(cost_usd * to_month, 2),
        "line": {"color": colour_of(ORACLE, [ORACLE]), "width": 2.5},
        "hovertemplate": "no planner can cost less:<br>%{y:$,.2f} a month at %{x:.2g} %"
        "<extra></extra>",
    }


def _sweep_line(
    sweep: Sweep, floor: float, most: float, to_month: float, names: list[str]
) -> Figure:
    # what the same rival comes to with other settings: beyond the figure it says nothing
    order: list[int] = np.argsort(sweep.violation_fraction, kind="stable").tolist()
    kept = [place for place in order if sweep.violation_fraction[place] <= most]
    played = next((name for name in names if name.partition("@")[0] == sweep.name), sweep.name)
    colour = colour_of(played, names)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{display_name(sweep.name)}, every setting",
        "x": rounded(100 * np.maximum(sweep.violation_fraction[kept], floor), 6),
        "y": rounded(sweep.cost_usd[kept] * to_month, 2),
        "text": [display_name(sweep.settings[place]) for place in kept],
        "line": {"color": faint(colour, 0.55), "width": 1.5, "dash": "dot"},
        "marker": {"size": 5, "color": colour},
        "hovertemplate": "%{text}<br>%{y:$,.2f} a month, %{x:.2g} %<extra></extra>",
    }


def _objective_line(scenario: Scenario) -> Figure:
    at = 100 * scenario.objective
    upright = {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1}
    label = {"yref": "paper", "y": 1.02, "yanchor": "bottom", "showarrow": False}
    return {
        "shapes": [upright | {"line": {"color": INK, "width": 1.5, "dash": "dash"}}],
        "annotations": [
            label | {"x": math.log10(at), "text": f"objective {percent(scenario.objective)}"}
        ],
    }


def _band(subject: PolicyRun, capacity_rps: float, day: slice, start: datetime) -> list[Figure]:
    band = subject.band
    if band is None:
        return []
    edge = {"color": "rgba(0,0,0,0)", "width": 0}
    low = line("5 %", band.low_rps[day] / capacity_rps, start, edge)
    high = line("expected range", band.high_rps[day] / capacity_rps, start, edge)
    low |= {"showlegend": False, "hoverinfo": "skip"}
    high |= {"fill": "tonexty", "fillcolor": faint("#56B4E9", 0.42)}
    return [low, high]


def _over_capacity(over: FloatArray, start: datetime) -> list[Figure]:
    if np.isnan(over).all():
        return []
    mark = {"size": 6, "symbol": "x-thin", "line": {"width": 1.6, "color": ALARM}}
    crosses = line("over capacity", over, start, {})
    return [crosses | {"mode": "markers", "marker": mark, "zorder": 3}]


def _fleet(run: PolicyRun, day: slice, start: datetime, colour: str, place: int) -> list[Figure]:
    states = (
        ("serving", run.counts.serving, colour, ""),
        ("warm", run.counts.warm, "#E69F00", "/"),
        ("booting", run.counts.booting, GREY, "x"),
    )
    return [
        line(state, counts[day].astype(np.float64), start, {"width": 0, "shape": "hv"})
        | {
            "stackgroup": f"fleet{place}",
            "legendgroup": f"{state}{colour if state == 'serving' else ''}",
            "showlegend": state != "serving",
            "fillcolor": faint(fill, 0.6),
            "fillpattern": {"shape": hatch, "fillmode": "overlay", "size": 6, "solidity": 0.25},
            "yaxis": f"y{place + 2}",
        }
        for state, counts, fill, hatch in states
        if counts[day].any()
    ]


def _zorder(policy: str, names: list[str]) -> int:
    return 2 if policy == subject_of(names) else 1


def _range(start: datetime, minutes: int) -> Figure:
    end = start + timedelta(minutes=minutes)
    return {"range": [f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}"]}


def _to_month(outcome: SeriesOutcome) -> float:
    hours = float(np.isfinite(outcome.demand_rps).sum()) * MINUTE_S / 3600
    return MONTH_HOURS / hours if hours else 0.0
