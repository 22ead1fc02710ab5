"""This file knows how a backtest becomes one page of HTML that needs no network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from foretide.errors import InputError, InvalidValueError
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.report import figures, words
from foretide.simulate.report.amounts import percent, usd
from foretide.simulate.report.drawing import colour_of
from foretide.simulate.report.summary import ORACLE, Summary, TotalSummary, subject_of, summarise
from foretide.simulate.report.table import series_table, totals_table
from foretide.simulate.scenario import Scenario


def write_report(
    path: Path,
    *,
    title: str,
    scenario: Scenario,
    outcomes: Sequence[SeriesOutcome],
    notes: Sequence[str] = (),
) -> None:
    """Write one self-contained page that tells what every policy cost and missed.

    Plotly's script is inside the page, so it can be mailed and opened anywhere. The page is
    complete under another name before it takes its own: a reader never sees half of it.

    Parameters
    ----------
    path : Path
        Where it goes; its folder must exist.
    title : str
        Heading of the page.
    scenario : Scenario
        The rules it was played by.
    outcomes : sequence of SeriesOutcome
        At least one series, each with at least one policy.
    notes : sequence of str
        What a reader has to know besides, such as that the data is synthetic.

    Raises
    ------
    InvalidValueError
        When there is nothing to report.
    InputError
        When the page cannot be written.
    """
    if not outcomes or not all(outcome.runs for outcome in outcomes):
        raise InvalidValueError("a report needs at least one series and one policy on each")
    page = _page(title, scenario, outcomes, notes)
    try:
        _write_atomically(path, page)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a folder that can be written") from None


def _page(
    title: str, scenario: Scenario, outcomes: Sequence[SeriesOutcome], notes: Sequence[str]
) -> str:
    summary = summarise(outcomes, scenario)
    names = [total.policy for total in summary.totals]
    subject = words.display_name(subject_of(names))
    assets = files("foretide.simulate.report")
    return Template((assets / "page.html").read_text("utf-8")).substitute(
        title=escape(title),
        style=(assets / "page.css").read_text("utf-8"),
        headline=_paragraphs(words.headline(summary)),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in notes),
        cards="".join(_card(total, summary, names) for total in summary.totals),
        totals=totals_table(summary) if len(summary.series) > 1 else "",
        by_series=series_table(summary),
        options="".join(
            f'<option value="{place}">{escape(series.series_id)}</option>'
            for place, series in enumerate(summary.series)
        ),
        chooser_state="hidden" if len(summary.series) == 1 else "",
        subject=escape(subject),
        meanings="".join(
            f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>"
            for word, text in words.meanings(summary)
        ),
        rules="".join(f"<li>{escape(rule)}</li>" for rule in words.rules(scenario)),
        plotly=(files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8"),
        data=_json(_figures(outcomes, summary)),
        script=(assets / "page.js").read_text("utf-8"),
    )


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _card(total: TotalSummary, summary: Summary, names: list[str]) -> str:
    dearest = max(t.cost_usd_per_month for t in summary.totals)
    share = 100 * total.cost_usd_per_month / dearest if dearest > 0 else 0.0
    is_met = total.violation_fraction <= summary.scenario.objective
    badge = ("met", "✓ objective met") if is_met else ("missed", "✗ objective missed")
    hint = "known only in hindsight" if total.policy == ORACLE else ""
    colour = colour_of(total.policy, names)
    return (
        f'<li class="card" style="--colour:{colour}">'
        f"<h2>{escape(words.display_name(total.policy))} <small>{hint}</small></h2>"
        f'<p class="money">{usd(total.cost_usd_per_month)}<span> a month</span></p>'
        f'<div class="bar" aria-hidden="true"><i style="width:{share:.1f}%"></i></div>'
        f"<p>{percent(total.violation_fraction)} of requests over capacity</p>"
        f'<p class="badge {badge[0]}">{badge[1]}</p></li>'
    )


def _figures(outcomes: Sequence[SeriesOutcome], summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "about": words.about_series(series),
            "trade_off": {
                "words": words.about_trade_off(series, summary.scenario),
                **figures.trade_off(outcome, summary.scenario),
            },
            "whole_period": {
                "words": words.about_period(series),
                **figures.whole_period(outcome),
            },
            "zoomed_day": {
                "words": words.about_day(series),
                **figures.zoomed_day(outcome),
            },
        }
        for outcome, series in zip(outcomes, summary.series, strict=True)
    ]


def _json(value: object) -> str:
    # No "<" may reach the page: a series named "</script>" must not end the script.
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")


def _write_atomically(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
