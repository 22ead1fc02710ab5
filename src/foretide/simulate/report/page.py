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
import numpy as np

from foretide.errors import InputError, InvalidValueError
from foretide.simulate.outcome import Played, SeriesOutcome
from foretide.simulate.report import figures, words
from foretide.simulate.report.amounts import one_in, percent, usd
from foretide.simulate.report.comparison import comparison_figure, comparison_section
from foretide.simulate.report.drawing import colour_of
from foretide.simulate.report.money import savings_table, unbroken, verdict_box
from foretide.simulate.report.summary import ORACLE, Summary, TotalSummary, subject_of, summarise
from foretide.simulate.report.table import series_table, totals_table
from foretide.simulate.report.thin import typical_day, worst_day
from foretide.simulate.savings import Verdict


def write_report(
    path: Path,
    *,
    title: str,
    played: Sequence[Played],
    notes: Sequence[str] = (),
    verdict: Verdict | None = None,
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
    played : sequence of Played
        At least one scenario, each with at least one series, each with at least one policy. The
        first is told of in full, the others are compared with it.
    notes : sequence of str
        What a reader has to know besides, such as that the data is synthetic.
    verdict : Verdict, optional
        Of a trial: the first thing said.

    Raises
    ------
    InvalidValueError
        When there is nothing to report.
    InputError
        When the page cannot be written.
    """
    outcomes = [outcome for one in played for outcome in one.outcomes]
    if not outcomes or not all(outcome.runs for outcome in outcomes):
        raise InvalidValueError("a report needs at least one series and one policy on each")
    page = _page(title, played, notes, verdict)
    try:
        _write_atomically(path, page)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a folder that can be written") from None


def _page(
    title: str, played: Sequence[Played], notes: Sequence[str], verdict: Verdict | None
) -> str:
    outcomes, labels = played[0].outcomes, [one.name for one in played]
    summaries = [summarise(one.outcomes, one.scenario, verdict) for one in played]
    summary = summaries[0]
    names = [total.policy for total in summary.totals]
    subject = words.display_name(subject_of(names))
    assets = files("foretide.simulate.report")
    return Template((assets / "page.html").read_text("utf-8")).substitute(
        title=escape(title),
        style=(assets / "page.css").read_text("utf-8"),
        verdict=verdict_box(summary.verdict),
        headline=_paragraphs(words.headline(summary)),
        savings=savings_table(summary, outcomes),
        comparison=comparison_section(labels, summaries),
        notes="".join(f'<p class="note">{unbroken(note)}</p>' for note in notes),
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
        rules="".join(f"<li>{escape(rule)}</li>" for rule in words.rules(summary.scenario)),
        plotly=(files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8"),
        data=_json(
            {
                "series": _figures(outcomes, summary),
                "scenarios": comparison_figure(labels, summaries),
            }
        ),
        script=(assets / "page.js").read_text("utf-8"),
    )


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{unbroken(sentence)}</p>" for sentence in sentences)


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
        f"<p>{one_in(total.violation_fraction)} requests over capacity "
        f"<small>{unbroken(percent(total.violation_fraction))}</small></p>"
        f'<p class="badge {badge[0]}">{badge[1]}</p></li>'
    )


def _figures(outcomes: Sequence[SeriesOutcome], summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "about": words.about_series(series),
            "trade_off": {
                "words": words.about_trade_off(
                    series, summary.scenario, [sweep.name for sweep in outcome.sweeps]
                ),
                **figures.trade_off(outcome, summary.scenario),
            },
            "whole_period": {
                "words": words.about_period(series),
                **figures.whole_period(outcome),
            },
            **_days(outcome, words.about_day(series)),
        }
        for outcome, series in zip(outcomes, summary.series, strict=True)
    ]


def _days(outcome: SeriesOutcome, told: str) -> dict[str, Any]:
    """Return the figures of the worst day and of a typical one, where there is another."""
    names = [run.policy for run in outcome.runs]
    subject = next(run for run in outcome.runs if run.policy == subject_of(names))
    served_rps = outcome.capacity_rps * subject.counts.serving
    missed_rps = np.maximum(outcome.demand_rps - served_rps, 0.0)
    worst = worst_day(missed_rps, outcome.demand_rps, outcome.start)
    typical = typical_day(outcome.demand_rps, outcome.start, worst)
    found = {"worst_day": worst, "typical_day": typical}
    return {
        name: None if day is None else {"words": told, **figures.zoomed_day(outcome, day)}
        for name, day in found.items()
    }


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
