"""What was really issued corrects what will be, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.forecast.levels import LEVELS, normal_quantiles
from foretide.forecast.recall import Issued, Memory, Recalled, remembered
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

START = datetime(2026, 3, 2, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def issued_of(days: int, spread: float, said: float = 10.0, seed: int = 0) -> list[Issued]:
    """Return a forecast for each day: truths that stray by `spread`, quantiles that say `said`."""
    rng = np.random.default_rng(seed)
    quantiles = np.tile(200 + said * normal_quantiles(LEVELS).astype(np.float64), (168, 1))
    return [
        Issued(
            forecast=Forecast(
                series_id="app/f", model="x", issued_at=START + timedelta(days=day),
                start=START + timedelta(days=day), step_s=3600, levels=LEVELS, values=quantiles,
            ),
            actual=200 + spread * rng.normal(0, 1, 168),
        )
        for day in range(days)
    ]  # fmt: skip


def now_after(days: int) -> datetime:
    return START + timedelta(days=days)


def test_a_good_forecaster_has_nothing_to_correct() -> None:
    memory = remembered(issued_of(42, 10.0), now_after(49))
    np.testing.assert_allclose(memory.stretch, 1, atol=0.06)


@pytest.mark.parametrize("spread", [5.0, 20.0])
def test_truths_further_out_than_said_stretch_and_nearer_ones_shrink(spread: float) -> None:
    memory = remembered(issued_of(42, spread), now_after(49))
    np.testing.assert_allclose(memory.stretch, spread / 10, rtol=0.15)


def test_little_memory_counts_for_nothing_and_six_weeks_for_half() -> None:
    shares = [remembered(issued_of(days, 20.0), now_after(days)).share for days in (0, 14, 28, 60)]
    assert shares == [0.0, 0.0, 0.25, 0.5]


def test_what_is_not_over_yet_is_not_used() -> None:
    issued = issued_of(42, 10.0)
    spoilt = [
        Issued(
            forecast=one.forecast,
            actual=np.where(np.arange(168) * 3600 >= (30 - day) * 86_400, 9e9, one.actual),
        )
        for day, one in enumerate(issued)
    ]
    assert remembered(issued, now_after(30)) == remembered(spoilt, now_after(30))


def test_equal_quantiles_say_nothing() -> None:
    closed = [
        Issued(
            forecast=Forecast(
                series_id="app/f", model="x", issued_at=now_after(day), start=now_after(day),
                step_s=3600, levels=LEVELS, values=np.zeros((168, len(LEVELS))),
            ),
            actual=np.zeros(168),
        )
        for day in range(42)
    ]  # fmt: skip
    assert remembered(closed, now_after(49)).stretch == (1.0,) * 7


def recalled(memory: Memory | None, levels: tuple[float, ...]) -> Forecast:
    hours = np.arange(28 * 24)
    rate = 50 + 20 * np.sin(hours * 2 * np.pi / 24)
    values = np.random.default_rng(0).poisson(rate).astype(np.float64)
    demand = Demand(series_id="app/f", start=START, step_s=3600, values=values)
    model = Recalled(SeasonalNaive(), {"app/f": memory} if memory else {})
    (found,) = model.forecast(
        [demand], issued_at=demand.end, horizon_s=7 * 86_400, levels=levels, timezone=UTC_ZONE
    )
    return found


def test_the_interval_is_stretched_around_the_median() -> None:
    levels = (0.05, 0.5, 0.95)
    plain, wide, narrow = (
        recalled(memory, levels).values
        for memory in (
            None,
            Memory(day_count=42, stretch=(2.0,) * 7),
            Memory(day_count=42, stretch=(0.5,) * 7),
        )
    )
    np.testing.assert_allclose(wide[:, 1], plain[:, 1], rtol=1e-6)
    assert (wide[:, 2] - wide[:, 0] > 1.2 * (plain[:, 2] - plain[:, 0])).all()
    assert (narrow[:, 2] - narrow[:, 0] < plain[:, 2] - plain[:, 0]).all()
    assert (np.diff(wide, axis=1) >= 0).all()


def test_without_memory_it_is_the_forecaster_itself() -> None:
    levels = (0.07, 0.5, 0.93)
    young = Memory(day_count=10, stretch=(2.0,) * 7)
    np.testing.assert_array_equal(recalled(None, levels).values, recalled(young, levels).values)
