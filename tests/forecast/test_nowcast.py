"""The next hour's quantiles: never crossing, never from the future, and worth having."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.forecast.nowcast import (
    DAY_S,
    NOWCAST_LEVELS,
    Nowcast,
    fit,
    has_history,
    issue,
)
from foretide.forecast.wallclock import local_s
from foretide.model.demand import FloatArray

STEP_S = 300
PER_DAY = DAY_S // STEP_S
LEADS = 4
PARIS = ZoneInfo("Europe/Paris")
MEDIAN = NOWCAST_LEVELS.index(0.5)


def daily(days: float, *, step_s: int = STEP_S, seed: int = 1, level: float = 400.0) -> FloatArray:
    """Return counts of users whose rate follows the sun and wanders a little by the hour."""
    rng = np.random.default_rng(seed)
    count = int(days * DAY_S / step_s)
    hours = np.arange(count) * step_s / 3600
    knots = np.arange(int(24 * days) + 2)
    wander = np.interp(hours, knots, 0.15 * rng.standard_normal(len(knots)))
    rate = level * (1 - 0.8 * np.cos(hours * np.pi / 12)) * np.exp(wander)
    return rng.poisson(rate).astype(np.float64)


class Played(NamedTuple):
    """Quantiles issued every bucket of two days, and what then came."""

    quantiles: FloatArray  # (instants, leads, levels)
    truth: FloatArray  # (instants, leads)
    last: FloatArray  # (instants, 1)
    day_before: FloatArray  # (instants, leads)


@pytest.fixture(scope="module")
def played() -> Played:
    values = daily(12)
    quantiles, closed = list[FloatArray](), np.arange(0)
    for first in (10 * PER_DAY, 11 * PER_DAY):
        learned = fit(values[:first], step_s=STEP_S, lead_count=LEADS)
        closed = np.arange(first, first + PER_DAY - LEADS)
        quantiles.append(issue(learned, values, closed))
    closed = np.concatenate([closed - PER_DAY, closed])
    then = closed[:, None] + np.arange(LEADS)
    return Played(
        np.concatenate(quantiles), values[then], values[closed - 1][:, None], values[then - PER_DAY]
    )


def test_one_instant_is_the_same_as_a_day_at_once() -> None:
    values = daily(4)
    first = 3 * PER_DAY
    learned = fit(values[:first], step_s=STEP_S, lead_count=LEADS)
    closed = np.arange(first, first + PER_DAY)
    together = issue(learned, values, closed)
    for row in range(0, PER_DAY, 17):
        alone = issue(learned, values[: closed[row]], closed[row : row + 1])
        assert alone.tobytes() == together[row].tobytes()


@pytest.mark.parametrize("wrong", [0.0, 1e9, np.nan])
def test_what_comes_later_changes_nothing(wrong: float) -> None:
    values = daily(4)
    values[2 * PER_DAY : 2 * PER_DAY + 30] = np.nan
    instant = 3 * PER_DAY + 100
    learned = fit(values[: 3 * PER_DAY], step_s=STEP_S, lead_count=LEADS)
    closed = np.arange(3 * PER_DAY, instant + 1)
    before = issue(learned, values, closed)
    corrupted = values.copy()
    corrupted[instant:] = wrong
    assert issue(learned, corrupted, closed).tobytes() == before.tobytes()


def test_the_interval_holds_what_it_promises(played: Played) -> None:
    low, high = (NOWCAST_LEVELS.index(level) for level in (0.05, 0.95))
    within = (played.truth >= played.quantiles[:, :, low]) & (
        played.truth <= played.quantiles[:, :, high]
    )
    assert within.mean(axis=0) == pytest.approx(0.9, abs=0.05)


def test_each_level_is_passed_as_often_as_it_says(played: Played) -> None:
    below = (played.truth[:, :, None] <= played.quantiles).mean(axis=(0, 1))
    assert below == pytest.approx(np.array(NOWCAST_LEVELS), abs=0.06)


def test_it_beats_the_last_value_and_the_day_before(played: Played) -> None:
    def wape(guess: FloatArray) -> FloatArray:
        return np.abs(played.truth - guess).sum(axis=0) / played.truth.sum(axis=0)

    own = wape(played.quantiles[:, :, MEDIAN])
    assert (own < 0.97 * wape(played.last)).all()
    assert (own < 0.8 * wape(played.day_before)).all()


def test_a_doubled_demand_is_believed_within_minutes() -> None:
    values = daily(6)
    shift = 5 * PER_DAY + 50
    learned = fit(values[: 5 * PER_DAY], step_s=STEP_S, lead_count=LEADS)
    values[shift:] *= 2
    after = np.array([shift + 2])
    median = issue(learned, values, after)[0, :, MEDIAN]
    truth = values[after[0] + np.arange(LEADS)]
    assert np.abs(median - truth).sum() / truth.sum() < 0.2


def test_a_time_without_data_widens_nothing_to_nothing() -> None:
    values = daily(4)
    learned = fit(values[: 3 * PER_DAY], step_s=STEP_S, lead_count=LEADS)
    values[3 * PER_DAY :] = np.nan
    blind = issue(learned, values, np.array([3 * PER_DAY + 100]))
    assert np.isfinite(blind).all()
    assert (blind[0, :, -1] > blind[0, :, 0]).all()


@pytest.mark.parametrize(("count", "step_s"), [(719, 60), (47, 3600), (0, 60), (143, 300)])
def test_too_short_a_history_is_refused(count: int, step_s: int) -> None:
    assert not has_history(np.ones(count), step_s)
    assert has_history(np.ones(count + 1 if count else 720), step_s)
    with pytest.raises(InvalidValueError, match="12 h and 48 buckets"):
        fit(np.ones(count), step_s=step_s, lead_count=1)


def by_wall_clock(start_s: int, count: int) -> FloatArray:
    """Return counts of users who come at seven and leave at seven by the clock of Paris."""
    clock = local_s(start_s + STEP_S * np.arange(count, dtype=np.int64), PARIS)
    hour = clock % DAY_S / 3600
    rate = np.where((hour >= 7) & (hour < 19), 95.0, 5.0)
    return np.random.default_rng(3).poisson(rate).astype(np.float64)


@pytest.mark.parametrize("change_s", [1_774_746_000, 1_792_890_000])  # spring, autumn 2026
def test_days_follow_the_wall_clock_across_a_clock_change(change_s: int) -> None:
    first = 20 * PER_DAY
    start_s = change_s - first * STEP_S - DAY_S // 4
    values = by_wall_clock(start_s, first + PER_DAY + LEADS)
    closed = np.arange(first, first + PER_DAY)
    truth = values[closed[:, None] + np.arange(LEADS)]
    error = {
        zone: np.abs(
            issue(
                fit(values[:first], step_s=STEP_S, lead_count=LEADS, start_s=start_s, zone=zone),
                values,
                closed,
            )[:, :, MEDIAN]
            - truth
        ).sum()
        for zone in (PARIS, None)
    }
    assert error[PARIS] < 0.75 * error[None]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_clock_that_never_changes_changes_nothing(zone: str) -> None:
    values = daily(9.3)
    plain = fit(values, step_s=STEP_S, lead_count=LEADS)
    zoned = fit(values, step_s=STEP_S, lead_count=LEADS, start_s=1_774_746_000, zone=ZoneInfo(zone))
    for name in plain.__struct_fields__:
        assert (
            np.asarray(getattr(plain, name)).tobytes() == np.asarray(getattr(zoned, name)).tobytes()
        )


class Recipe(NamedTuple):
    """A history as bad as real ones get."""

    kind: str
    step_s: int
    day_tenths: int
    spoilt_count: int
    seed: int


recipes = st.builds(
    Recipe,
    kind=st.sampled_from(["counts", "constant", "zero", "rare", "steps", "huge"]),
    step_s=st.sampled_from([60, 300, 1800, 3600]),
    day_tenths=st.sampled_from([7, 11, 17, 32, 83]),
    spoilt_count=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)


def history(recipe: Recipe) -> FloatArray:
    rng = np.random.default_rng(recipe.seed)
    per_day = DAY_S // recipe.step_s
    count = max(recipe.day_tenths * per_day // 10, 64)
    counted = rng.poisson(20 * (1 + np.sin(np.arange(count) * 2 * np.pi / per_day)))
    values = {
        "counts": counted.astype(np.float64),
        "constant": np.full(count, 7.0),
        "zero": np.zeros(count),
        "rare": rng.poisson(0.02, count).astype(np.float64),
        "steps": np.repeat([0.0, 900.0, 3.0, 40.0], -(-count // 4))[:count],
        "huge": rng.lognormal(20, 3, count),
    }[recipe.kind]
    for _ in range(recipe.spoilt_count):
        at, length = rng.integers(count), rng.integers(1, 1 + count // 8)
        values[at : at + length] = rng.choice([np.nan, 0.0, 1e6, 1e12])
    return values


@settings(max_examples=80, deadline=None)
@given(recipes, st.integers(1, 6))
def test_quantiles_can_be_planned_with_whatever_the_history(
    recipe: Recipe, lead_count: int
) -> None:
    values = history(recipe)
    first = len(values) - len(values) // 8
    assume(has_history(values[:first], recipe.step_s))
    learned: Nowcast = fit(values[:first], step_s=recipe.step_s, lead_count=lead_count)
    last = min(len(values), first + DAY_S // recipe.step_s)
    closed = np.unique(np.linspace(first, last, 9).astype(np.int64))
    quantiles = issue(learned, values, closed)
    assert quantiles.shape == (len(closed), lead_count, len(NOWCAST_LEVELS))
    assert np.isfinite(quantiles).all()
    assert quantiles.min() >= 0
    assert np.diff(quantiles, axis=2).min() >= 0
