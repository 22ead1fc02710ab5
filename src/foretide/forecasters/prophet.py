"""This file knows Prophet: a trend and smooth seasons fitted to one series at a time.

Two presets: what the library does by default, and one tuned for demand (square roots, and a week
fine enough to tell its hours). Reference: Taylor and Letham, "Forecasting at Scale", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S, check_asked
from foretide.forecast.days import Floats
from foretide.forecast.issue import Answer
from foretide.forecasters.intervals import calibrated, origin_rows
from foretide.forecasters.kept import opened, sealed
from foretide.forecasters.learning import LearnsFirst
from foretide.forecasters.prophet_fit import DEFAULT, TUNED, Fit, Preset, fitted, value_at
from foretide.forecasters.shown import Shown, fallback, issue_each, lacking, shown, thin
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_VERSION = 1
_DAYS_MIN = 3
# Each is a whole fit: four weekly ones are what a week ahead can be judged by.
_ORIGINS = 4
_LEVEL_CHANGE_MAX = 1000.0


class _Fits(msgspec.Struct, frozen=True, kw_only=True):
    level: float
    fits: list[Fit]  # by until_s: those of earlier origins, then the present one


class Prophet(LearnsFirst):
    """Prophet with our intervals, one fit per series and four more to see how wrong it gets."""

    def __init__(self, preset: Preset = DEFAULT) -> None:
        self.name = preset.name
        self._preset = preset

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Fit every series; see `Trainable.train`."""
        found: dict[str, _Fits] = {}
        for demand in demands:
            seen = shown(demand, issued_at=issued_at, zone=timezone)
            if seen is not None:
                found[demand.series_id] = self._fits(seen)
        return sealed(self.name, _VERSION, msgspec.json.encode(found, order="sorted"))

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
        """Forecast with earlier fits, and fit what is new; see `Trainable.forecast_trained`."""
        check_asked(horizon_s, levels)
        learned = _decoded(self.name, trained)

        def answer_of(
            demand: Demand, seen: Shown, days_ahead: int, levels: tuple[float, ...]
        ) -> Answer:
            fits = learned.get(demand.series_id)
            if fits is None or not fits.fits:
                fits = self._fits(seen)
            return self._answer(fits, seen, days_ahead, levels)

        return issue_each(
            demands,
            answer_of,
            model=self.name,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=timezone,
        )

    def _fits(self, seen: Shown) -> _Fits:
        # None where there is too little to fit, or nothing but zero.
        if lacking(seen, _DAYS_MIN) or not seen.past.days.values.any():
            return _Fits(level=seen.level, fits=[])
        rows = [*origin_rows(seen.rows, _ORIGINS), seen.rows]
        fits = [fit for row in rows for fit in [fitted(seen, row, self._preset)] if fit]
        return _Fits(level=seen.level, fits=fits)

    def _answer(
        self, fits: _Fits, seen: Shown, days_ahead: int, levels: tuple[float, ...]
    ) -> Answer:
        if not fits.fits:
            why = lacking(seen, _DAYS_MIN)
            return fallback(seen.past, days_ahead, levels, why)
        grown = _growth(fits.level, seen.level)
        guesses: dict[int, Floats] = {}
        for fit in fits.fits:
            row = seen.rows - (seen.first_s - fit.until_s) // DAY_S
            guesses[row] = self._guess(fit, seen, row, days_ahead) * grown
        newest = self._guess(fits.fits[-1], seen, seen.rows, days_ahead) * grown
        known = {row: guess for row, guess in guesses.items() if 0 <= row < seen.rows}
        return Answer(quantiles=calibrated(seen.past, newest, known, levels), note=thin(seen.past))

    def _guess(self, fit: Fit, seen: Shown, row: int, days_ahead: int) -> Floats:
        values = value_at(fit, seen.clock_s(row, days_ahead))
        values = np.maximum(values, 0)
        return np.asarray(np.square(values) if self._preset.is_root else values, dtype=np.float32)


def tuned() -> Prophet:
    """Return Prophet as we tuned it for demand."""
    return Prophet(TUNED)


def _decoded(model: str, trained: bytes) -> dict[str, _Fits]:
    try:
        return msgspec.json.decode(opened(model, _VERSION, trained), type=dict[str, _Fits])
    except msgspec.DecodeError as error:
        raise InvalidValueError(f"trained must hold fits of {model}: {error}") from None


def _growth(then: float, now: float) -> float:
    # The past is shown relative to its recent mean, which has moved since the fits were made.
    if not (then > 0 and now > 0):
        return 1.0
    return float(np.clip(then / now, 1 / _LEVEL_CHANGE_MAX, _LEVEL_CHANGE_MAX))
