"""This file knows how the report says what is saved: against whom, how surely, at what drops."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.report.amounts import one_in, percent, usd
from foretide.simulate.report.summary import Summary, subject_of
from foretide.simulate.report.words import display_name
from foretide.simulate.savings import Savings, Verdict, cheapest_within

_VERDICTS = {True: "worth", False: "not"}


def unbroken(text: str) -> str:
    """Return a sentence as HTML, in which no line ends before a `%`."""
    return escape(text).replace(" %", "&nbsp;%")


def verdict_box(verdict: Verdict | None) -> str:
    """Return the HTML box of a trial's verdict; empty without one."""
    if verdict is None:
        return ""
    lead, _, rest = verdict.sentence.partition(": ")
    return (
        f'<section class="verdict {_VERDICTS[verdict.is_worth_it]}" aria-label="Verdict">'
        f"<p><strong>{escape(lead)}.</strong> {unbroken(rest[:1].upper() + rest[1:])}</p></section>"
    )


def savings_table(summary: Summary, outcomes: Sequence[SeriesOutcome]) -> str:
    """Return the HTML table of what is saved against each rival; empty where there is none."""
    if not summary.savings:
        return ""
    name = escape(display_name(subject_of([total.policy for total in summary.totals])))
    objective = summary.scenario.objective
    rows = "".join(_row(one, objective) for one in summary.savings)
    at_par = "".join(f"<li>{escape(text)}</li>" for text in at_equal_drops(summary, outcomes))
    return (
        f'<section aria-labelledby="h-saved"><h2 id="h-saved">What {name} saves</h2>'
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of savings">'
        "<table><caption>Less money is only a saving where no more requests are dropped: both are "
        'here</caption><thead><tr><th scope="col">against</th><th scope="col">saved a month</th>'
        '<th scope="col" class="wide">a year</th><th scope="col" class="wide">share</th>'
        '<th scope="col" class="wide">nine times in ten</th>'
        '<th scope="col">it drops</th>'
        f'<th scope="col">{name} drops</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{f'<ul>{at_par}</ul>' if at_par else ''}</section>"
    )


def _row(one: Savings, objective: float) -> str:
    is_less = one.saved_usd_per_month >= 0
    verdict = "met" if is_less else "missed"
    more = one.violation_fraction > max(one.rival_violation_fraction, objective)
    return (
        f'<tr><th scope="row">{escape(display_name(one.rival))}</th>'
        f'<td class="{verdict}">{_signed(one.saved_usd_per_month)}</td>'
        f'<td class="wide">{_signed(one.saved_usd_per_year)}</td>'
        f'<td class="wide">{share(one.saved_fraction)}</td>'
        f'<td class="wide">{share(one.low_fraction)} to {share(one.high_fraction)}</td>'
        f"<td>{one_in(one.rival_violation_fraction)}</td>"
        f'<td class="{"missed" if more else ""}">{one_in(one.violation_fraction)}</td></tr>'
    )


def at_equal_drops(summary: Summary, outcomes: Sequence[SeriesOutcome]) -> list[str]:
    """Return what each swept rival costs with the setting that drops as little, in words.

    Parameters
    ----------
    summary : Summary
        Of a backtest.
    outcomes : sequence of SeriesOutcome
        What was played; only a single series can be told of.

    Returns
    -------
    list of str
        One sentence per rival that was swept.
    """
    if len(outcomes) != 1 or not summary.savings:
        return []
    own = next(p for p in summary.series[0].policies if p.policy == summary.savings[0].policy)
    to_month = own.cost_usd_per_month / own.cost_usd if own.cost_usd > 0 else 0.0
    allowed = max(own.violation_fraction, summary.scenario.objective)
    told: list[str] = []
    for sweep in outcomes[0].sweeps:
        found = cheapest_within(sweep, allowed)
        name = display_name(sweep.name)
        if found is None:
            told.append(
                f"No setting of {name} that was tried keeps within {one_in(allowed)} requests."
            )
            continue
        setting, cost_usd = found
        told.append(
            f"The cheapest {name} that would have kept within {one_in(allowed)} requests, chosen "
            f"in hindsight ({display_name(setting)}), costs {usd(cost_usd * to_month)} a month: "
            f"{share(1 - own.cost_usd / cost_usd)} is saved even against that."
        )
    return told


def share(fraction: float) -> str:
    """Return a signed share such as `12 %` or, with a real minus, `-3 %`."""
    text = percent(abs(round(fraction, 3)))
    return f"\N{MINUS SIGN}{text}" if round(fraction, 3) < 0 else text


def _signed(amount_usd: float) -> str:
    text = usd(abs(amount_usd))
    return f"\N{MINUS SIGN}{text}" if amount_usd < 0 and text != "$0.00" else text
