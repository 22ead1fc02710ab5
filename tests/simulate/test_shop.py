"""The synthetic shop: the same seed gives the same shop, and what it claims of itself is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.simulate.shop import (
    DEVICES,
    FEATURES,
    FUNNEL_LAG_S,
    ShopEvents,
    shop_demand,
    shop_events,
    shop_frame,
)
from foretide.simulate.shop_arrivals import COUNTRIES

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> ShopEvents:
    return shop_events(seed=7, start=MONDAY, days=14, peak_sessions_per_minute=40)


@pytest.fixture(scope="module")
def total(shop: ShopEvents) -> FloatArray:
    """Events per minute over all features."""
    return np.sum([d.values for d in shop_demand(shop)], axis=0)


def _table(seed: int) -> pl.DataFrame:
    return shop_frame(shop_events(seed=seed, start=MONDAY, days=1, peak_sessions_per_minute=10))


def test_same_seed_gives_the_same_shop_and_another_seed_another() -> None:
    assert _table(3).equals(_table(3))
    assert not _table(3).equals(_table(4))


def test_events_are_ordered_and_inside_the_period(shop: ShopEvents) -> None:
    table = shop_frame(shop)
    assert table["ts"].is_sorted()
    assert shop.start <= table["ts"][0]
    assert table["ts"][-1] < shop.end
    assert table.null_count().sum_horizontal()[0] == 0
    assert set(table["device"].unique()) == set(DEVICES)
    assert set(table["country"].unique()) == {c.code for c in COUNTRIES}
    assert (table["duration_s"] > 0).all()


@pytest.mark.parametrize("step_s", [60, 300, 3600])
def test_demand_counts_every_event_once(shop: ShopEvents, step_s: int) -> None:
    demand = shop_demand(shop, step_s=step_s)
    assert [d.series_id for d in demand] == [f"shop/{f}" for f in FEATURES]
    for code, series in enumerate(demand):
        assert series.start == shop.start
        assert series.end == shop.end
        assert series.values.sum() == (shop.feature == code).sum()


def test_demand_agrees_with_a_group_by_over_the_table(shop: ShopEvents) -> None:
    counted = (
        shop_frame(shop)
        .filter(pl.col("feature") == "search")
        .group_by(pl.col("ts").dt.truncate("1h"))
        .len()
        .sort("ts")
    )
    hourly = shop_demand(shop, step_s=3600)[FEATURES.index("search")]
    assert counted["len"].to_list() == hourly.values[hourly.values > 0].tolist()


def test_checkout_follows_cart_by_five_to_ten_minutes_in_a_session(shop: ShopEvents) -> None:
    table = shop_frame(shop).sort("session", "ts")
    lag_s = (
        table.with_columns(
            lag=pl.col("ts").diff().over("session").dt.total_microseconds() / 1e6,
            before=pl.col("feature").shift(1).over("session"),
        )
        .filter((pl.col("feature") == "checkout") & (pl.col("before") == "cart"))["lag"]
        .to_numpy()
    )
    assert len(lag_s) > 1000
    assert abs(np.median(lag_s) / FUNNEL_LAG_S - 1) < 0.03
    assert np.mean((lag_s >= 300) & (lag_s <= 600)) > 0.85


def test_the_funnel_lag_shows_in_the_counts_alone(shop: ShopEvents) -> None:
    demand = {d.series_id: d.values for d in shop_demand(shop)}

    def fluctuation(values: FloatArray) -> FloatArray:
        return values - np.convolve(values, np.ones(61) / 61, mode="same")

    cart = fluctuation(demand[f"shop/{shop.truth.funnel_from}"])
    checkout = fluctuation(demand[f"shop/{shop.truth.funnel_to}"])
    lags = range(1, 30)
    by_lag = [np.corrcoef(cart[:-lag], checkout[lag:])[0, 1] for lag in lags]
    assert 5 <= lags[int(np.argmax(by_lag))] <= 10
    assert max(by_lag) > 5 / np.sqrt(len(cart))


def test_days_and_weeks_repeat(total: FloatArray) -> None:
    hourly = total.reshape(-1, 60).sum(axis=1)
    week_ago = np.corrcoef(hourly[:-168], hourly[168:])[0, 1]
    half_day_ago = np.corrcoef(hourly[:-12], hourly[12:])[0, 1]
    assert week_ago > 0.95
    assert half_day_ago < 0.2
    by_day = hourly.reshape(14, 24)
    weekday_noon_to_evening = by_day[:5, 13].mean() / by_day[:5, 18].mean()
    weekend_noon_to_evening = by_day[5:7, 13].mean() / by_day[5:7, 18].mean()
    assert weekend_noon_to_evening > 1.3 * weekday_noon_to_evening
    assert hourly[168:].sum() > hourly[:168].sum()  # it grows


def test_the_daily_shape_is_a_sum_over_time_zones(shop: ShopEvents) -> None:
    table = shop_frame(shop)
    busiest = {
        code: table.filter(pl.col("country") == code)
        .group_by(pl.col("ts").dt.hour().alias("hour"))
        .len()
        .sort("len")["hour"][-1]
        for code in ("JP", "DE", "US")
    }
    assert busiest["JP"] < busiest["DE"]  # their evening comes first
    assert busiest["US"] in {0, 1, 2, 23}  # and America's after midnight UTC


def test_minutes_are_noisier_than_poisson(total: FloatArray) -> None:
    minutes = total.reshape(-1, 10)
    assert np.median(minutes.var(axis=1, ddof=1) / minutes.mean(axis=1)) > 1.5


def test_surges_happen_when_the_truth_says(shop: ShopEvents, total: FloatArray) -> None:
    def jump(at: datetime) -> float:
        minute = (at - shop.start) // timedelta(minutes=1)
        return float(total[minute : minute + 20].mean() / total[minute - 20 : minute].mean())

    assert len(shop.truth.push_times) == 4  # two a week
    assert min(jump(at) for at in shop.truth.push_times) > 1.15
    assert jump(shop.truth.burst_at) > 1.3
    assert shop.start + timedelta(days=7) < shop.truth.burst_at < shop.end
    assert "synthetic" in shop.truth.label


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"days": 0}, "days"),
        ({"peak_sessions_per_minute": 0.0}, "peak_sessions_per_minute"),
        ({"growth_per_week_fraction": -1.0}, "growth_per_week_fraction"),
        ({"start": datetime(2026, 3, 2)}, "start"),  # noqa: DTZ001
        ({"start": MONDAY + timedelta(seconds=1)}, "start"),
    ],
)
def test_impossible_arguments_are_named(change: dict[str, object], named: str) -> None:
    arguments: dict[str, object] = {"seed": 0, "start": MONDAY, "days": 1} | change
    with pytest.raises(InvalidValueError, match=named):
        shop_events(**arguments)  # pyright: ignore[reportArgumentType]


def test_a_step_that_does_not_divide_a_day_is_refused(shop: ShopEvents) -> None:
    with pytest.raises(InvalidValueError, match="step_s"):
        shop_demand(shop, step_s=7 * 60)
