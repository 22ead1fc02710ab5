from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from foretide.forecast.days import (
    BoolArray,
    Days,
    Floats,
    calmed,
    daily_median,
    daily_profile,
    day_type_profiles,
    decay,
    masked,
    recent_level,
    smoothed,
    weekly_middle,
    weekly_profile,
    windows,
)

SERIES, ROWS, BINS = 3, 30, 4


def some_days(seed: int = 0, missing_fraction: float = 0.2) -> Days:
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, 1.0, (SERIES, ROWS, BINS))
    values[rng.random(values.shape) < missing_fraction] = np.nan
    return masked(values)


def weekend() -> BoolArray:
    return np.repeat(np.arange(ROWS) % 7 >= 5, BINS).reshape(ROWS, BINS)


def after(days: Days, row: int) -> Days:
    """Return `days` with other values, all observed, from `row` on."""
    values, seen = days.values.copy(), days.seen.copy()
    values[:, row:], seen[:, row:] = 0.5, 1
    return Days(values=values, seen=seen)


def of_days(days: Days) -> Floats:
    return daily_profile(days, 4.0)


def of_levels(days: Days) -> Floats:
    return recent_level(days, 2.0)


def of_working_days(days: Days) -> Floats:
    return day_type_profiles(days, of_days(days), weekend(), 7.0)[0]


def of_weekends(days: Days) -> Floats:
    return day_type_profiles(days, of_days(days), weekend(), 7.0)[1]


def of_weeks(days: Days, days_ahead: int) -> Floats:
    return weekly_profile(days, of_days(days), 1.5, days_ahead)


def of_middles(days: Days, days_ahead: int) -> Floats:
    return weekly_middle(days, of_days(days), days_ahead)


@pytest.mark.parametrize("row", [1, 8, 26])
@pytest.mark.parametrize("profile", [of_days, of_levels, of_working_days, of_weekends])
def test_a_row_knows_only_the_rows_before_it(profile: Callable[[Days], Floats], row: int) -> None:
    days = some_days()
    found, later = profile(days), profile(after(days, row))
    np.testing.assert_array_equal(found[:, : row + 1], later[:, : row + 1])
    assert (found[:, row + 1 :] != later[:, row + 1 :]).any()


@pytest.mark.parametrize("make", [of_weeks, of_middles])
def test_weekdays_know_only_what_is_a_week_old(make: Callable[[Days, int], Floats]) -> None:
    days = some_days()
    found, later = make(days, 7), make(after(days, 20), 7)
    assert found.shape == (SERIES, ROWS, BINS)
    # Entry i is row i + 7 and knows rows up to i.
    np.testing.assert_array_equal(found[:, :20], later[:, :20])


def test_the_middle_of_four_weekdays_is_their_median() -> None:
    days = some_days(missing_fraction=0)
    found = of_middles(days, 1)
    expected = np.median(days.values[:, [1, 8, 15, 22]], axis=1)
    np.testing.assert_allclose(found[:, 29 - 7], expected, rtol=1e-5)


@pytest.mark.parametrize("first", [2, 7, 20])
def test_the_daily_median_is_that_of_what_was_observed(first: int) -> None:
    days = some_days()
    found = daily_median(days, daily_profile(days, 4.0), first)
    for origin in range(first, ROWS + 1):
        part = np.s_[:, max(origin - 7, 0) : origin]
        values = np.where(days.seen[part] > 0, days.values[part], np.nan)
        observed = np.asarray((days.seen[part] > 0).any(axis=1), dtype=np.bool_)
        expected = np.nanmedian(np.where(observed[:, None], values, 0), axis=1)
        got = np.where(observed, found[:, origin - first], 0)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_recent_level_is_an_exponential_mean() -> None:
    days = some_days(missing_fraction=0)
    flat = days.values.reshape(SERIES, -1).astype(np.float64)
    weights = (1 - 1 / 6.0) ** np.arange(flat.shape[1] - 1, -1, -1)
    expected = (flat * weights).sum(axis=1) / weights.sum()
    np.testing.assert_allclose(recent_level(days, 6.0)[:, -1], expected, rtol=1e-4)


def test_windows_are_the_days_after_each_origin() -> None:
    days = some_days(missing_fraction=0)
    found = windows(days.values, 10, 3)
    assert found.shape == (SERIES, ROWS - 10 - 2, 3, BINS)
    np.testing.assert_array_equal(found[:, 4], days.values[:, 14:17])


def test_a_burst_is_cut_and_a_new_level_is_not() -> None:
    values = np.ones((2, 20, 24))
    values[0, 7, 3] = 100  # one burst
    values[1, -2:] = 100  # two days at a new level
    calm = calmed(masked(values)).values
    assert calm[0].max() == 2
    assert calm[1].max() == 100


def test_smoothing_keeps_the_mean_and_hours_as_they_are() -> None:
    rng = np.random.default_rng(0)
    fine, hourly = rng.random((2, 3, 288)), rng.random((2, 3, 24))
    np.testing.assert_allclose(smoothed(fine).mean(axis=2), fine.mean(axis=2), rtol=1e-5)
    assert smoothed(fine).std() < 0.5 * fine.std()
    np.testing.assert_array_equal(smoothed(hourly), hourly)


def test_decay_halves_by_its_half_life() -> None:
    found = decay(7, 24, 3.0).ravel()
    np.testing.assert_allclose(found[72:] / found[:-72], 0.5, rtol=1e-5)
