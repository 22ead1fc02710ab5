"""This file knows the report's tables: each policy on each series, and over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from foretide.simulate.report.amounts import percent, usd
from foretide.simulate.report.summary import (
    PolicySummary,
    SeriesSummary,
    Summary,
    TotalSummary,
)
from foretide.simulate.report.words import display_name

_OPEN_UP_TO = 6  # series whose rows are shown without being asked for


def totals_table(summary: Summary) -> str:
    """Return the HTML table of every policy over all series, and over those of each kind."""
    caption = f"All {len(summary.series)} series together"
    bodies = f"<tbody>{_total_rows(summary.totals)}</tbody>"
    if len(summary.totals_by_kind) > 1:
        for kind, totals in summary.totals_by_kind.items():
            count = sum(series.kind == kind for series in summary.series)
            head = _group(f"only the {count} {kind if kind != 'unknown' else 'of unknown kind'}")
            bodies += f"<tbody>{head}{_total_rows(totals)}</tbody>"
    return _table(caption, "objective met on", bodies)


def series_table(summary: Summary) -> str:
    """Return the HTML table of every policy on every series, folded when it is long."""
    bodies = "".join(_series_rows(series) for series in summary.series)
    table = _table("Each series and policy", "objective", bodies)
    if len(summary.series) <= _OPEN_UP_TO:
        return table
    return f"<details><summary>Show all {len(summary.series)} series</summary>{table}</details>"


def _table(caption: str, objective: str, bodies: str) -> str:
    # On the narrowest screens the table scrolls by itself, by finger or by key.
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">'
        f"<table><caption>{caption}</caption>"
        '<thead><tr><th scope="col">policy</th><th scope="col">a month</th>'
        '<th scope="col">over capacity</th>'
        f'<th scope="col">{objective}</th><th scope="col">÷ oracle</th>'
        '<th scope="col" class="wide">mean instances</th></tr></thead>'
        f"{bodies}</table></div>"
    )


def _group(label: str, remark: str = "") -> str:
    small = f" <small>{escape(remark)}</small>" if remark else ""
    return f'<tr><th colspan="6" scope="rowgroup">{escape(label)}{small}</th></tr>'


def _total_rows(totals: Iterable[TotalSummary]) -> str:
    return "".join(_total_row(total) for total in totals)


def _total_row(total: TotalSummary) -> str:
    missed = "" if total.objective_met_count == total.series_count else "missed"
    met = f"{total.objective_met_count} of {total.series_count}"
    return _row(total, f'<td class="{missed}">{met}</td>')


def _series_rows(series: SeriesSummary) -> str:
    head = _group(series.series_id, "" if series.kind == "unknown" else series.kind)
    return f"<tbody>{head}{''.join(_policy_row(p) for p in series.policies)}</tbody>"


def _policy_row(policy: PolicySummary) -> str:
    verdict, text = ("met", "✓ met") if policy.objective_met else ("missed", "✗ missed")
    return _row(policy, f'<td class="{verdict}">{text}</td>')


def _row(result: PolicySummary | TotalSummary, objective_cell: str) -> str:
    limit = "" if result.cost_over_oracle is None else f"{result.cost_over_oracle:.2f}"
    return (
        f'<tr><th scope="row">{escape(display_name(result.policy))}</th>'
        f"<td>{usd(result.cost_usd_per_month)}</td><td>{percent(result.violation_fraction)}</td>"
        f"{objective_cell}<td>{limit}</td>"
        f'<td class="wide">{result.mean_billed_count:.1f}</td></tr>'
    )
