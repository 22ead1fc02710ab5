"""An explanation says what the forecast itself did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.forecast.explain import Explanation, explain
from foretide.model.demand import Demand

START = datetime(2026, 3, 2, tzinfo=UTC)


def demand_of(days: float, *, shift: float = 1.0, noise: float = 0.05) -> Demand:
    hours = np.arange(int(days * 24))
    rate = 50 * (1 + 0.6 * np.sin(hours * 2 * np.pi / 24)) * np.where(hours // 24 % 7 >= 5, 0.5, 1)
    values = rate * np.random.default_rng(0).gamma(1 / noise**2, noise**2, len(hours))
    values[-12:] *= shift
    return Demand(series_id="app/search", start=START, step_s=3600, values=values)


def explained(demand: Demand, horizon_h: int = 168) -> Explanation:
    return explain(
        demand, issued_at=demand.end, horizon_s=horizon_h * 3600, timezone=ZoneInfo("UTC")
    )


@pytest.mark.parametrize(("days", "horizon_h"), [(5, 24), (10, 168), (42, 48)])
def test_weights_sum_to_one_for_every_day(days: int, horizon_h: int) -> None:
    found = explained(demand_of(days), horizon_h)
    total = np.sum(list(found.weights.values()), axis=0)
    np.testing.assert_allclose(total, np.ones(horizon_h // 24), rtol=1e-4)
    means = [np.mean(weights) for weights in found.weights.values()]
    assert means == sorted(means, reverse=True)
    assert len(found.interval_fraction) == horizon_h // 24
    assert found.whole_days == days
    assert bool(found.note) == (days < 14)


def test_a_new_level_is_named() -> None:
    assert explained(demand_of(42)).shift_ratio == pytest.approx(1, abs=0.05)
    shifted = explained(demand_of(42, shift=2.0))
    assert shifted.shift_ratio == pytest.approx(2, rel=0.15)
    assert shifted.correction_fraction[0] > 0.5


def test_more_noise_is_a_wider_interval() -> None:
    calm, loud = (explained(demand_of(42, noise=noise)) for noise in (0.05, 0.2))
    assert loud.interval_fraction[0] > 2 * calm.interval_fraction[0]


def test_too_little_history_has_no_experts_and_says_why() -> None:
    found = explained(demand_of(1.5))
    assert found.weights == {}
    assert "less than three days" in found.note
    assert found.origin_count == 0


def test_nothing_later_is_used() -> None:
    whole = demand_of(42)
    at = whole.start + timedelta(days=30)
    cut = Demand(series_id=whole.series_id, start=START, step_s=3600, values=whole.values[:720])
    one, other = (
        explain(demand, issued_at=at, horizon_s=86_400, timezone=ZoneInfo("UTC"))
        for demand in (whole, cut)
    )
    assert one == other
