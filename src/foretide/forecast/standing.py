"""This file knows how the scores of many series become one line: how forecasts stand.

Every series counts once, whatever its unit or size: what depends on the amount of demand is taken
over each series' own demand before it is added up. Coverage counts buckets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from foretide.model.accuracy import Accuracy, Scored, Tally, accuracy_from

# Fewer different days than this judge nothing: days differ more than forecasters do.
_JUDGED_DAYS = 7


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the forecasts of some series by one forecaster stand.

    Parameters
    ----------
    key : str
        What they have in common: a series, a day of the horizon, a class or a forecaster.
    model : str
        The forecaster.
    series_count : int
        Series among them.
    scored_count : int
        Forecasts scored at least in part.
    accuracy : Accuracy
        Over all of them, `day_count` being the most days of any series.
    naive_wql : float
        What the seasonal-naive forecasts of the same instants reached; NaN where not known.
    """

    key: str
    model: str
    series_count: int
    scored_count: int
    accuracy: Accuracy
    naive_wql: float

    @property
    def is_judged(self) -> bool:
        """Whether there are days enough to go by."""
        return self.accuracy.day_count >= _JUDGED_DAYS


def standings(scored: Sequence[Scored]) -> list[Standing]:
    """Return how forecasts stand, one for each key and forecaster, in the order they come.

    Parameters
    ----------
    scored : sequence of Scored
        Sums of each series, forecaster and key.
    """
    groups: dict[tuple[str, str], list[Scored]] = {}
    for one in scored:
        groups.setdefault((one.key, one.model), []).append(one)
    return [_standing(key, model, members) for (key, model), members in groups.items()]


def unscored(key: str, model: str) -> Standing:
    """Return how forecasts stand of which nothing is scored yet: nothing is known."""
    nothing = accuracy_from(Tally(), series_id=key, model=model, day=0, day_count=0, age_s=math.nan)
    return Standing(
        key=key, model=model, series_count=0, scored_count=0, accuracy=nothing,
        naive_wql=math.nan,
    )  # fmt: skip


def _standing(key: str, model: str, members: Sequence[Scored]) -> Standing:
    total = Tally()
    for one in members:
        total = total.plus(_over_demand(one.tally))
    whole = accuracy_from(
        total, series_id=key, model=model, day=0,
        day_count=max(one.day_count for one in members), age_s=math.nan,
    )  # fmt: skip
    levels = len(total.pinball)
    return Standing(
        key=key,
        model=model,
        series_count=len({one.series_id for one in members}),
        scored_count=sum(one.forecast_count for one in members),
        accuracy=whole,
        naive_wql=2 * total.naive_loss / levels / total.demand if total.demand else math.nan,
    )


def _over_demand(tally: Tally) -> Tally:
    # Where nothing but zero was observed losses have no scale: only coverage counts.
    share = 1 / tally.demand if tally.demand > 0 else 0.0
    return msgspec.structs.replace(
        tally,
        demand=tally.demand * share,
        pinball=tuple(loss * share for loss in tally.pinball),
        absolute_error=tally.absolute_error * share,
        naive_loss=tally.naive_loss * share,
        expected_loss=tally.expected_loss * share,
    )
