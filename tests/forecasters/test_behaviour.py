"""Behaviour that leads demand helps the models that learn, and what is not known yet does not."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cases.forecasters import POOLED, START, chosen
from foretide.errors import InvalidValueError
from foretide.forecast.score import wql
from foretide.forecasters.gbm import Gbm
from foretide.forecasters.lstm import Lstm
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

UTC_ZONE = ZoneInfo("UTC")
LEVELS = (0.1, 0.5, 0.9)
MODELS = {"gbm": Gbm, "lstm": Lstm}


def hourly(name: str, rate: np.ndarray) -> Demand:
    values = np.random.default_rng(len(name)).poisson(rate).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=3600, values=values)


def led(days: int) -> tuple[list[Demand], Demand]:
    """Return series that follow something by a day, and that."""
    rng = np.random.default_rng(3)
    drive = np.zeros(24 * days)
    for at in range(1, len(drive)):
        drive[at] = 0.93 * drive[at - 1] + rng.normal(0, 0.3)
    lead = np.exp(drive - 0.3)
    follows = np.concatenate([np.ones(24), lead[:-24]])
    daily = 1 + 0.5 * np.sin(np.arange(len(drive)) * 2 * np.pi / 24)
    series = [hourly("s" * (at + 1), (20 + 15 * at) * follows * daily) for at in range(3)]
    return series, hourly("starts", 100 * lead)


def next_day(
    model: Gbm | Lstm, series: list[Demand], back_days: int = 1
) -> tuple[list[Forecast], float]:
    at = series[0].end - timedelta(days=back_days)
    found = model.forecast(series, issued_at=at, horizon_s=86_400, levels=LEVELS, timezone=UTC_ZONE)
    begin = len(series[0].until(at).values)
    losses = [
        wql(one.values, LEVELS, demand.values[begin : begin + 24])
        for one, demand in zip(found, series, strict=True)
    ]
    return found, float(np.mean(losses))


@pytest.mark.parametrize("name", POOLED)
def test_behaviour_that_leads_by_a_day_helps(name: str) -> None:
    chosen(name)
    series, starts = led(42)
    _, without = next_day(MODELS[name](), series)
    _, within = next_day(MODELS[name](behaviour=[starts]), series)
    assert within < 0.6 * without


@pytest.mark.parametrize("name", POOLED)
def test_behaviour_not_yet_observed_is_not_looked_at(name: str) -> None:
    chosen(name)
    series, starts = led(21)
    values = starts.values.copy()
    values[-24:] = 1e6
    junk = Demand(series_id="starts", start=START, step_s=3600, values=values)
    known, _ = next_day(MODELS[name](behaviour=[starts]), series)
    corrupt, _ = next_day(MODELS[name](behaviour=[junk]), series)
    for one, other in zip(known, corrupt, strict=True):
        assert one.values.tobytes() == other.values.tobytes()


@pytest.mark.parametrize("name", POOLED)
def test_behaviour_that_stopped_or_never_was_harms_nothing(name: str) -> None:
    chosen(name)
    series, starts = led(21)
    silent = starts.until(starts.end - timedelta(days=9))
    never = Demand(series_id="never", start=START, step_s=3600, values=np.full(24 * 21, np.nan))
    other_grid = Demand(series_id="daily", start=START, step_s=86_400, values=np.ones(21))
    _, plain = next_day(MODELS[name](), series)
    _, beside = next_day(MODELS[name](behaviour=[silent, never, other_grid]), series)
    assert beside < 1.25 * plain


@pytest.mark.parametrize("name", POOLED)
def test_what_was_trained_with_behaviour_is_asked_with_it(name: str) -> None:
    chosen(name)
    series, starts = led(21)
    at = series[0].end
    trained = MODELS[name](behaviour=[starts]).train(series, issued_at=at, timezone=UTC_ZONE)
    with pytest.raises(InvalidValueError, match="made with 0 behaviour series, was with 1"):
        MODELS[name]().forecast_trained(
            trained, series, issued_at=at, horizon_s=86_400, levels=LEVELS, timezone=UTC_ZONE
        )
