"""Peaks of windows: calibrated, and never what the marginal quantiles would say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.forecast.fleet import Fleet
from foretide.forecast.maxima import maxima
from foretide.model.demand import Demand, FloatArray

START = datetime(2026, 3, 2, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
LEVELS = (0.1, 0.5, 0.9)


def rate_of(hours: FloatArray) -> FloatArray:
    return 40 * (1 + 0.6 * np.sin(hours * 2 * np.pi / 24)) * np.where(hours // 24 % 7 >= 5, 0.7, 1)


def demand_of(seed: int, days: float, name: str = "app/f") -> Demand:
    hours = np.arange(int(days * 24), dtype=np.float64)
    values = np.random.default_rng(seed).poisson(rate_of(hours)).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=3600, values=values)


@pytest.mark.parametrize("window_s", [3600, 6 * 3600, 86_400])
def test_peaks_lie_below_their_quantiles_as_often_as_said(window_s: int) -> None:
    wholes = [demand_of(seed, 49, f"app/f{seed}") for seed in range(60)]
    at = START + timedelta(days=42)
    found = maxima(
        wholes, issued_at=at, horizon_s=7 * 86_400, window_s=window_s, levels=LEVELS,
        timezone=UTC_ZONE,
    )  # fmt: skip
    steps = window_s // 3600
    peaks = np.stack([one.values[42 * 24 :].reshape(-1, steps).max(axis=1) for one in wholes])
    values = np.stack([one.values for one in found])
    assert values.shape == (60, 168 // steps, 3)
    share = (peaks[:, :, None] <= values).mean(axis=(0, 1))
    # Counts tie with their own quantiles, and so lie at or below them a little too often.
    np.testing.assert_allclose(share, LEVELS, atol=0.07)


def test_the_upper_quantile_of_a_bucket_is_too_low_for_the_peak_of_a_day() -> None:
    wholes = [demand_of(seed, 49, f"app/f{seed}") for seed in range(40)]
    at = START + timedelta(days=42)
    forecasts = Fleet().forecast(
        wholes, issued_at=at, horizon_s=7 * 86_400, levels=LEVELS, timezone=UTC_ZONE
    )
    found = maxima(
        wholes, issued_at=at, horizon_s=7 * 86_400, window_s=86_400, levels=LEVELS,
        timezone=UTC_ZONE,
    )  # fmt: skip
    for forecast, peak in zip(forecasts, found, strict=True):
        by_day = forecast.values.reshape(7, 24, 3).max(axis=1)
        # The median peak is above the highest median bucket.
        assert (peak.values[:, 1] > by_day[:, 1]).mean() > 0.8


@pytest.mark.parametrize("days", [0.5, 2, 5, 9, 20])
def test_any_history_is_answered(days: float) -> None:
    (found,) = maxima(
        [demand_of(0, days)], issued_at=demand_of(0, days).end, horizon_s=30 * 3600,
        window_s=4 * 3600, levels=LEVELS, timezone=UTC_ZONE,
    )  # fmt: skip
    assert found.values.shape == (8, 3)
    assert np.isfinite(found.values).all()
    assert (np.diff(found.values, axis=1) >= 0).all()


@pytest.mark.parametrize("window_s", [0, 1800, 5 * 3600, 2 * 86_400])
def test_windows_that_do_not_fit_are_refused(window_s: int) -> None:
    with pytest.raises(InvalidValueError, match="window_s must divide a day"):
        maxima(
            [demand_of(0, 20)], issued_at=START + timedelta(days=20), horizon_s=86_400,
            window_s=window_s, levels=LEVELS, timezone=UTC_ZONE,
        )  # fmt: skip


def test_the_future_is_not_looked_at() -> None:
    whole, at = demand_of(0, 40), START + timedelta(days=30)
    values = whole.values.copy()
    values[30 * 24 :] = 9e9
    spoilt = Demand(series_id="app/f", start=START, step_s=3600, values=values)
    one, other = (
        maxima(
            [demand], issued_at=at, horizon_s=86_400, window_s=7200, levels=LEVELS,
            timezone=UTC_ZONE,
        )[0]
        for demand in (whole, spoilt)
    )  # fmt: skip
    np.testing.assert_array_equal(one.values, other.values)


def by_the_minute(seed: int, days: float) -> Demand:
    minutes = np.arange(int(days * 1440))
    rate = rate_of(minutes / 60) / 10
    values = np.random.default_rng(seed).poisson(rate).astype(np.float64)
    return Demand(series_id=f"app/m{seed}", start=START, step_s=60, values=values)


def test_peaks_of_minutes_are_those_of_single_minutes() -> None:
    wholes = [by_the_minute(seed, 24) for seed in range(8)]
    at = START + timedelta(days=21, seconds=17 * 60)
    found = maxima(
        wholes, issued_at=at, horizon_s=2 * 86_400, window_s=3 * 3600, levels=LEVELS,
        timezone=UTC_ZONE,
    )  # fmt: skip
    begin = 21 * 1440 + 17
    peaks = np.stack([one.values[begin : begin + 2880].reshape(-1, 180).max(1) for one in wholes])
    values = np.stack([one.values for one in found])
    assert found[0].start == at
    share = (peaks[:, :, None] <= values).mean(axis=(0, 1))
    np.testing.assert_allclose(share, LEVELS, atol=0.13)


@pytest.mark.parametrize("silent_min", [0, 7, 400])
def test_minutes_that_end_early_are_answered(silent_min: int) -> None:
    whole = by_the_minute(0, 10)
    demand = Demand(
        series_id="app/f", start=START, step_s=60, values=whole.values[: 14_400 - silent_min]
    )
    (found,) = maxima(
        [demand], issued_at=whole.end - timedelta(seconds=30), horizon_s=86_400, window_s=3600,
        levels=LEVELS, timezone=UTC_ZONE,
    )  # fmt: skip
    assert found.start == whole.end
    assert found.values.shape == (24, 3)
    assert (found.values[:, 2] > 0).all()
