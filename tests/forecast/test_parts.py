"""What the parts of the engine promise one another."""

from __future__ import annotations

import numpy as np
import pytest

from foretide.forecast.choose import combine
from foretide.forecast.conformal import moved, normal_quantiles, spread_of, widened
from foretide.forecast.correct import corrected
from foretide.forecast.days import Days, masked
from foretide.forecast.experts import guesses
from foretide.forecast.shift import relevelled

SERIES, ORIGINS, AHEAD, BINS = 4, 14, 3, 24
SHAPE = (SERIES, ORIGINS, AHEAD, BINS)
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)


def days_of(rows: int, seed: int = 0) -> Days:
    rng = np.random.default_rng(seed)
    shape = 1 + 0.8 * np.sin(np.arange(BINS) * 2 * np.pi / BINS)
    return masked(shape * rng.gamma(20, 0.05, (SERIES, rows, BINS)))


@pytest.mark.parametrize("has_weeks", [False, True])
def test_no_expert_knows_what_came_after_its_origin(*, has_weeks: bool) -> None:
    days = days_of(30)
    weekend = np.zeros((33, BINS), dtype=np.bool_)
    values = days.values.copy()
    # Not above what was seen before: experts are bounded by the highest value of the whole past.
    values[:, 22:] = values[:, 22:] * 0.1
    changed = Days(values=values, seen=days.seen)
    found, later = (
        guesses(past, weekend, first=16, days_ahead=AHEAD, has_weeks=has_weeks)
        for past in (days, changed)
    )
    for name, guess in found.items():
        assert guess.shape == (SERIES, 30 + 1 - 16, AHEAD, BINS), name
        assert np.isfinite(guess).all(), name
        assert (guess >= 0).all(), name
        np.testing.assert_array_equal(guess[:, : 22 - 16 + 1], later[name][:, : 22 - 16 + 1])
        assert (guess[:, -1] != later[name][:, -1]).any(), name


def test_the_better_expert_weighs_more_and_the_mean_stays_between() -> None:
    actual = np.random.default_rng(0).gamma(20, 0.05, SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    ahead = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    mean = combine({"good": ahead, "bad": np.float32(1.3) * ahead}, actual, seen)
    assert (mean > 1).all()
    assert (mean < 1.1).all()


def test_errors_that_persist_are_carried_forward() -> None:
    rng = np.random.default_rng(0)
    combined = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    # Each day is off by its own amount, nearly the same as the day before.
    by_day = np.repeat(rng.normal(0, 0.3, ORIGINS // 4 + 6), 5)[: ORIGINS + AHEAD]
    rows = np.arange(ORIGINS)[:, None] + np.arange(AHEAD)
    actual = np.broadcast_to(1 + by_day[rows][None, :, :, None], SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    before = np.abs(actual - combined[:, :-1])[:, 1:, 0].mean()
    after = np.abs(actual - corrected(combined, actual, seen)[:, :-1])[:, 1:, 0].mean()
    assert after < 0.7 * before


def test_a_shift_is_followed_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    combined = np.ones((SERIES, ORIGINS + 1, AHEAD, BINS), dtype=np.float32)
    actual = rng.gamma(100, 0.01, SHAPE).astype(np.float32)
    seen = np.ones_like(actual)
    calm = relevelled(combined, combined, actual, seen)
    assert np.abs(calm - 1).max() < 0.1
    actual[:, -1, 0, -BINS // 2 :] *= 2
    shifted = relevelled(combined, combined, actual, seen)
    np.testing.assert_array_equal(shifted[:, :-1], calm[:, :-1])
    assert (shifted[:, -1, 0] > 1.6).all()


@pytest.mark.parametrize("missing_fraction", [0.0, 0.7, 1.0])
def test_spread_rises_and_further_days_are_no_surer(missing_fraction: float) -> None:
    rng = np.random.default_rng(0)
    strays = rng.normal(0, 0.2, SHAPE).astype(np.float32)
    seen = (rng.random(SHAPE) >= missing_fraction).astype(np.float32)
    spread = spread_of(strays * seen, seen, LEVELS, np.ones(SERIES, dtype=np.float32))
    assert (np.diff(spread.quantiles, axis=2) >= 0).all()
    assert (spread.scale > 0).all()
    assert (np.diff(spread.scale, axis=1) >= 0).all()
    values = moved(np.ones((SERIES, AHEAD, BINS), dtype=np.float32), spread)
    assert (np.diff(values, axis=3) >= 0).all()


def test_the_spread_of_normal_strays_is_normal() -> None:
    strays = np.random.default_rng(0).normal(0, 0.2, (SERIES, 200, AHEAD, BINS))
    spread = spread_of(strays.astype(np.float32), np.ones(strays.shape), LEVELS, np.ones(SERIES))
    found = spread.scale.mean(axis=(1, 2))[:, None] * spread.quantiles[:, 0]
    expected = 0.2 * normal_quantiles(LEVELS)
    np.testing.assert_allclose(found, np.tile(expected, (SERIES, 1)), atol=0.04)


def test_widening_is_that_of_a_student_t() -> None:
    # The 95 % quantile of a t with 10 degrees of freedom is 1.812.
    z = normal_quantiles((0.95,))
    assert float((z * widened(z, np.array([10.0]))[0])[0]) == pytest.approx(1.812, abs=0.02)
