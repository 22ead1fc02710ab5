"""The first two hours of short buckets: from the present, from nothing later, and always valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.forecast.fleet import Fleet
from foretide.forecast.history import Chunk, chunks
from foretide.forecast.score import wql
from foretide.forecast.short_lead import RECENT_DAYS, refined
from foretide.forecast.wallclock import epoch_s, local_s
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
HOUR_S, DAY_S = 3600, 86_400


def daily(name: str, days: float, *, step_s: int, seed: int = 0, level: float = 400.0) -> Demand:
    """Return counts of users whose rate follows the sun and wanders a little by the hour."""
    rng = np.random.default_rng(seed)
    hours = np.arange(int(days * DAY_S / step_s), dtype=np.float64) * step_s / HOUR_S
    knots = np.arange(int(24 * days) + 2, dtype=np.float64)
    wander = np.interp(hours, knots, np.cumsum(0.04 * rng.standard_normal(len(knots))))
    usual = level * (1 - 0.8 * np.cos(hours * np.pi / 12))
    rate = np.asarray(usual * np.exp(wander - wander.mean()), dtype=np.float64)
    values = rng.poisson(rate * step_s / HOUR_S).astype(np.float64)
    return Demand(series_id=name, start=START, step_s=step_s, values=values)


def with_values(demand: Demand, values: FloatArray) -> Demand:
    return Demand(
        series_id=demand.series_id, start=demand.start, step_s=demand.step_s, values=values
    )


def issued(
    demands: list[Demand],
    at: datetime,
    *,
    hours: float = 24,
    levels: tuple[float, ...] = LEVELS,
    zone: str = "UTC",
) -> list[Forecast]:
    return Fleet().forecast(
        demands,
        issued_at=at,
        horizon_s=int(hours * HOUR_S),
        levels=levels,
        timezone=ZoneInfo(zone),
    )


def chunk_of(demand: Demand, at: datetime) -> Chunk:
    (chunk,) = chunks(
        [demand],
        issued_at=at,
        horizon_s=DAY_S,
        zone=ZoneInfo("UTC"),
        finest_s=300,
        recent_days=RECENT_DAYS,
    )
    return chunk


@pytest.mark.parametrize("step_s", [60, 300])
def test_it_beats_the_last_value_and_the_forecast_of_days(step_s: int) -> None:
    demand = daily("a", 17, step_s=step_s, seed=3)
    reach = 2 * HOUR_S // step_s
    losses = np.zeros(3)
    for origin in range(12):
        first = len(demand.values) - reach * (origin + 2) - 7 * origin
        actual = demand.values[first : first + reach]
        at = START + timedelta(seconds=first * step_s)
        (found,) = issued([demand], at)
        chunk = chunk_of(demand, at)
        spread = np.quantile(actual, LEVELS) - np.median(actual)  # in hindsight
        plain = refused(found, chunk)
        rivals = (found.values[:reach], plain[:reach], demand.values[first - 1] + spread)
        losses += [
            wql(np.broadcast_to(one, (reach, len(LEVELS))), LEVELS, actual) for one in rivals
        ]
    assert losses[0] < 0.8 * losses[2]
    assert losses[0] < losses[1]


def refused(found: Forecast, chunk: Chunk) -> FloatArray:
    # A forecast of days that knows the hour and the level of the last day.
    day = chunk.recent[0, -1]
    usual = chunk.recent[0].mean(axis=0)
    width = found.values / found.values[:, [1]]
    return (usual * day.mean() / usual.mean())[: len(width), None] * width


@pytest.mark.parametrize("step_s", [60, 300, 900])
def test_a_series_does_not_depend_on_its_companions_or_on_the_levels_asked(step_s: int) -> None:
    series = [daily(f"s{k}", 6 + k / 3, step_s=step_s, seed=k, level=9.0**k) for k in range(4)]
    broken = [
        with_values(series[0], np.zeros_like(series[0].values)),
        with_values(series[1], np.where(np.arange(len(series[1].values)) % 3, np.nan, 1e15)),
    ]
    at = START + timedelta(days=6, minutes=7)
    together = issued([*series, *broken], at)
    for one, shared in zip([*series, *broken], together, strict=True):
        (alone,) = issued([one], at)
        assert alone.values.tobytes() == shared.values.tobytes()
        (few,) = issued([one], at, levels=(0.1, 0.99))
        np.testing.assert_array_equal(few.values, alone.values[:, [0, 4]])


@pytest.mark.parametrize("wrong", [0.0, 1e9, np.nan])
def test_what_comes_later_changes_nothing(wrong: float) -> None:
    demand = daily("a", 6, step_s=60)
    at = START + timedelta(days=5, hours=3, minutes=21, seconds=20)
    later = demand.values.copy()
    later[(5 * 24 + 3) * 60 + 21 :] = wrong
    one, other = (issued([d], at)[0] for d in (demand, with_values(demand, later)))
    assert one.values.tobytes() == other.values.tobytes()


def test_a_doubled_demand_is_believed_within_half_an_hour() -> None:
    demand = daily("a", 16, step_s=60, level=4000)
    shift = 15 * 1440 + 300
    values = demand.values.copy()
    values[shift:] *= 2
    (found,) = issued([with_values(demand, values)], START + timedelta(minutes=shift + 30))
    actual = values[shift + 30 : shift + 60]
    error = np.abs(found.values[:30, LEVELS.index(0.5)] - actual).sum()
    assert error < 0.22 * actual.sum()


def test_it_fades_into_the_forecast_of_days_during_the_third_hour() -> None:
    demand = daily("a", 8, step_s=300)
    at = demand.end
    chunk = chunk_of(demand, at)
    given = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (1, 288, 1))
    found = refined(given.copy(), chunk, LEVELS)
    np.testing.assert_array_equal(found[:, 36:], given[:, 36:])
    way = np.abs(found - given)[0, :, 1]
    assert way[23] > 1
    assert way[29] < 0.8 * way[23]
    assert way[34] < 0.2 * way[23]


def test_after_hours_of_silence_the_forecast_of_days_stands_alone() -> None:
    demand = daily("a", 8, step_s=300)
    given = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (1, 288, 1))
    late = chunk_of(demand, demand.end + timedelta(hours=2))
    np.testing.assert_array_equal(refined(given.copy(), late, LEVELS), given)
    soon = chunk_of(demand, demand.end + timedelta(minutes=30))
    assert not np.array_equal(refined(given.copy(), soon, LEVELS), given)


def test_a_series_is_known_from_its_first_event_on() -> None:
    # Zeros for a week before a feature was born say nothing of its second day.
    demand = daily("a", 8.5, step_s=60, level=4000)
    values = demand.values.copy()
    values[: 7 * 1440] = 0
    (found,) = issued([with_values(demand, values)], demand.end - timedelta(hours=2))
    actual = values[-120:]
    assert np.abs(found.values[:120, 1] - actual).sum() < 0.2 * actual.sum()


@pytest.mark.parametrize("minutes", [12, 20, 45])
def test_a_feature_born_minutes_ago_is_forecast_by_its_last_value(minutes: int) -> None:
    # After a week of zeros nothing can be learned yet, and what came last is all that is known.
    demand = daily("a", 8, step_s=60, level=4000)
    values = demand.values.copy()
    birth = 7 * 1440
    values[:birth] = 0
    at = START + timedelta(minutes=birth + minutes)
    (found,) = issued([with_values(demand, values)], at)
    ahead = values[birth + minutes :][:60]
    middle = found.values[:60, LEVELS.index(0.5)].sum()
    assert 0.3 * ahead.sum() < middle < 1.5 * ahead.sum()


@pytest.mark.parametrize("step_s", [60, 300])
def test_a_series_that_sleeps_at_night_wakes_within_bounds(step_s: int) -> None:
    # Spreads of the night are next to nothing; errors over them must not become those of the day.
    rng = np.random.default_rng(4)
    hours = np.arange(12 * DAY_S // step_s) * step_s / HOUR_S % 24
    rate = np.where((hours >= 7) & (hours < 23), 120.0, 0.0) * step_s / HOUR_S
    values = rng.poisson(rate).astype(np.float64)
    demand = Demand(series_id="shop", start=START, step_s=step_s, values=values)
    for ahead in (1, 5, 14):
        (found,) = issued([demand], demand.end - timedelta(hours=ahead))
        soon = found.values[: 2 * HOUR_S // step_s]
        assert soon[:, -1].max() < 2.5 * values.max()


@pytest.mark.parametrize("opens_at", ["2026-03-29T05:00:00+00:00", "2026-10-25T06:00:00+00:00"])
def test_days_follow_the_wall_clock_across_daylight_saving(opens_at: str) -> None:
    # The doors open at seven by the clock of Paris, which was changed in the night.
    at = datetime.fromisoformat(opens_at) - timedelta(hours=1)
    start = at - timedelta(days=14)
    steps = np.arange(15 * 288, dtype=np.int64)
    clock = local_s(epoch_s(start) + steps * 300, ZoneInfo("Europe/Paris")) % DAY_S / HOUR_S
    rate = np.where((clock >= 7) & (clock < 19), 900.0, 90.0)
    values = np.random.default_rng(0).poisson(rate).astype(np.float64)
    demand = Demand(series_id="a", start=start, step_s=300, values=values)
    ahead = values[14 * 288 :][:24]
    error = {
        name: np.abs(issued([demand], at, zone=name)[0].values[:24, 1] - ahead).sum()
        for name in ("Europe/Paris", "UTC")
    }
    assert error["Europe/Paris"] < 0.15 * ahead.sum()
    assert error["Europe/Paris"] < 0.7 * error["UTC"]


class Recipe(NamedTuple):
    """A history as bad as real ones get."""

    kind: str
    step_s: int
    day_tenths: int
    spoilt_count: int
    offset_s: int
    seed: int


recipes = st.builds(
    Recipe,
    kind=st.sampled_from(["counts", "constant", "zero", "rare", "steps", "huge", "born"]),
    step_s=st.sampled_from([60, 120, 300, 420, 600, 900]),
    day_tenths=st.sampled_from([1, 7, 11, 17, 32, 83]),
    spoilt_count=st.integers(0, 3),
    offset_s=st.sampled_from([0, 30, 59, 300, 4000]),
    seed=st.integers(0, 2**32 - 1),
)


def history(recipe: Recipe) -> FloatArray:
    rng = np.random.default_rng(recipe.seed)
    per_day = DAY_S // recipe.step_s
    count = max(recipe.day_tenths * per_day // 10, 1)
    counted = rng.poisson(20 * (1 + np.sin(np.arange(count) * 2 * np.pi / per_day)))
    values = {
        "counts": counted.astype(np.float64),
        "constant": np.full(count, 7.0),
        "zero": np.zeros(count),
        "rare": rng.poisson(0.02, count).astype(np.float64),
        "steps": np.repeat([0.0, 900.0, 3.0, 40.0], -(-count // 4))[:count],
        "huge": np.minimum(rng.lognormal(20, 5, count), 1e15),
        "born": np.where(np.arange(count) < 0.9 * count, 0.0, counted + 1.0),
    }[recipe.kind]
    for _ in range(recipe.spoilt_count):
        at, length = rng.integers(count), rng.integers(1, 1 + count // 4)
        values[at : at + length] = rng.choice([np.nan, 0.0, 1e6, 1e15])
    return values


@settings(max_examples=60, deadline=None)
@given(recipes, st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]))
def test_any_history_gives_quantiles_that_can_be_planned_with(recipe: Recipe, zone: str) -> None:
    demand = Demand(
        series_id="any", start=START, step_s=recipe.step_s, values=history(recipe)
    )  # fmt: skip
    at = demand.end + timedelta(seconds=recipe.offset_s)
    (found,) = issued([demand], at, hours=4, zone=zone)  # a Forecast refuses what is not valid
    seen = demand.values[np.isfinite(demand.values)]
    assert found.values.max() <= 100 * max(seen.max(initial=0.0), 1.0)
