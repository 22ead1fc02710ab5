"""This file knows that a model which must learn first forecasts by what it has just learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from foretide.forecast.base import check_asked
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast


class LearnsFirst(ABC):
    """A `Trainable` whose plain forecast is one by what it learns on the spot."""

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Learn from the series asked for, then forecast them; see `Forecaster.forecast`."""
        check_asked(horizon_s, levels)  # before anything is learned
        trained = self.train(demands, issued_at=issued_at, timezone=timezone)
        return self.forecast_trained(
            trained,
            demands,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            timezone=timezone,
        )

    @abstractmethod
    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """See `Trainable.train`."""

    @abstractmethod
    def forecast_trained(
        self,
        trained: bytes,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """See `Trainable.forecast_trained`."""
