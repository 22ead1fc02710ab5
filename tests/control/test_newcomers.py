"""Who speaks for an app's young features: its others, the app before, and what was declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.config import Config, load_config
from foretide.control.newcomers import estimates_of, expected_only, helped, previous_of
from foretide.forecast.base import Forecaster
from foretide.forecast.fleet import Fleet
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 21
END = MONDAY + timedelta(days=DAYS)
CONFIG = load_config(
    """\
[app.shop]
previous = "shop-2025"
[[app.shop.estimates]]
feature = "wishlist"
daily_calls = 2400
""",
    origin="x",
)


def grown(name: str, mean: float) -> Demand:
    hours = np.arange(DAYS * 24)
    rate = mean * (1 + 0.8 * np.sin(2 * np.pi * (hours % 24 - 9) / 24))
    values = np.random.default_rng(int(mean)).poisson(rate).astype(float)
    return Demand(series_id=name, start=MONDAY, step_s=3600, values=values)


def unseen(name: str) -> Demand:
    return Demand(series_id=name, start=END, step_s=3600, values=np.empty(0))


def issued(model: Forecaster, demand: Demand) -> Forecast:
    (found,) = model.forecast(
        [demand], issued_at=END, horizon_s=86_400, levels=(0.1, 0.5, 0.9), timezone=ZoneInfo("UTC")
    )
    return found


def test_the_feature_of_the_same_name_in_the_app_before_gives_the_level() -> None:
    assert previous_of(CONFIG, "shop") == "shop-2025"
    before = [grown("shop-2025/cart", 50), grown("shop-2025/home", 4000)]
    model = helped(Fleet(), config=CONFIG, app="shop", demands=[], previous=before)
    (cart, home) = (issued(model, unseen(f"shop/{name}")) for name in ("cart", "home"))
    assert cart.values[:, 1].mean() == pytest.approx(50, rel=0.3)
    assert home.values[:, 1].mean() == pytest.approx(4000, rel=0.3)


def test_a_declared_feature_is_forecast_before_its_first_call() -> None:
    features = [grown("shop/cart", 300), grown("shop/home", 900)]
    (wishlist,) = expected_only(CONFIG, "shop", features, END)
    assert (wishlist.series_id, wishlist.step_s, len(wishlist.values)) == ("shop/wishlist", 3600, 0)
    model = helped(Fleet(), config=CONFIG, app="shop", demands=features)
    told = issued(model, wishlist)
    assert told.values[:, 1].sum() == pytest.approx(2400, rel=0.25)
    assert told.values[2:6, 1].mean() < 0.5 * told.values[13:17, 1].mean()
    assert "at the declared level" in told.note
    assert expected_only(CONFIG, "shop", [*features, wishlist], END) == []


def test_an_app_that_is_not_configured_still_helps_its_young() -> None:
    assert previous_of(Config(), "shop") is None
    assert estimates_of(Config(), "shop") == ()
    assert expected_only(Config(), "shop", [], END) == []
    features = [grown("shop/cart", 300)]
    told = issued(
        helped(Fleet(), config=Config(), app="shop", demands=features), unseen("shop/new")
    )
    assert "shop/cart" in told.note


def test_without_anybody_nothing_changes() -> None:
    fleet = Fleet()
    assert helped(fleet, config=Config(), app="shop", demands=[]) is fleet
