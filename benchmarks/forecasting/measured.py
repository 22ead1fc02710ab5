"""Everything the page tells, measured in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from forecasting.cases import Case, cases_of, shifted, with_history
from forecasting.kept import Kept
from forecasting.rivals import FLEET, HOLIDAYS, MEDIAN, NAIVE, PROPHET, Rival
from forecasting.scores import (
    Below,
    Losses,
    Ratio,
    better,
    coverages,
    losses,
    mean,
    ratio,
    share_below,
)
from forecasting.sources import CHOSEN, HELD_OUT, series_of, sources
from forecasting.tables import asked

from foretide.model.demand import FloatArray

HORIZONS = {"24 h": 24, "7 d": 168}
SHORT_DAYS = (4, 8, 14)
REGULAR_STRENGTH = 0.5
_COVERAGE_EFFORT = 3
_SHIFT, _SHIFT_H = 2.0, 12
INTERVALS = {"80 %": (0.1, 0.9), "95 %": (0.025, 0.975)}


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of truths within intervals by horizon day, and under Q.95, of one model."""

    label: str
    forecast_count: int
    by_day: dict[str, list[float]]
    below_95: Below


class Shifted(msgspec.Struct, frozen=True, kw_only=True):
    """Losses after a change of level over those without: of mean losses, and as all ratios here."""

    of_means: float
    middle: Ratio


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All tables of the page, by horizon, half and model."""

    cases: Sequence[Case]
    rivals: Sequence[Rival]
    losses: Mapping[tuple[str, str, str], Losses]
    short: Mapping[tuple[int, str], Mapping[str, Ratio]]
    coverage: Sequence[Coverage]
    coverage_short: Sequence[Coverage]
    shift: Mapping[str, Shifted]
    left_out: Mapping[str, str]


def measured(
    data: Path | None, wanted: Sequence[Rival], *, is_fresh: bool, effort: float
) -> Measured:
    """Ask every model that can be asked here everything."""
    kept = Kept(folder=data, is_fresh=is_fresh)
    found = sources(data, "all")
    demands = {one.name: series_of(one, data) for one in found}
    cases = [case for one in found for case in cases_of(one, demands[one.name], effort)]
    often = [
        case
        for one in found
        for case in cases_of(one, demands[one.name], effort * _COVERAGE_EFFORT)
    ]
    rivals = [one for one in wanted if not one.why_not()]
    answers = {one.name: asked(one, cases, 168, kept) for one in rivals}
    table: dict[tuple[str, str, str], Losses] = {}
    for horizon, steps in HORIZONS.items():
        for one in rivals:
            # Our own models may say more of one day when asked for one day; the others cannot.
            is_asked_again = one.ours is not None and steps < 168
            told = asked(one, cases, steps, kept) if is_asked_again else answers[one.name]
            for half in (CHOSEN, HELD_OUT):
                table[horizon, half, one.name] = _losses(cases, told, steps, half)
    return Measured(
        cases=cases,
        rivals=rivals,
        losses=table,
        short=_short(cases, rivals, kept),
        coverage=_coverage(cases, often, rivals, answers, kept),
        coverage_short=_coverage_short(often, kept),
        shift=_shifted(cases, kept),
        left_out={one.label: one.why_not() for one in wanted if one.why_not()},
    )


def _losses(cases: Sequence[Case], answers: Sequence[FloatArray], steps: int, half: str) -> Losses:
    return losses(*_half(cases, answers, half), steps)


def _half(
    cases: Sequence[Case], answers: Sequence[FloatArray], half: str
) -> tuple[list[Case], list[FloatArray]]:
    part = [at for at, case in enumerate(cases) if case.split == half]
    return [cases[at] for at in part], [answers[at] for at in part]


def _short(
    cases: Sequence[Case], rivals: Sequence[Rival], kept: Kept
) -> dict[tuple[int, str], dict[str, Ratio]]:
    # Over the better, series by series, of seasonal-naive and Prophet's default.
    if PROPHET not in rivals:
        return {}
    found: dict[tuple[int, str], dict[str, Ratio]] = {}
    for days in SHORT_DAYS:
        cut = with_history(cases, days)
        prophet = asked(PROPHET, cut, 168, kept)
        for horizon, steps in HORIZONS.items():
            ours = losses(cut, asked(FLEET, cut, steps, kept), steps)
            naive = losses(cut, asked(NAIVE, cut, steps, kept), steps)
            theirs = losses(cut, prophet, steps)
            found[days, horizon] = {
                "the better": ratio(ours, better(naive, theirs)),
                NAIVE.label: ratio(ours, naive),
                PROPHET.label: ratio(ours, theirs),
            }
    return found


def _coverage(
    cases: Sequence[Case],
    often: Sequence[Case],
    rivals: Sequence[Rival],
    answers: Mapping[str, Sequence[FloatArray]],
    kept: Kept,
) -> list[Coverage]:
    # Ours at three times the origins, as asking is cheap; rivals at those of the losses.
    ours = asked(FLEET, often, 168, kept)
    halves = [
        _covered(f"fleet, {half}", *_half(often, ours, half))
        for half in (CHOSEN, HELD_OUT)
        if any(case.split == half for case in often)
    ]
    others = [
        _covered(one.label, cases, answers[one.name])
        for one in rivals
        if one not in {FLEET, HOLIDAYS, MEDIAN}
    ]
    return [_covered("fleet", often, ours), *halves, *others]


def _coverage_short(often: Sequence[Case], kept: Kept) -> list[Coverage]:
    found: list[Coverage] = []
    for days in (21, 28):
        cut = with_history(often, days)
        found.append(_covered(f"fleet, {days} days", cut, asked(FLEET, cut, 168, kept)))
    return found


def _covered(label: str, cases: Sequence[Case], answers: Sequence[FloatArray]) -> Coverage:
    regular = [at for at, case in enumerate(cases) if case.strength >= REGULAR_STRENGTH]
    few = [cases[at] for at in regular], [answers[at] for at in regular]
    return Coverage(
        label=label,
        forecast_count=len(regular),
        by_day={name: coverages(*few, low, high) for name, (low, high) in INTERVALS.items()},
        below_95=share_below(cases, answers, 0.95),
    )


def _shifted(cases: Sequence[Case], kept: Kept) -> dict[str, Shifted]:
    old = [case for case in cases if case.days >= 28]
    new = shifted(old, _SHIFT, _SHIFT_H)
    found: dict[str, Shifted] = {}
    for horizon, steps in HORIZONS.items():
        clean = losses(old, asked(FLEET, old, steps, kept), steps)
        moved = losses(new, asked(FLEET, new, steps, kept), steps)
        found[horizon] = Shifted(of_means=mean(moved) / mean(clean), middle=ratio(moved, clean))
    return found


def reached(found: Measured) -> dict[str, float]:
    """Return the figures that the targets speak of, on the sources held out."""
    figures: dict[str, float] = {}
    highest: list[float] = []
    for horizon in HORIZONS:
        ours = found.losses[horizon, HELD_OUT, FLEET.name]
        for name in ("prophet", "prophet-tuned", "lightgbm", "weekly-median"):
            theirs = found.losses.get((horizon, HELD_OUT, name))
            if ours and theirs:
                over = ratio(ours, theirs)
                figures[f"{name}/{horizon}"] = over.middle
                highest.append(over.high)
        figures[f"shift/{horizon}"] = found.shift[horizon].of_means
    if highest:
        figures["upper"] = max(highest)
    for (days, horizon), over in found.short.items():
        figures[f"short/{days}/{horizon}"] = over["the better"].middle
    figures["cover"] = _furthest(found.coverage[:1])
    figures["cover-short"] = _furthest(found.coverage_short)
    figures["below"] = 100 * abs(found.coverage[0].below_95.pooled - 0.95)
    return figures


def _furthest(coverage: Sequence[Coverage]) -> float:
    nominal = {"80 %": 0.8, "95 %": 0.95}
    return 100 * max(
        abs(share - nominal[name])
        for one in coverage
        for name, days in one.by_day.items()
        for share in days
        if np.isfinite(share)
    )
