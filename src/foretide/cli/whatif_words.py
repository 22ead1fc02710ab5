"""This file knows how `foretide whatif` tells its answers in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from foretide.cli.backtest_words import print_table

if TYPE_CHECKING:
    from foretide.simulate.outcome import Played
    from foretide.simulate.report.summary import TotalSummary


def print_answers(played: Sequence[Played], rival: str) -> None:
    """Print a line per change, and what to make of them in a few sentences.

    Parameters
    ----------
    played : sequence of Played
        By the scenario as it is first, then with each change.
    rival : str
        The policy besides Foretide.
    """
    from foretide.simulate.report import summarise
    from foretide.simulate.report.amounts import one_in, percent, usd
    from foretide.simulate.report.comparison import signed_percent
    from foretide.simulate.report.words import display_name

    totals = [
        {total.policy: total for total in summarise(one.outcomes, one.scenario).totals}
        for one in played
    ]
    name = display_name(rival)
    lines = [
        ("what if", "Foretide a month", "change", "over capacity", "allowed",
         f"{name} a month", "over capacity", "Foretide saves"),
    ]  # fmt: skip
    now = totals[0]["foretide"]
    for one, told in zip(played, totals, strict=True):
        own, theirs = told["foretide"], told[rival]
        change = "" if own is now else signed_percent(_ratio(own, now) - 1)
        lines.append(
            (one.name, usd(own.cost_usd_per_month), change, one_in(own.violation_fraction),
             percent(one.scenario.objective), usd(theirs.cost_usd_per_month),
             one_in(theirs.violation_fraction), signed_percent(1 - _ratio(own, theirs))),
        )  # fmt: skip
    print_table(lines, 1)
    for sentence in sentences(played, totals):
        typer.echo(sentence)


def sentences(played: Sequence[Played], totals: Sequence[dict[str, TotalSummary]]) -> list[str]:
    """Return what the changes come to: the best and the worst for money, and broken objectives.

    Parameters
    ----------
    played : sequence of Played
        By the scenario as it is first, then with each change.
    totals : sequence of dict
        What each policy came to over all series, for each of them.
    """
    from foretide.simulate.report.amounts import one_in, percent, usd

    now = totals[0]["foretide"]
    own = [(one, told["foretide"]) for one, told in zip(played[1:], totals[1:], strict=True)]
    ranked = sorted(own, key=lambda pair: pair[1].cost_usd_per_month)
    told: list[str] = []
    (cheapest, least), (dearest, most) = ranked[0], ranked[-1]
    if least.cost_usd_per_month < now.cost_usd_per_month:
        told.append(
            f"Most would be saved by {_quoted(cheapest)}: "
            f"{usd(now.cost_usd_per_month - least.cost_usd_per_month)} a month "
            f"({percent(1 - _ratio(least, now))}), with {one_in(least.violation_fraction)} "
            f"requests over capacity instead of {one_in(now.violation_fraction)}."
        )
    if most.cost_usd_per_month > now.cost_usd_per_month:
        told.append(
            f"Dearest would be {_quoted(dearest)}: "
            f"{usd(most.cost_usd_per_month - now.cost_usd_per_month)} a month more "
            f"({percent(_ratio(most, now) - 1)})."
        )
    missed = [_quoted(one) for one, total in own if total.violation_fraction > _allowed(one)]
    if missed:
        told.append(f"The objective would be missed with {', '.join(missed)}.")
    if any(one.name == "spot" for one in played):
        told.append(
            "Spot: Foretide pays 35 % of the price and loses each instance once in five days on "
            "average; the others stay on demand and pay the whole price."
        )
    return told


def _quoted(played: Played) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{played.name}\N{RIGHT DOUBLE QUOTATION MARK}"


def _allowed(played: Played) -> float:
    return played.scenario.objective


def _ratio(one: TotalSummary, other: TotalSummary) -> float:
    return one.cost_usd_per_month / other.cost_usd_per_month if other.cost_usd_per_month else 1.0
