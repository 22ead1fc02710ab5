"""This file knows how several scenarios are put side by side: a table, and a figure of dots."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from foretide.simulate.report.amounts import one_in, percent, usd
from foretide.simulate.report.drawing import Figure, colour_of, layout, symbol_of
from foretide.simulate.report.summary import ORACLE, Summary, TotalSummary
from foretide.simulate.report.words import display_name

_ROW_PX = 34
_GAP = 0.12  # of the figure's height, between its two panels


def comparison_section(names: Sequence[str], summaries: Sequence[Summary]) -> str:
    """Return the HTML section that compares scenarios; empty where there is one.

    Parameters
    ----------
    names : sequence of str
        What tells the scenarios apart.
    summaries : sequence of Summary
        What each came to; the first is what the others are compared with.
    """
    if len(summaries) < 2:
        return ""
    rows = "".join(
        _scenario_rows(name, summary, summaries[0])
        for name, summary in zip(names, summaries, strict=True)
    )
    return (
        '<section aria-labelledby="h-scenarios"><h2 id="h-scenarios">Scenarios side by side</h2>'
        f"<p>{escape(_intro(names))}</p>"
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of the scenarios">'
        '<table><thead><tr><th scope="col">policy</th><th scope="col">a month</th>'
        '<th scope="col">change</th><th scope="col">over capacity</th>'
        '<th scope="col" class="wide">objective met on</th>'
        '<th scope="col" class="wide">÷ oracle</th></tr>'
        f"</thead>{rows}</table></div>"
        '<figure aria-labelledby="h-scenarios" aria-describedby="words-scenarios">'
        '<div id="scenarios" class="plot"></div>'
        '<figcaption id="words-scenarios">Above: what each policy costs a month, by scenario. '
        "Below: the share of requests over capacity; the bar marks each scenario's objective. "
        "Further left is better in both.</figcaption></figure></section>"
    )


def comparison_figure(names: Sequence[str], summaries: Sequence[Summary]) -> Figure | None:
    """Draw cost and requests over capacity of every policy, a row per scenario.

    Parameters
    ----------
    names : sequence of str
        What tells the scenarios apart.
    summaries : sequence of Summary
        What each came to.

    Returns
    -------
    dict, optional
        Plotly `data` and `layout`; None where there is one scenario.
    """
    if len(summaries) < 2:
        return None
    policies = [total.policy for total in summaries[0].totals]
    floor = min(summary.scenario.objective for summary in summaries) / 100
    data: list[Figure] = []
    for policy in policies:
        totals = [_total(summary, policy) for summary in summaries]
        data += [
            _dots(policy, policies, names, [round(t.cost_usd_per_month, 2) for t in totals], 1),
            _dots(
                policy, policies, names,
                [float(f"{100 * max(t.violation_fraction, floor):.4g}") for t in totals], 2,
            ),
        ]  # fmt: skip
    data.append(_objectives(names, summaries))
    return {"data": data, "layout": _panels(names)}


def _intro(names: Sequence[str]) -> str:
    return (
        f"The same demand, played by {len(names)} sets of rules; changes are against {names[0]}, "
        "and all else on this page is that of it."
    )


def _total(summary: Summary, policy: str) -> TotalSummary:
    return next(total for total in summary.totals if total.policy == policy)


def _scenario_rows(name: str, summary: Summary, base: Summary) -> str:
    head = (
        f'<tr><th colspan="6" scope="rowgroup">{escape(name)} '
        f"<small>objective {percent(summary.scenario.objective)}</small></th></tr>"
    )
    rows = "".join(_row(total, _total(base, total.policy)) for total in summary.totals)
    return f"<tbody>{head}{rows}</tbody>"


def _row(total: TotalSummary, base: TotalSummary) -> str:
    change = ""
    if base is not total and base.cost_usd_per_month > 0:
        change = signed_percent(total.cost_usd_per_month / base.cost_usd_per_month - 1)
    met = f"{total.objective_met_count} of {total.series_count}"
    kind = "" if total.objective_met_count == total.series_count else "missed"
    limit = "" if total.cost_over_oracle is None else f"{total.cost_over_oracle:.2f}"
    return (
        f'<tr><th scope="row">{escape(display_name(total.policy))}</th>'
        f"<td>{usd(total.cost_usd_per_month)}</td><td>{change}</td>"
        f'<td class="{kind}">{one_in(total.violation_fraction)}</td>'
        f'<td class="wide {kind}">{met}</td><td class="wide">{limit}</td></tr>'
    )


def signed_percent(fraction: float) -> str:
    """Return a change such as `+12 %` or `\N{MINUS SIGN}3 %`; `0 %` below half a per mille."""
    rounded = round(fraction, 3)
    if rounded == 0:
        return "0 %"
    return f"{'+' if rounded > 0 else chr(0x2212)}{percent(abs(rounded))}"


def _dots(
    policy: str, policies: Sequence[str], names: Sequence[str], values: list[float], panel: int
) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": display_name(policy),
        "legendgroup": policy,
        "showlegend": panel == 1,
        "x": values,
        "y": list(names),
        "xaxis": "x" if panel == 1 else "x2",
        "yaxis": "y" if panel == 1 else "y2",
        "visible": "legendonly" if policy == ORACLE else True,
        "marker": {
            "size": 11,
            "symbol": symbol_of(policy, policies),
            "color": colour_of(policy, policies),
            "line": {"color": "white", "width": 1},
        },
        "hovertemplate": f"{display_name(policy)}, %{{y}}<br>"
        + ("%{x:$,.2f} a month" if panel == 1 else "%{x:.3g} % over capacity")
        + "<extra></extra>",
    }


def _objectives(names: Sequence[str], summaries: Sequence[Summary]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "objective",
        "x": [100 * summary.scenario.objective for summary in summaries],
        "y": list(names),
        "xaxis": "x2",
        "yaxis": "y2",
        "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 2, "color": "#1F2933"}},
        "hovertemplate": "objective of %{y}: %{x:.3g} %<extra></extra>",
    }


def _panels(names: Sequence[str]) -> Figure:
    picture = layout(height=150 + 2 * _ROW_PX * len(names) + 60, y_title="")
    rows = picture["yaxis"] | {"type": "category", "autorange": "reversed", "rangemode": "normal"}
    half = (1 - _GAP) / 2
    picture["yaxis"] = rows | {"domain": [half + _GAP, 1.0]}
    picture["yaxis2"] = rows | {"domain": [0.0, half], "anchor": "x2"}
    picture["xaxis"] |= {"anchor": "y", "tickprefix": "$", "rangemode": "tozero"}
    picture["xaxis2"] = picture["xaxis"] | {
        "anchor": "y2",
        "type": "log",
        "dtick": 1,
        "tickprefix": "",
        "ticksuffix": " %",
        "exponentformat": "none",
        "title": {"text": "requests over capacity", "standoff": 8},
    }
    picture["xaxis"] |= {"title": {"text": "USD a month", "standoff": 8}}
    picture["hovermode"] = "closest"
    return picture
