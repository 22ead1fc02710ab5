from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from cases.kept import START, hourly, hours
from foretide.forecast.classes import class_of, naive_scale_of
from foretide.model.accuracy import SeriesClass
from foretide.model.demand import Demand, FloatArray

AT_H = np.arange(24 * 56)
WAVE = 1 + 0.6 * np.sin(AT_H * np.pi / 12)
WEEKEND = (AT_H // 24) % 7 >= 5


def drawn(rate: FloatArray) -> FloatArray:
    return np.random.default_rng(1).poisson(rate).astype(np.float64)


def burst(values: FloatArray) -> FloatArray:
    values = values.copy()
    values[::60] *= 8
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (drawn(100 * WAVE)[: 24 * 9], SeriesClass.YOUNG),
        (drawn(np.full(len(AT_H), 0.2)), SeriesClass.SPARSE),
        (np.zeros(len(AT_H)), SeriesClass.SPARSE),
        (drawn(100 * WAVE * np.where(AT_H >= 24 * 49, 2.0, 1.0)), SeriesClass.DRIFTING),
        (
            drawn(100 * np.where(AT_H >= 24 * 49, 2 - WAVE, WAVE)),  # the daily shape inverted
            SeriesClass.DRIFTING,
        ),
        (burst(drawn(100 * WAVE)), SeriesClass.BURSTY),
        (drawn(100 * WAVE * np.where(WEEKEND, 0.3, 1.0)), SeriesClass.WEEKLY),
        (drawn(100 * WAVE), SeriesClass.REGULAR),
        (drawn(np.full(len(AT_H), 100.0)), SeriesClass.IRREGULAR),
        (np.full(len(AT_H), 17.0), SeriesClass.IRREGULAR),
        (np.full(len(AT_H), np.nan), SeriesClass.YOUNG),
    ],
)
def test_made_series_are_classed_as_made(values: FloatArray, expected: SeriesClass) -> None:
    demand = hourly(values)
    assert class_of(demand, demand.end) == expected


@pytest.mark.parametrize("step_s", [60, 420, 3600, 50_000, 86_400])
def test_any_bucket_and_gaps_are_classed(step_s: int) -> None:
    rng = np.random.default_rng(2)
    count = 30 * 86_400 // step_s
    values = rng.gamma(2, 10, count)
    values[rng.random(count) < 0.4] = np.nan
    demand = Demand(series_id="a/b", start=START, step_s=step_s, values=values)
    assert class_of(demand, demand.end) in SeriesClass


def test_neither_class_nor_scale_looks_ahead() -> None:
    values = drawn(100 * WAVE)
    at = START + timedelta(days=30)
    later = values.copy()
    later[24 * 30 :] = 1e9
    assert class_of(hourly(values), at) == class_of(hourly(later), at)
    assert naive_scale_of(hourly(values), at) == naive_scale_of(hourly(later), at)


def test_the_scale_is_the_mean_change_over_a_week_or_a_day() -> None:
    values = np.repeat(np.arange(20.0), 24)  # a day one higher than the day before
    demand = hourly(values)
    assert naive_scale_of(demand, demand.end) == 7
    assert naive_scale_of(demand, START + hours(24 * 5)) == 1
    assert naive_scale_of(demand, START + hours(20)) == 0
