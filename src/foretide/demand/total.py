"""This file knows how demand adds up: several series to one, short buckets to minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from foretide.demand.aggregate import coarser
from foretide.demand.gaps import MINUTE_S
from foretide.errors import InvalidValueError
from foretide.model.demand import Demand
from foretide.model.instant import bucket_floor


def summed(series_id: str, parts: Sequence[Demand]) -> Demand:
    """Return the sum of several series, bucket by bucket.

    Parameters
    ----------
    series_id : str
        Name of the sum.
    parts : sequence of Demand
        At least one, all of one step. Outside its own span a series says nothing of the others;
        within it a bucket that it did not observe is not observed in the sum.

    Returns
    -------
    Demand
        From the first start to the last end; NaN where no part spans a bucket.

    Raises
    ------
    InvalidValueError
        When the steps differ.
    """
    steps = {part.step_s for part in parts}
    if len(steps) > 1:
        raise InvalidValueError(
            f"{series_id}: its series have steps of {sorted(steps)} s and do not add up; "
            "ask for features of one step, or for one --step that is a multiple of them all"
        )
    step = timedelta(seconds=steps.pop())
    start = min(part.start for part in parts)
    count = (max(part.end for part in parts) - start) // step
    total, is_spanned = np.zeros(count), np.zeros(count, dtype=np.bool_)
    for part in parts:
        first = (part.start - start) // step
        span = slice(first, first + len(part.values))
        total[span] += part.values
        is_spanned[span] = True
    return Demand(
        series_id=series_id,
        start=start,
        step_s=parts[0].step_s,
        values=np.where(is_spanned, total, np.nan),
    )


def by_the_minute(demand: Demand) -> Demand:
    """Return demand in buckets of at least a minute.

    Parameters
    ----------
    demand : Demand
        Any; buckets that divide a minute are added up, all others stay as they are.

    Returns
    -------
    Demand
        A minute of which too little was observed is NaN.
    """
    if demand.step_s >= MINUTE_S or MINUTE_S % demand.step_s:
        return demand
    start = bucket_floor(demand.start, MINUTE_S)
    return Demand(
        series_id=demand.series_id,
        start=start,
        step_s=MINUTE_S,
        values=coarser(
            demand.values,
            factor=MINUTE_S // demand.step_s,
            offset=int((demand.start - start).total_seconds()) // demand.step_s,
        ),
    )
