"""The tables of the planner's numbers, and the page of the documentation that holds them."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from forecasting.tables import table
from forecasting.targets import verdicts_of
from planning.cases import OBJECTIVES
from planning.measured import RIVALS, Result
from planning.targets import TARGETS

import foretide

_TRIED = Path(__file__).parent / "tried.toml"
_OWN = "foretide"
_CLASSES = ("forecastable", "bursty")

_OPENING = """# How good the plans are

This page is written by `python benchmarks/planner.py --page`; nothing on it is written by hand, but
what was tried. Every series is played minute by minute by the product's own tick: boot 300 s, wake
20 s, a warm instance at a fifth of a serving one, capacity such that the 99.9 % quantile of demand
takes 50 instances, the first 14 days (or half) not scored, nothing known in hindsight unless said.
*Limit* is the cheapest that anyone could have paid who knew all demand, at the violation reached or
the objective, whichever is more. Means are geometric over the series of a class. *Forecastable*:
the forecast one boot ahead is off by at most 7 %; *spiky*: fewer than 5 instances on average, one
event decides, no line is drawn. Under a *fault* eight forecastable series are played twice, beside
a Kubernetes HPA at a utilisation of .7: a flash crowd comes every other day, holds for 20 minutes
and ebbs for 30; gaps in the measurement come four times a day and last 20 minutes.
"""


class _Found:
    """Results by series, objective and kind."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._by = {(r.job.series, r.job.objective, r.job.kind): r for r in results}
        self.classes = {
            r.job.series: r.load_class for r in sorted(results, key=lambda r: r.job.series)
            if r.job.kind == "own"
        }  # fmt: skip

    def get(self, series: str, objective: float, kind: str) -> Result | None:
        """Return one result, None where it was not measured."""
        return self._by.get((series, objective, kind))

    def of_class(self, load_class: str, objective: float, kind: str) -> list[Result]:
        """Return all of a kind for a class of series."""
        found = (self.get(one, objective, kind) for one, its in self.classes.items()
                 if its == load_class)  # fmt: skip
        return [one for one in found if one is not None]


def _mean(ratios: Iterable[float]) -> float:
    logs = [np.log(one) for one in ratios]
    return float(np.exp(np.mean(logs))) if logs else float("nan")


def figures(results: Sequence[Result]) -> dict[str, float]:
    """Return the figure of each line of the targets that was measured."""
    found, told = _Found(results), dict[str, float]()
    for load_class in _CLASSES:
        for objective in OBJECTIVES:
            own = found.of_class(load_class, objective, "own")
            if own:
                told[f"{load_class}/{objective}"] = _mean(r.over_limit[_OWN] for r in own)
                met = [r.violation[_OWN] <= objective for r in own]
                told[f"met/{load_class}/{objective}"] = 100 * float(np.mean(met))
    strict = OBJECTIVES[0]
    calm = found.of_class("forecastable", strict, "own")
    if calm:
        told["changes"] = float(np.mean([r.changes_per_day for r in calm]))
    for rival in RIVALS:
        pairs = _pairs(found, calm, "rivals", strict)
        if pairs:
            told[rival] = _mean(own.over_limit[_OWN] / r.over_limit[rival] for own, r in pairs)
    spikes = _pairs(found, calm, "spike", strict)
    if spikes:
        told["spike"] = _mean(r.over_limit[_OWN] / own.over_limit[_OWN] for own, r in spikes)
    for objective in OBJECTIVES:
        best = [_best_notch(r) for r in found.of_class("forecastable", objective, "hindsight")]
        if best:
            told[f"hindsight/{objective}"] = _mean(best)
    biased = [
        r.violation[_OWN]
        for kind in ("bias-0.8", "bias-1.2")
        for r in found.of_class("forecastable", strict, kind)
    ]
    if biased:
        told["bias"] = 100 * float(np.mean(biased))
    return told | _under_faults(found)


def _under_faults(found: _Found) -> dict[str, float]:
    """Return what crowds cost beside an HPA, and what gaps lose beside the clean runs."""
    strict, told = OBJECTIVES[0], dict[str, float]()
    crowds, gaps = (
        [r for seed in (0, 1) for r in found.of_class("forecastable", strict, f"{fault}-{seed}")]
        for fault in ("flash-crowd", "metric-gaps")
    )
    if crowds:
        lost, theirs = (sum(r.violation[name] for r in crowds) for name in (_OWN, "hpa"))
        told["crowd/lost"] = lost / theirs
        told["crowd/cost"] = _mean(r.cost_usd[_OWN] / r.cost_usd["hpa"] for r in crowds)
    clean = [found.get(r.job.series, strict, "own") for r in gaps]
    if gaps:
        was = sum(one.violation[_OWN] for one in clean if one is not None)
        told["gaps"] = sum(r.violation[_OWN] for r in gaps) / was
    return told


def _pairs(
    found: _Found, own: Sequence[Result], kind: str, objective: float
) -> list[tuple[Result, Result]]:
    both = ((one, found.get(one.job.series, objective, kind)) for one in own)
    return [(one, other) for one, other in both if other is not None]


def _best_notch(result: Result) -> float:
    """Return the cheapest notch that met the objective, else the one that came nearest."""
    objective = result.job.objective
    met = [
        cost for notch, cost in result.over_limit.items() if result.violation[notch] <= objective
    ]
    if met:
        return min(met)
    nearest = min(result.violation, key=lambda notch: result.violation[notch])
    return result.over_limit[nearest]


def tables_of(results: Sequence[Result], took: dict[str, float]) -> str:
    """Return the line of every target, and a table of all series."""
    parts = [
        (
            f"foretide {foretide.__version__}, Python {platform.python_version()}, "
            f"numpy {np.__version__}, polars {pl.__version__}; {platform.machine()}"
        ),
        "## Targets\n\n" + verdicts_of(TARGETS, figures(results) | took),
    ]
    parts += [
        f"## Every series, objective {objective:.1%}\n\n" + _series(results, objective)
        for objective in OBJECTIVES
    ]
    return "\n\n".join(parts)


def _series(results: Sequence[Result], objective: float) -> str:
    found, rows = _Found(results), list[list[str]]()
    for load_class in (*_CLASSES, "spiky"):
        for own in found.of_class(load_class, objective, "own"):
            rivals = found.get(own.job.series, objective, "rivals")
            notches = found.get(own.job.series, objective, "hindsight")
            rows.append(
                [
                    own.job.series,
                    load_class,
                    f"{own.wape:.3f}",
                    f"{own.violation[_OWN]:.3%}",
                    f"**{own.over_limit[_OWN]:.3f}**",
                    *(_rival(rivals, name) for name in RIVALS),
                    "-" if notches is None else f"{_best_notch(notches):.3f}",
                    f"{own.changes_per_day:.0f}",
                ]
            )
    head = ["series", "class", "WAPE", "over capacity", "÷ limit"]
    head += [f"`{name}`: over, ÷ limit" for name in RIVALS]
    return table([*head, "best notch ÷ limit", "changes a day"], rows)


def _rival(result: Result | None, name: str) -> str:
    if result is None:
        return "-"
    return f"{result.violation[name]:.3%}, {result.over_limit[name]:.3f}"


def page_of(results: Sequence[Result], took: dict[str, float]) -> str:
    """Return the page of the documentation."""
    told: dict[str, list[str]] = tomllib.loads(_TRIED.read_text())
    reached = figures(results) | took
    tried = "\n\n".join(
        f"**{one.what}**: " + "; ".join(told[one.key]) + "."
        for one in TARGETS
        if one.key in told and one.verdict(reached.get(one.key, float("nan"))) != "stretch"
    )
    return f"{_OPENING}\n{tables_of(results, took)}\n\n## What was tried\n\n{tried}\n"
