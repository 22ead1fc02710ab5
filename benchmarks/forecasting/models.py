"""The forecasters of this package and the plain rivals, asked one case after another.

Every function here returns one table of quantiles per case, shape (steps, levels).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
from forecasting.cases import Case

from foretide.control.calendar import calendar_for_flags, span_of
from foretide.forecast.base import Forecaster
from foretide.forecast.special import Calendared
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)


def asked(forecaster: Forecaster, cases: Sequence[Case], steps: int) -> list[FloatArray]:
    """Ask one of our forecasters, all series of a source and instant at once."""
    return _asked(lambda _: forecaster, cases, steps)


def asked_with_holidays(
    forecaster: Forecaster, cases: Sequence[Case], steps: int
) -> list[FloatArray]:
    """Ask one of our forecasters that is told the holidays of each source's country."""
    return _asked(partial(_told_holidays, forecaster, steps=steps), cases, steps)


def _told_holidays(forecaster: Forecaster, several: Sequence[Case], steps: int) -> Forecaster:
    case = several[0]
    first, last = span_of([one.past for one in several], steps * 3600)
    calendar = calendar_for_flags(
        case.country, case.subdivision, timezone=case.zone, first=first, last=last
    )
    return Calendared(forecaster, calendar)


def _asked(
    forecaster_for: Callable[[Sequence[Case]], Forecaster], cases: Sequence[Case], steps: int
) -> list[FloatArray]:
    together: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, case in enumerate(cases):
        together[case.source, case.issued_at.isoformat()].append(at)
    answers: list[FloatArray] = [np.empty(0)] * len(cases)
    for members in together.values():
        several = [cases[at] for at in members]
        found = forecaster_for(several).forecast(
            [case.past for case in several],
            issued_at=several[0].issued_at,
            horizon_s=steps * 3600,
            levels=LEVELS,
            timezone=ZoneInfo(several[0].zone),
        )
        for at, one in zip(members, found, strict=True):
            answers[at] = one.values
    return answers


def weekly_median(cases: Sequence[Case], steps: int) -> list[FloatArray]:
    """Repeat the median of the last four same hours of the week, with its own errors around it."""
    return [_repeated(case, steps, 4) for case in cases]


def seasonal_naive(cases: Sequence[Case], steps: int) -> list[FloatArray]:
    """Repeat the same hour of the last week, with its own errors around it."""
    return [_repeated(case, steps, 1) for case in cases]


def _repeated(case: Case, steps: int, count: int) -> FloatArray:
    # The errors, in square roots, are those of the same rule at every hour of the past, scaled by
    # hour of the day. Days take the place of weeks where less than a day of weekly errors is known.
    roots = np.sqrt(case.past.values)
    known = len(roots)
    lag = 168 if np.isfinite(roots[168:] - roots[:-168]).sum() >= 24 else 24
    targets = np.arange(lag, known + steps)
    # The latest hour a whole number of lags earlier that was known by then, and seven before it.
    latest = targets - lag * np.maximum(1, -(-(targets - known + 1) // lag))
    earlier = latest[:, None] - lag * np.arange(8)
    found = np.where(earlier >= 0, roots[np.maximum(earlier, 0)], np.nan)
    is_told = np.isfinite(found)
    found = np.where(is_told & (np.cumsum(is_told, axis=1) <= count), found, np.nan)
    middle = _medians(found, otherwise=float(np.nanmedian(roots)))
    missed = roots[lag:] - middle[: known - lag]
    hours = targets % 24
    scale = _scale_by_hour(missed, hours[: len(missed)])
    relative = missed / scale[hours[: len(missed)]]
    relative = relative[np.isfinite(relative)]
    quantiles = np.quantile(relative, LEVELS) if len(relative) else np.zeros(len(LEVELS))
    spread = scale[hours[len(missed) :]][:, None] * quantiles
    return np.square(np.maximum(middle[known - lag :, None] + spread, 0))


def _medians(rows: FloatArray, otherwise: float) -> FloatArray:
    medians = np.full(len(rows), otherwise)
    some = np.isfinite(rows).any(axis=1)
    medians[some] = np.nanmedian(rows[some], axis=1)
    return medians


def _scale_by_hour(missed: FloatArray, hours: IntArray) -> FloatArray:
    seen = np.isfinite(missed)
    overall = float(np.mean(np.square(missed[seen]))) if seen.any() else 0.0
    own = [missed[seen & (hours == hour)] for hour in range(24)]
    return np.array(
        [
            np.sqrt((np.square(of_hour).sum() + 3 * overall) / (len(of_hour) + 3)) + 1e-9
            for of_hour in own
        ]
    )
