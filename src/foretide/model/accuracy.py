"""This file knows what past forecasts were worth: scores of forecast days, summed and weighed.

A score is a set of sums over the buckets that were observed, so scores add up: over days, over
forecasts, over series. What is said of a series is worked out of the sums.
"""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.model.forecast import Forecast

# The levels at which every forecast is kept, and those among them whose pinball loss is counted.
KEPT_LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
SCORED_LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
# Demand that comes later than this after its bucket no longer changes a score.
LATENESS_S = 900
# Scored days that weigh as much as the belief that a forecaster is no better than the plainest.
_PRIOR_DAYS = 7.0
# Coverage this far from its nominal value is worth nothing.
_COVERAGE_SLACK = 0.1


class SeriesClass(StrEnum):
    """What kind of demand a series is, by its own past: the first that holds."""

    YOUNG = "young"  # less than two weeks of history
    SPARSE = "sparse"  # more than half of its buckets are zero
    DRIFTING = "drifting"  # the last week's level or daily shape is not that of the weeks before
    BURSTY = "bursty"  # now and then several times what is usual at that hour
    WEEKLY = "weekly"  # the hour of the week explains it, clearly better than the hour of the day
    REGULAR = "regular"  # the hour of the day explains at least half of it
    IRREGULAR = "irregular"  # none of these


class Kept(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A forecast as it is kept, with all that scoring it will need.

    Parameters
    ----------
    forecast : Forecast
        At KEPT_LEVELS.
    naive : ndarray, shape (steps, len(SCORED_LEVELS))
        What the seasonal-naive forecaster said at the same instant. Made read-only.
    naive_scale : float
        Mean error, before that instant, of repeating the last week (or day); 0 where not known.
    series_class : SeriesClass
        What kind of demand it was then.
    """

    forecast: Forecast
    naive: FloatArray
    naive_scale: float
    series_class: SeriesClass

    def __post_init__(self) -> None:
        if self.forecast.levels != KEPT_LEVELS:
            raise InvalidValueError(f"levels must be {KEPT_LEVELS}, were {self.forecast.levels}")
        shape = (len(self.forecast.values), len(SCORED_LEVELS))
        if self.naive.shape != shape:
            raise InvalidValueError(f"naive must have shape {shape}, had {self.naive.shape}")
        self.naive.flags.writeable = False


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over observed buckets: what every measure of accuracy is worked out of.

    Parameters
    ----------
    bucket_count : int
        Buckets that were observed.
    demand : float
        Sum of what was observed.
    pinball : tuple of float
        Pinball loss at each of SCORED_LEVELS.
    absolute_error : float
        Of the median.
    scaled_error : float
        The same, each forecast's over its `naive_scale`.
    scaled_count : int
        Buckets in `scaled_error`: those of forecasts whose scale is known.
    naive_loss : float
        Pinball loss of the seasonal-naive forecast, over all of SCORED_LEVELS.
    expected_loss : float
        Pinball loss that the forecast itself gave out: what it would be if its quantiles are right.
    inside_50_count, inside_80_count, inside_95_count : int
        Buckets inside the interval of that share.
    below_95_count : int
        Buckets at or below the 95 % quantile.
    """

    bucket_count: int = 0
    demand: float = 0.0
    pinball: tuple[float, ...] = (0.0,) * len(SCORED_LEVELS)
    absolute_error: float = 0.0
    scaled_error: float = 0.0
    scaled_count: int = 0
    naive_loss: float = 0.0
    expected_loss: float = 0.0
    inside_50_count: int = 0
    inside_80_count: int = 0
    inside_95_count: int = 0
    below_95_count: int = 0

    @property
    def pinball_ratio(self) -> float:
        """Pinball loss over what the forecasts gave out; NaN where nothing was observed."""
        return _ratio(sum(self.pinball), self.expected_loss)

    def plus(self, other: Tally) -> Tally:
        """Return the sums over the buckets of both."""
        return Tally(
            bucket_count=self.bucket_count + other.bucket_count,
            demand=self.demand + other.demand,
            pinball=tuple(a + b for a, b in zip(self.pinball, other.pinball, strict=True)),
            absolute_error=self.absolute_error + other.absolute_error,
            scaled_error=self.scaled_error + other.scaled_error,
            scaled_count=self.scaled_count + other.scaled_count,
            naive_loss=self.naive_loss + other.naive_loss,
            expected_loss=self.expected_loss + other.expected_loss,
            inside_50_count=self.inside_50_count + other.inside_50_count,
            inside_80_count=self.inside_80_count + other.inside_80_count,
            inside_95_count=self.inside_95_count + other.inside_95_count,
            below_95_count=self.below_95_count + other.below_95_count,
        )


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What one day of one forecast was worth.

    Parameters
    ----------
    day : int
        Day of the horizon: 1 is the first 24 hours after the forecast's start.
    tally : Tally
        Over the buckets observed so far, at least one.
    is_final : bool
        Whether the day has gone and late demand can no longer change the score.
    """

    day: int
    tally: Tally
    is_final: bool


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one series and forecaster under one heading.

    Parameters
    ----------
    series_id, model : str
        Whose forecasts, by which forecaster.
    key : str
        Day of the horizon, class, feature or forecaster, by what was asked.
    forecast_count : int
        Forecasts scored at least in part.
    day_count : int
        Different days of demand among them.
    last : datetime
        End of the newest day of a horizon that was scored, if only in part.
    tally : Tally
    """

    series_id: str
    model: str
    key: str
    forecast_count: int
    day_count: int
    last: datetime
    tally: Tally


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What the forecasts of one series were worth lately; NaN where nothing can be said.

    Parameters
    ----------
    series_id, model : str
        Whose forecasts, and by which forecaster.
    day : int
        Day of the horizon, 1 ... 7; 0 when all days are taken together.
    wql : float
        Twice the pinball loss over the demand, mean over SCORED_LEVELS; 0 is perfect.
    wape : float
        Error of the median over the demand.
    mase : float
        Error of the median over that of repeating the last week, before the forecast; below 1 is
        better.
    skill : float
        1 - pinball loss / that of the seasonal-naive forecast of the same instant; 1 is perfect,
        0 is no better.
    coverage_50, coverage_80, coverage_95 : float
        Share of buckets inside the interval of that nominal share.
    below_95_fraction : float
        Share of buckets at or below the 95 % quantile.
    pinball_ratio : float
        Pinball loss over what the forecasts themselves gave out: 1 when they are right, above it
        when demand has drifted away from them.
    matured_count : int
        Buckets scored.
    day_count : int
        Different days of demand among them: what there is of independent evidence.
    age_s : float
        Seconds since the newest demand scored.
    """

    series_id: str
    model: str
    day: int
    wql: float
    wape: float
    mase: float
    skill: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    below_95_fraction: float
    pinball_ratio: float
    matured_count: int
    day_count: int
    age_s: float

    @property
    def believed_skill(self) -> float:
        """Skill as far as it is proven: drawn to 0 where few days are known; never NaN."""
        if not math.isfinite(self.skill):
            return 0.0
        return self.skill * self.day_count / (self.day_count + _PRIOR_DAYS)

    @property
    def calibration_fraction(self) -> float:
        """How well the 80 % interval holds, in [0, 1]: 1 while nothing speaks against it."""
        if not math.isfinite(self.coverage_80):
            return 1.0
        by_chance = 2 * math.sqrt(0.8 * 0.2 / max(self.day_count, 1))
        excess = max(0.0, abs(self.coverage_80 - 0.8) - by_chance)
        return float(np.clip(1 - excess / _COVERAGE_SLACK, 0, 1))

    @property
    def worth_fraction(self) -> float:
        """How good the forecasts are, in one number in [0, 1]: believed skill x calibration."""
        return float(np.clip(self.believed_skill, 0, 1)) * self.calibration_fraction


def accuracy_from(
    tally: Tally, *, series_id: str, model: str, day: int, day_count: int, age_s: float
) -> Accuracy:
    """Work the measures out of the sums.

    Parameters
    ----------
    tally : Tally
        Of one series.
    series_id, model, day, day_count, age_s
        As for `Accuracy`.
    """
    count, levels = tally.bucket_count, len(SCORED_LEVELS)
    loss = sum(tally.pinball)
    return Accuracy(
        series_id=series_id,
        model=model,
        day=day,
        wql=_ratio(2 * loss, tally.demand * levels),
        wape=_ratio(tally.absolute_error, tally.demand),
        mase=_ratio(tally.scaled_error, tally.scaled_count),
        skill=1 - _ratio(loss, tally.naive_loss),
        coverage_50=_ratio(tally.inside_50_count, count),
        coverage_80=_ratio(tally.inside_80_count, count),
        coverage_95=_ratio(tally.inside_95_count, count),
        below_95_fraction=_ratio(tally.below_95_count, count),
        pinball_ratio=tally.pinball_ratio,
        matured_count=count,
        day_count=day_count,
        age_s=age_s,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
