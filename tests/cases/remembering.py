"""The smallest model that can be trained: what tests of its helpers need, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.model.demand import Demand
from foretide.model.forecast import Forecast


class Remembering:
    """Says the mean of what it was trained on, by the place in which a series was shown."""

    name = "remembering"

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast with what was learned just now."""
        trained = self.train(demands, issued_at=issued_at, timezone=timezone)
        return self.forecast_trained(
            trained, demands, issued_at=issued_at, horizon_s=horizon_s, levels=levels,
            timezone=timezone,
        )  # fmt: skip

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Remember the mean of each series."""
        del timezone
        known = [one.until(issued_at).values for one in demands]
        return msgspec.json.encode([float(np.nanmean(one)) if len(one) else 0.0 for one in known])

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
        """Say what was remembered; quantiles lie a little apart."""
        del timezone
        means = msgspec.json.decode(trained, type=list[float])
        return [
            Forecast(
                series_id=one.series_id,
                model=self.name,
                issued_at=issued_at,
                start=issued_at,
                step_s=one.step_s,
                levels=levels,
                values=mean + np.tile(levels, (horizon_s // one.step_s, 1)),
            )
            for one, mean in zip(demands, means, strict=True)
        ]
