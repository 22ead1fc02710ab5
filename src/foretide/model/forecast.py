"""This file knows what a forecast is: quantiles by horizon, and when it was issued."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.model.instant import require_utc


class Forecast(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one series is expected to do, made only from what was known at `issued_at`.

    Parameters
    ----------
    series_id : str
        Whose demand is forecast.
    model : str
        Name of the forecaster that made it.
    issued_at : datetime
        Nothing observed later went into it; aware UTC.
    start : datetime
        Start of the first bucket forecast, >= issued_at.
    step_s : int
        Length of a bucket in seconds.
    levels : tuple of float
        Quantile levels, strictly rising, each in (0, 1).
    values : ndarray, shape (steps, levels)
        Demand at each level, in the unit of the series; finite, >= 0, never crossing.
        Made read-only.
    note : str
        Why the forecast is wide or simple, empty when nothing needs saying.
    """

    series_id: str
    model: str
    issued_at: datetime
    start: datetime
    step_s: int
    levels: tuple[float, ...]
    values: FloatArray
    note: str = ""

    def __post_init__(self) -> None:
        require_utc("issued_at", self.issued_at)
        if self.start < self.issued_at:
            raise InvalidValueError(f"start must not lie before issued_at, was {self.start}")
        levels = np.asarray(self.levels)
        if not ((levels > 0) & (levels < 1)).all() or (np.diff(levels) <= 0).any():
            raise InvalidValueError(f"levels must rise within (0, 1), were {self.levels}")
        if self.values.shape != (len(self.values), len(self.levels)):
            raise InvalidValueError(f"values must be steps x levels, had {self.values.shape}")
        if not self._is_sound():
            if not np.isfinite(self.values).all() or (self.values < 0).any():
                raise InvalidValueError("forecast values must be finite and >= 0")
            raise InvalidValueError("forecast quantiles must not cross")
        self.values.flags.writeable = False

    def _is_sound(self) -> bool:
        # Where quantiles rise, from a lowest >= 0 to a finite highest, the others are both too.
        values = self.values
        ends = (values[:, 0] >= 0).all() and np.isfinite(values[:, -1]).all()
        return bool(ends and (values[:, 1:] >= values[:, :-1]).all())

    @property
    def end(self) -> datetime:
        """End of the last bucket forecast."""
        return self.start + timedelta(seconds=self.step_s * len(self.values))
