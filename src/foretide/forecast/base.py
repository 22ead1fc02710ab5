"""This file knows what every forecaster promises, and on which buckets a forecast lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from foretide.errors import InvalidValueError
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

DAY_S = 86_400
HORIZON_MAX_S = 7 * DAY_S


class Forecaster(Protocol):
    """A model that turns demand into forecasts.

    Its promises, which the contract suite holds every model to: only buckets that ended at or
    before `issued_at` are used; one forecast per demand, in the order given; every forecast is
    finite, >= 0 and never crosses; any history is answered, also none; a series' forecast does
    not depend on which other series are asked for with it.
    """

    name: str

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand from the first bucket that starts at or after `issued_at`.

        Parameters
        ----------
        demands : sequence of Demand
            What was observed; buckets still open at `issued_at` are ignored.
        issued_at : datetime
            Nothing observed later is used; aware UTC.
        horizon_s : int
            Every bucket that starts less than this after the first is forecast; 1 ... 604800.
        levels : tuple of float
            Quantile levels, strictly rising, each in (0, 1).
        timezone : ZoneInfo
            Whose wall clock the days and weeks of the users follow.

        Returns
        -------
        list of Forecast
            One per demand, in the order given.

        Raises
        ------
        InvalidValueError
            When the horizon or a level is impossible.
        """
        ...


class Trainable(Forecaster, Protocol):
    """A forecaster whose learning can be kept and used again later.

    `forecast(...)` is `forecast_trained(train(...), ...)` with both at the same instant. What was
    trained serves later instants too, with newer demand: the retraining cadence decides for how
    long.
    """

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn from what was observed by `issued_at`; the same input gives the same bytes.

        Parameters
        ----------
        demands : sequence of Demand
            What was observed; buckets still open at `issued_at` are ignored.
        issued_at : datetime
            Nothing observed later is used; aware UTC.
        timezone : ZoneInfo
            Whose wall clock the days and weeks of the users follow.

        Returns
        -------
        bytes
            To be kept whole; carries no address of this machine.
        """
        ...

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
        """Forecast with what was learned earlier; see `Forecaster.forecast`.

        Series that were not there when it was trained are answered too.

        Raises
        ------
        InvalidValueError
            When `trained` was not made by this forecaster.
        """
        ...


def first_step(demand: Demand, issued_at: datetime) -> datetime:
    """Return the start of the first bucket of `demand`'s grid at or after `issued_at`."""
    step = timedelta(seconds=demand.step_s)
    return demand.start - (demand.start - issued_at) // step * step


def step_count(step_s: int, horizon_s: int) -> int:
    """Return how many buckets start within `horizon_s` of the first one."""
    return -(-horizon_s // step_s)


def check_asked(horizon_s: int, levels: tuple[float, ...]) -> None:
    """Refuse a horizon or quantile levels that no forecaster can answer.

    Raises
    ------
    InvalidValueError
        When `horizon_s` lies outside 1 ... 604800 or the levels do not rise within (0, 1).
    """
    if not 1 <= horizon_s <= HORIZON_MAX_S:
        raise InvalidValueError(f"horizon_s must lie in [1, {HORIZON_MAX_S}], was {horizon_s}")
    bounded = (0.0, *levels, 1.0)
    if not levels or any(low >= high for low, high in pairwise(bounded)):
        raise InvalidValueError(f"levels must rise within (0, 1), were {levels}")
