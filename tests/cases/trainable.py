"""A small honest model that learns: a weekly profile, its spread, and today's level."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import check_asked, first_step, step_count
from foretide.forecast.levels import normal_quantiles
from foretide.forecast.tally import WEEK_H
from foretide.forecast.wallclock import epoch_s, local_s
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast


class Learned(msgspec.Struct, frozen=True):
    """Mean and spread, in square roots, by local hour of the week."""

    profile: list[float]
    spread: float


class WeekProfile:
    """Learns the mean week of its last four, and how far days strayed from it."""

    name = "week-profile"

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn; see `Trainable.train`."""
        found = {one.series_id: self._learned(one.until(issued_at), timezone) for one in demands}
        return b"week-profile\n" + msgspec.json.encode(found, order="sorted")

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
        """Forecast; see `Trainable.forecast_trained`."""
        check_asked(horizon_s, levels)
        title, _, text = trained.partition(b"\n")
        if title != b"week-profile":
            raise InvalidValueError("trained must have been made by week-profile and was not")
        known = msgspec.json.decode(text, type=dict[str, Learned])
        normal = normal_quantiles(levels).astype(np.float64)
        made: list[Forecast] = []
        for one in demands:
            past = one.until(issued_at)
            learned = known.get(one.series_id) or self._learned(past, timezone)
            start = first_step(one, issued_at)
            steps = step_count(one.step_s, horizon_s)
            profile = np.array(learned.profile)
            ahead_s = epoch_s(start) + one.step_s * np.arange(steps, dtype=np.int64)
            middle = profile[hours(ahead_s, timezone)] + self._level(past, profile, timezone)
            roots = np.maximum(middle[:, None] + learned.spread * normal, 0)
            made.append(
                Forecast(
                    series_id=one.series_id, model=self.name, issued_at=issued_at, start=start,
                    step_s=one.step_s, levels=levels, values=np.square(roots),
                )
            )  # fmt: skip
        return made

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Learn and forecast; see `Forecaster.forecast`."""
        return self.forecast_trained(
            self.train(demands, issued_at=issued_at, timezone=timezone), demands,
            issued_at=issued_at, horizon_s=horizon_s, levels=levels, timezone=timezone,
        )  # fmt: skip

    def _learned(self, past: Demand, zone: ZoneInfo) -> Learned:
        values = np.sqrt(past.values[-4 * WEEK_H * 3600 // past.step_s :])
        hour = hours(_begins(past, len(values)), zone)
        overall = float(np.nanmean(values)) if np.isfinite(values).any() else 1.0
        profile = np.full(WEEK_H, overall)
        for at in range(WEEK_H):
            own = values[hour == at]
            if np.isfinite(own).any():
                profile[at] = np.nanmean(own)
        strays = values - profile[hour]
        weeks = max(len(values) * past.step_s / (WEEK_H * 3600), 1.2)
        # what was averaged over few weeks strays more ahead than behind
        grown = np.sqrt((weeks + 1) / (weeks - 1))
        seen = np.isfinite(strays).any()
        return Learned(profile.tolist(), float(np.nanstd(strays) * grown) if seen else 1.0)

    def _level(self, past: Demand, profile: FloatArray, zone: ZoneInfo) -> float:
        latest = np.sqrt(past.values[-86_400 // past.step_s :])
        if not np.isfinite(latest).any():
            return 0.0
        strays = latest - profile[hours(_begins(past, len(latest)), zone)]
        return 0.3 * float(np.nanmean(strays))


def hours(utc_s: np.ndarray[tuple[int], np.dtype[np.int64]], zone: ZoneInfo):
    """Return the local hour of the week of each instant."""
    return (local_s(utc_s, zone) // 3600 + 72) % WEEK_H


def _begins(past: Demand, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return epoch_s(past.end) + past.step_s * np.arange(-count, 0, dtype=np.int64)
