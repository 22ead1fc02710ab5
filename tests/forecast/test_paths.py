"""Paths follow the forecast's quantiles in every bucket, and past days from one to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.forecast.fleet import Fleet
from foretide.forecast.paths import paths
from foretide.model.demand import Demand

START = datetime(2026, 3, 2, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def sticky(seed: int, days: int = 42, name: str = "app/f") -> Demand:
    """Return demand whose strays last for hours."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    stray = np.zeros(len(hours))
    for at in range(1, len(hours)):
        stray[at] = 0.9 * stray[at - 1] + rng.normal(0, 0.08)
    rate = 40 * (1 + 0.6 * np.sin(hours * 2 * np.pi / 24)) * np.exp(stray)
    return Demand(series_id=name, start=START, step_s=3600, values=rate)


def drawn(demands: list[Demand], count: int = 200, seed: int = 1) -> list[np.ndarray]:
    found = paths(
        demands, issued_at=demands[0].end, horizon_s=3 * 86_400, timezone=UTC_ZONE, count=count,
        seed=seed,
    )  # fmt: skip
    return [one.values for one in found]


def test_every_bucket_is_spread_as_forecast() -> None:
    demand, levels = sticky(0), (0.1, 0.5, 0.9)
    (forecast,) = Fleet().forecast(
        [demand], issued_at=demand.end, horizon_s=3 * 86_400, levels=levels, timezone=UTC_ZONE
    )
    (values,) = drawn([demand], count=1000)
    share = (values[:, :, None] <= forecast.values).mean(axis=0)
    np.testing.assert_allclose(share, np.tile(levels, (72, 1)), atol=0.06)


def test_strays_last_as_they_did() -> None:
    (values,) = drawn([sticky(0)])
    middle = np.median(values, axis=0)
    strays = values / middle - 1
    near = np.mean([np.corrcoef(strays[:, at], strays[:, at + 1])[0, 1] for at in range(70)])
    assert near > 0.6


def test_the_same_seed_gives_the_same_paths_and_another_others() -> None:
    demand = sticky(0)
    one, same, other = (drawn([demand], seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_series_that_stray_together_do_so_in_every_path() -> None:
    first = sticky(0, name="app/a")
    second = Demand(series_id="app/b", start=START, step_s=3600, values=2 * first.values)
    one, other = drawn([first, second])
    by_path = np.corrcoef(one.sum(axis=1), other.sum(axis=1))[0, 1]
    assert by_path > 0.95
    (alone,) = drawn([second])
    np.testing.assert_array_equal(alone, other)


@pytest.mark.parametrize("hours", [0, 5, 30, 24 * 5, 24 * 9])
def test_any_history_is_answered(hours: int) -> None:
    whole = sticky(0)
    demand = Demand(series_id="app/f", start=START, step_s=3600, values=whole.values[:hours])
    (found,) = paths(
        [demand], issued_at=START + timedelta(hours=hours), horizon_s=86_400, timezone=UTC_ZONE,
        count=7, seed=0,
    )  # fmt: skip
    assert found.values.shape == (7, 24)
    assert np.isfinite(found.values).all()
    assert (found.values >= 0).all()


@pytest.mark.parametrize(("count", "seed", "field"), [(0, 1, "count"), (5, -1, "seed")])
def test_impossible_counts_and_seeds_are_refused(count: int, seed: int, field: str) -> None:
    with pytest.raises(InvalidValueError, match=field):
        drawn([sticky(0)], count=count, seed=seed)
