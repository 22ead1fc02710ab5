"""What the benchmark's figures are: losses by series, ratios by source, and how sure they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
from forecasting.cases import Case
from forecasting.models import LEVELS

from foretide.forecast.score import pinball
from foretide.model.demand import FloatArray

SCORED = (0.1, 0.5, 0.9, 0.95, 0.99)
_COLUMNS = [LEVELS.index(level) for level in SCORED]
_DRAWS = 4000

Losses = dict[str, dict[str, float]]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio of losses: geometric mean of the sources, with its 95 % interval over sources."""

    middle: float
    low: float
    high: float
    by_source: dict[str, float]


def losses(cases: Sequence[Case], answers: Sequence[FloatArray], steps: int) -> Losses:
    """Return WQL by source and series, over all origins of a series.

    WQL = 2 x pinball / demand, mean over .1 .5 .9 .95 .99.
    """
    totals: dict[tuple[str, str], FloatArray] = defaultdict(lambda: np.zeros(2))
    for case, answer in zip(cases, answers, strict=True):
        actual = case.actual[:steps]
        loss = np.nansum(pinball(answer[:steps, _COLUMNS], SCORED, actual))
        demand = np.nansum(np.abs(actual))
        totals[case.source, case.series_id] += [2 * loss / len(SCORED), demand]
    found: Losses = defaultdict(dict)
    for (source, series), (loss, demand) in totals.items():
        if demand > 0:
            found[source][series] = float(loss / demand)
    return dict(found)


def ratio(ours: Losses, theirs: Losses) -> Ratio:
    """Return ours over theirs: geometric mean of a source's series, then of sources."""
    by_source = {
        source: float(
            np.exp(
                np.mean([np.log(_over(loss, theirs[source][name])) for name, loss in of.items()])
            )
        )
        for source, of in ours.items()
    }
    logs = np.log(np.array(list(by_source.values())))
    rng = np.random.default_rng(1)
    drawn = logs[rng.integers(0, len(logs), (_DRAWS, len(logs)))].mean(axis=1)
    low, high = np.exp(np.quantile(drawn, (0.025, 0.975)))
    return Ratio(
        middle=float(np.exp(logs.mean())), low=float(low), high=float(high), by_source=by_source
    )


def mean(of: Losses) -> float:
    """Return the mean loss of a source's series, then of sources."""
    return float(np.mean([np.mean(list(series.values())) for series in of.values()]))


def better(one: Losses, other: Losses) -> Losses:
    """Return the lower loss of two models, series by series."""
    return {
        source: {name: min(loss, other[source][name]) for name, loss in of.items()}
        for source, of in one.items()
    }


def _over(ours: float, theirs: float) -> float:
    # A series somebody foresaw exactly counts as little as one can print.
    return max(ours, 1e-4) / max(theirs, 1e-4)


def coverages(
    cases: Sequence[Case], answers: Sequence[FloatArray], low: float, high: float
) -> list[float]:
    """Return the share of truths within two quantiles, by horizon day, all hours alike."""
    below, above = LEVELS.index(low), LEVELS.index(high)
    found: list[float] = []
    for day in range(7):
        part = slice(day * 24, day * 24 + 24)
        inside = seen = 0
        for case, answer in zip(cases, answers, strict=True):
            actual = case.actual[part]
            known = np.isfinite(actual)
            within = (actual >= answer[part, below]) & (actual <= answer[part, above])
            inside += int((within & known).sum())
            seen += int(known.sum())
        found.append(inside / seen if seen else float("nan"))
    return found


class Below(msgspec.Struct, frozen=True, kw_only=True):
    """The share of truths at or under a quantile: of all hours alike, and of all series alike."""

    pooled: float
    by_series: float


def share_below(cases: Sequence[Case], answers: Sequence[FloatArray], level: float) -> Below:
    """Return the share of truths at or under a quantile."""
    column = LEVELS.index(level)
    shares: dict[str, list[float]] = defaultdict(list)
    for case, answer in zip(cases, answers, strict=True):
        known = np.isfinite(case.actual)
        under = case.actual[known] <= answer[known, column]
        shares[case.series_id].extend(under.astype(float).tolist())
    return Below(
        pooled=float(np.mean([one for of in shares.values() for one in of])),
        by_series=float(np.mean([np.mean(of) for of in shares.values()])),
    )
