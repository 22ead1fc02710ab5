"""Losses and coverage as tables in Markdown, and the figures that the targets speak of."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
from forecasting.cases import Case
from forecasting.kept import Kept
from forecasting.rivals import Rival
from forecasting.scores import Losses, Ratio, losses, ratio

from foretide.model.demand import FloatArray


def asked(rival: Rival, cases: Sequence[Case], steps: int, kept: Kept) -> list[FloatArray]:
    """Return a model's answers, all of them finite, in order and none crossing."""
    began = time.perf_counter()
    answers = rival.answers(cases, steps, kept)
    for case, answer in zip(cases, answers, strict=True):
        if not np.isfinite(answer[:steps]).all() or (np.diff(answer, axis=1) < 0).any():
            raise AssertionError(f"{rival.name} crossed or left a gap on {case.series_id}")
    seconds = time.perf_counter() - began
    print(f"{rival.name}, {steps} h ahead: {seconds:.1f} s", file=sys.stderr, flush=True)
    return answers


def scored(
    rivals: Sequence[Rival], cases: Sequence[Case], steps: int, kept: Kept
) -> dict[Rival, Losses]:
    """Return every model's losses on the same questions."""
    return {one: losses(cases, asked(one, cases, steps, kept), steps) for one in rivals}


def by_source(ours: Rival, found: Mapping[Rival, Losses]) -> str:
    """Return one row per source: our loss, and our loss over each rival's."""
    others = [one for one in found if one is not ours]
    ratios = {one: ratio(found[ours], found[one]) for one in others}
    rows = [
        [source, f"{_middle(of):.4f}", *(f"{ratios[one].by_source[source]:.3f}" for one in others)]
        for source, of in found[ours].items()
    ]
    rows.append(["**all sources**", "", *(f"**{ratios[one].middle:.3f}**" for one in others)])
    rows.append(["95 % interval", "", *(interval(ratios[one]) for one in others)])
    return table(["source", f"{ours.label} WQL", *(f"÷ {one.label}" for one in others)], rows)


def interval(found: Ratio) -> str:
    """Return the 95 % interval of a ratio."""
    return f"{found.low:.3f} … {found.high:.3f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(head), "|".join(["---"] * len(head)), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _middle(of: Mapping[str, float]) -> float:
    return float(np.exp(np.mean([np.log(max(loss, 1e-4)) for loss in of.values()])))
