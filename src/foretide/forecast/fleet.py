"""This file knows the built-in engine: many series at once, experts weighed by a backtest.

For every series the experts guess the next days from each of the last weeks' days (the origins);
what they missed sets their weights (`choose`), what the combination still missed is carried
forward (`correct`) and its spread becomes the quantiles (`conformal`). Series with little history
get fewer experts and a stated note (`coldstart`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from foretide.forecast.choose import combine
from foretide.forecast.coldstart import short_quantiles
from foretide.forecast.conformal import moved, spread_of
from foretide.forecast.correct import corrected
from foretide.forecast.days import Days, Floats, calmed, mean_level, windows
from foretide.forecast.experts import guesses
from foretide.forecast.issue import Answer, Past, issue
from foretide.forecast.shift import relevelled
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

# Shorter buckets are gathered into bins of five minutes; their own spread is kept.
_FINEST_S = 300
_DAYS_FOR_BACKTEST = 3
_DAYS_FOR_WEEKS = 8
_DAYS_FOR_WEEKS_ALONE = 14


class Fleet:
    """The built-in engine; keeps nothing between forecasts."""

    name = "fleet"

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand; see `Forecaster.forecast`."""
        return issue(
            demands,
            model=self.name,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=timezone,
            finest_s=_FINEST_S,
            quantiles_of=_quantiles_of,
        )


def _quantiles_of(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
    whole_days = past.whole_days
    if whole_days < _DAYS_FOR_BACKTEST:
        note = "less than three days of history: by level and time of day, wide by prior"
        return Answer(quantiles=short_quantiles(past.sampled, days_ahead, levels), note=note)
    runs: list[Floats] = []
    if whole_days < _DAYS_FOR_WEEKS_ALONE:
        runs.append(_run(past, 2, days_ahead, levels, has_weeks=False))
    if whole_days >= _DAYS_FOR_WEEKS:
        first = min(max(whole_days // 2, 7), 14)
        runs.append(_run(past, first, days_ahead, levels, has_weeks=True))
    few = f"only {whole_days} days of history: weekdays are barely known, widened"
    if len(runs) == 2:
        # Weekdays matter more the further ahead the day lies.
        late = np.minimum(0.5 + np.arange(days_ahead, dtype=np.float32) / 6, 1)[:, None, None]
        runs = [runs[0] * (1 - late) + runs[1] * late]
    return Answer(
        quantiles=runs[0],
        note=few if whole_days < _DAYS_FOR_WEEKS_ALONE else "",
    )


def _run(
    past: Past, earliest: int, days_ahead: int, levels: tuple[float, ...], *, has_weeks: bool
) -> Floats:
    # One whole backtest, its first origin no earlier than the given row.
    days, rows = past.days, past.days.values.shape[1]
    first = rows - min(rows - earliest, max(rows - 28, 14), 28)
    experts = guesses(
        calmed(days), past.weekend, first=first, days_ahead=days_ahead, has_weeks=has_weeks
    )
    actual, seen = _outcomes(days, first, days_ahead)
    usual = experts["weekly median" if has_weeks else "daily median"]
    centre = corrected(combine(experts, actual, seen), actual, seen)
    centre = relevelled(centre, usual, actual, seen)
    single, single_seen = _outcomes(past.sampled, first, days_ahead)
    strays = (np.sqrt(single) - np.sqrt(centre[:, :-1])) * single_seen
    spread = spread_of(strays, single_seen, levels, np.sqrt(mean_level(days)))
    return moved(centre[:, -1], spread)


def _outcomes(days: Days, first: int, days_ahead: int) -> tuple[Floats, Floats]:
    # What came after every past origin; days that lie ahead of the present are not seen.
    ahead = ((0, 0), (0, days_ahead - 1), (0, 0))
    return (
        windows(np.pad(days.values, ahead), first, days_ahead),
        windows(np.pad(days.seen, ahead), first, days_ahead),
    )
