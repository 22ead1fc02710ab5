"""Zeros that a series' own past all but rules out are an outage; what recurs never is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.forecast.fleet import Fleet
from foretide.forecast.outages import outage_runs
from foretide.forecast.special import Calendared
from foretide.model.calendar import Calendar
from foretide.model.demand import Demand, FloatArray
from foretide.sources.demand_table import read_demand

START = datetime(2026, 3, 2, tzinfo=UTC)
PER_DAY = 288


def demand(values: FloatArray, step_s: int = 300) -> Demand:
    return Demand(series_id="shop/cart", start=START, step_s=step_s, values=values)


def rhythm(days: int, *, mean: float = 50.0, seed: int = 1) -> FloatArray:
    at = np.arange(days * PER_DAY)
    rate = mean * (1 + 0.8 * np.sin(2 * np.pi * at / PER_DAY))
    return np.random.default_rng(seed).poisson(rate).astype(np.float64)


def spoilt(days: int, first: int, count: int, *, mean: float = 50.0) -> FloatArray:
    values = rhythm(days, mean=mean)
    values[first : first + count] = 0
    return values


NOON = 12 * PER_DAY + PER_DAY // 4


@pytest.mark.parametrize("count", [3, 24, PER_DAY])
def test_a_busy_series_that_falls_silent_has_an_outage(count: int) -> None:
    assert outage_runs(demand(spoilt(14, NOON, count))) == [(NOON, NOON + count)]


def test_one_still_going_on_is_found_too() -> None:
    values = spoilt(14, NOON, 12)[: NOON + 12]
    assert outage_runs(demand(values)) == [(NOON, NOON + 12)]


@pytest.mark.parametrize(
    "values",
    [
        spoilt(14, NOON, 2),  # too short to tell
        spoilt(14, NOON, PER_DAY + 1),  # too long not to be believed
        spoilt(14, 6 * PER_DAY, 12),  # less than a week to judge by
        spoilt(14, NOON, 3, mean=1.0),  # twice or thrice nothing is no wonder
        np.zeros(14 * PER_DAY),
        np.full(14 * PER_DAY, np.nan),
        np.empty(0),
    ],
    ids=["short", "long", "young", "sparse", "zero", "missing", "none"],
)
def test_what_may_well_be_zero_is_left_alone(values: FloatArray) -> None:
    assert outage_runs(demand(values)) == []


def test_closed_hours_are_no_outages() -> None:
    values = rhythm(28)
    closed = np.arange(len(values)) % PER_DAY < 4
    values[closed] = 0
    assert outage_runs(demand(values)) == []


def test_a_silence_that_recurs_is_the_series_own() -> None:
    values = rhythm(28)
    for day in (3, 11, 19, 27):
        values[day * PER_DAY + 72 : day * PER_DAY + 80] = 0
    found = outage_runs(demand(values))
    # the second one has only one before it, but that is enough
    assert all(first < 11 * PER_DAY for first, _ in found)
    assert len(found) <= 1


@given(st.integers(0, 5000), st.floats(0.2, 4.0))
def test_what_is_only_rare_is_never_an_outage(seed: int, mean: float) -> None:
    values = np.random.default_rng(seed).poisson(mean, 21 * 24).astype(np.float64)
    assert outage_runs(demand(values, 3600)) == []


def test_each_is_judged_by_what_came_before_it() -> None:
    values = spoilt(20, NOON, 12)
    whole, cut = outage_runs(demand(values)), outage_runs(demand(values[: NOON + 12]))
    assert whole == cut


def test_an_outage_found_hardly_hurts_the_forecast_and_is_said() -> None:
    calendar = Calendar(has_outages_detected=True)
    clean, broken = (
        values.reshape(-1, 12).sum(axis=1) for values in (rhythm(21), spoilt(21, 20 * PER_DAY, 144))
    )
    at = START + timedelta(days=20, hours=14)

    def middle(model: Fleet | Calendared, values: FloatArray) -> tuple[FloatArray, str]:
        (found,) = model.forecast(
            [demand(values, 3600)], issued_at=at, horizon_s=86_400, levels=(0.5,),
            timezone=ZoneInfo("UTC"),
        )  # fmt: skip
        return found.values[:, 0], found.note

    best, _ = middle(Fleet(), clean)
    hurt, _ = middle(Fleet(), broken)
    told, note = middle(Calendared(Fleet(), calendar), broken)
    assert np.abs(told - best).mean() < 0.25 * np.abs(hurt - best).mean()
    assert "zeros from 2026-03-22 00:00Z to 12:00Z taken for an outage" in note


def test_real_traces_hold_few(shared_data: Path) -> None:
    found: dict[str, int] = {}
    for path in sorted((shared_data / "demand").glob("*.parquet")):
        for one in read_demand(path).demands:
            runs = outage_runs(one)
            if runs:
                found[one.series_id] = sum(last - first for first, last in runs) * one.step_s // 60
    # NASA's server down for an hour in all, and two hours in which no mention was collected
    assert found == {"nasa-http": 67, "nab-Twitter_volume_FB": 130}


def test_a_calendar_that_finds_none_changes_nothing() -> None:
    known = demand(rhythm(14))
    calendar = Calendar(has_outages_detected=True)
    plain, told = (
        model.forecast(
            [known], issued_at=known.end, horizon_s=86_400, levels=(0.5,), timezone=ZoneInfo("UTC")
        )[0]
        for model in (Fleet(), Calendared(Fleet(), calendar))
    )
    assert plain.values.tobytes() == told.values.tobytes()
    assert plain.note == told.note
