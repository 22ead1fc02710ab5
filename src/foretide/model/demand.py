"""This file knows what demand is: one amount per bucket, where missing is never zero."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.instant import require_utc

AMOUNT_MAX = 1e15  # beyond it a float counts in eighths, and sums of squares lose their meaning
FloatArray = npt.NDArray[np.float64]


class Demand(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The demand of one series on a regular grid of buckets.

    Parameters
    ----------
    series_id : str
        Whose demand it is.
    start : datetime
        Start of the first bucket, aware UTC.
    step_s : int
        Length of a bucket in seconds, 1 ... 86400.
    values : ndarray, shape (buckets,)
        Amount in each bucket (events when the source counts events), 0 ... 1e15; NaN where
        nothing was observed. Made read-only.
    """

    series_id: str
    start: datetime
    step_s: int
    values: FloatArray

    def __post_init__(self) -> None:
        require_utc("start", self.start)
        if not 1 <= self.step_s <= 86_400:
            raise InvalidValueError(f"step_s must lie in [1, 86400], was {self.step_s}")
        if self.values.ndim != 1:
            raise InvalidValueError(f"values must have one dimension, had {self.values.ndim}")
        if (self.values < 0).any() or (self.values > AMOUNT_MAX).any():
            raise InvalidValueError(
                f"values must lie in [0, {AMOUNT_MAX:g}], or be NaN where not observed"
            )
        self.values.flags.writeable = False

    @property
    def end(self) -> datetime:
        """End of the last bucket."""
        return self.start + timedelta(seconds=self.step_s * len(self.values))

    def until(self, instant: datetime) -> Demand:
        """Return the buckets that ended at or before `instant`."""
        closed = int((instant - self.start).total_seconds() // self.step_s)
        return Demand(
            series_id=self.series_id,
            start=self.start,
            step_s=self.step_s,
            values=self.values[: max(closed, 0)],
        )
