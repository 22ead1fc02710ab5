from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.forecast.bins import bin_s
from foretide.forecast.history import DAYS_MAX, Chunk, chunks
from foretide.forecast.wallclock import epoch_s, local_s
from foretide.model.demand import Demand, FloatArray

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
HOUR_S = 3600


def demand_of(values: FloatArray, *, step_s: int = HOUR_S, start: datetime = START) -> Demand:
    return Demand(series_id="a", start=start, step_s=step_s, values=values)


def laid(
    demand: Demand, at: datetime, *, zone: str = "UTC", finest_s: int = 300, horizon_s: int = 86_400
) -> Chunk:
    (chunk,) = chunks(
        [demand], issued_at=at, horizon_s=horizon_s, zone=ZoneInfo(zone), finest_s=finest_s
    )
    return chunk


@given(step_s=st.integers(1, 86_400), finest_s=st.integers(1, 3600))
def test_bins_divide_a_day_and_hold_a_bucket(step_s: int, finest_s: int) -> None:
    length_s = bin_s(step_s, finest_s)
    assert 86_400 % length_s == 0
    assert length_s >= (step_s if step_s >= finest_s else max(finest_s, 1800))


def test_hourly_days_are_the_values_themselves() -> None:
    values = np.arange(24 * 10, dtype=np.float64)
    chunk = laid(demand_of(values), START + timedelta(days=10))
    assert chunk.whole_days == 10
    np.testing.assert_array_equal(chunk.bins[0].ravel(), values)
    np.testing.assert_array_equal(chunk.position, np.arange(24))


def test_days_begin_at_the_time_of_day_of_the_forecast() -> None:
    values = np.arange(24 * 10, dtype=np.float64)
    chunk = laid(demand_of(values), START + timedelta(days=8, hours=5, minutes=30))
    # The bucket open at 05:30 is not observed; the one from 06:00 is the first to forecast.
    assert np.isnan(chunk.bins[0, -1, -1])
    assert chunk.bins[0, -1, -2] == 8 * 24 + 4
    assert chunk.silent_s[0] == 0


def test_only_the_last_eight_weeks_are_kept() -> None:
    chunk = laid(demand_of(np.ones(24 * 90)), START + timedelta(days=90))
    assert chunk.bins.shape == (1, DAYS_MAX, 24)


def test_the_hour_daylight_saving_skips_is_missing_and_the_one_it_repeats_is_folded() -> None:
    zone = ZoneInfo("Europe/Paris")
    hours = np.arange(24 * 30)
    spring = demand_of(
        np.array([(START + timedelta(hours=int(h))).astimezone(zone).hour for h in hours], float)
    )
    chunk = laid(spring, START + timedelta(days=30), zone="Europe/Paris")
    by_day = chunk.bins[0]
    assert np.isnan(by_day).sum() == 1
    assert (np.nanmax(by_day, axis=0) == np.nanmin(by_day, axis=0)).all()
    autumn_start = datetime(2026, 10, 20, tzinfo=UTC)
    autumn = demand_of(
        np.array(
            [(autumn_start + timedelta(hours=int(h))).astimezone(zone).hour for h in hours], float
        ),
        start=autumn_start,
    )
    folded = laid(autumn, autumn_start + timedelta(days=30), zone="Europe/Paris").bins[0]
    # Thirty UTC days are an hour short of thirty local ones, so the very first bin is unknown.
    assert np.isnan(folded).sum() == 1
    assert (np.nanmax(folded, axis=0) == np.nanmin(folded, axis=0)).all()


@pytest.mark.parametrize("at", ["2026-03-28T10:00:00+00:00", "2026-10-24T10:00:00+00:00"])
def test_positions_stay_inside_the_horizon_across_daylight_saving(at: str) -> None:
    issued_at = datetime.fromisoformat(at)
    demand = demand_of(np.ones(24 * 10), start=issued_at - timedelta(days=10))
    for days in (1, 2, 7):
        chunk = laid(demand, issued_at, zone="Europe/Paris", horizon_s=days * 86_400)
        assert chunk.position.min() == 0
        assert chunk.position.max() < days * 24
        assert len(chunk.position) == days * 24


def test_fine_buckets_keep_their_minute_of_the_hour() -> None:
    minutes = np.arange(60 * 24 * 9)
    values = np.where(minutes % 60 == 0, 50.0, 10.0)
    chunk = laid(demand_of(values, step_s=60), START + timedelta(days=9))
    assert chunk.bins.shape == (1, 9, 48)
    np.testing.assert_allclose(chunk.bins[0, 0, :2], [340 / 30, 10.0])
    expected = chunk.at_steps(chunk.bins[:, 0, :, None])[0, :, 0]
    np.testing.assert_allclose(expected, np.where(np.arange(1440) % 60 == 0, 50, 10), rtol=0.07)


def test_fine_buckets_keep_their_time_of_the_day() -> None:
    # A job of five minutes at 09:10 is not spread over its half hour.
    minutes = np.arange(60 * 24 * 20)
    values = np.where(minutes % 1440 // 5 == 110, 80.0, 10.0)
    chunk = laid(demand_of(values, step_s=60), START + timedelta(days=20))
    expected = chunk.at_steps(chunk.bins[:, 0, :, None])[0, :, 0]
    assert expected[550:555].min() > 60
    assert expected[540:550].max() < 15


@pytest.mark.parametrize("open_s", [0, 20])
def test_the_last_days_end_with_the_last_closed_bucket(open_s: int) -> None:
    values = np.arange(60 * 24 * 9, dtype=np.float64)
    (chunk,) = chunks(
        [demand_of(values, step_s=60)],
        issued_at=START + timedelta(days=8, hours=7, minutes=13, seconds=open_s),
        horizon_s=86_400,
        zone=ZoneInfo("UTC"),
        finest_s=300,
        recent_days=3,
    )
    last = (8 * 24 + 7) * 60 + 13
    assert chunk.open_count == (1 if open_s else 0)
    np.testing.assert_array_equal(chunk.recent.ravel(), np.arange(last - 3 * 1440, last))


def test_the_last_days_are_not_told_apart_where_none_are_wanted_or_buckets_are_long() -> None:
    fine = laid(demand_of(np.ones(1440 * 3), step_s=60), START + timedelta(days=3))
    assert fine.recent.shape[1] == 0
    (coarse,) = chunks(
        [demand_of(np.ones(24 * 3))],
        issued_at=START + timedelta(days=3),
        horizon_s=86_400,
        zone=ZoneInfo("UTC"),
        finest_s=300,
        recent_days=3,
    )
    assert coarse.recent.shape[1] == 0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize("step_s", [60, 300, 420, 3600])
def test_steps_take_the_amount_of_their_bin_by_their_usual_share(zone: str, step_s: int) -> None:
    start = datetime(2026, 3, 20, tzinfo=UTC)
    values = np.random.default_rng(1).poisson(30.0, 8 * 86_400 // step_s).astype(np.float64)
    chunk = laid(
        demand_of(values, step_s=step_s, start=start),
        start + timedelta(days=8),
        zone=zone,
        horizon_s=3 * 86_400,
    )
    bins = np.random.default_rng(2).random((1, 3 * chunk.bins.shape[2], 2))
    expected = bins[:, chunk.position] * chunk.share[:, :, None]
    np.testing.assert_array_equal(chunk.at_steps(bins), expected)


def test_silence_of_weeks_moves_the_past_by_whole_weeks() -> None:
    values = np.arange(24.0 * 14)
    near = laid(demand_of(values), START + timedelta(days=14))
    far = laid(demand_of(values), START + timedelta(days=14 + 21))
    np.testing.assert_array_equal(near.bins, far.bins)
    assert far.silent_s[0] == 21 * 86_400


@given(st.lists(st.integers(0, 30 * 365 * 24), min_size=1, max_size=50))
def test_wall_clocks_agree_with_the_standard_library(hours: list[int]) -> None:
    zone = ZoneInfo("America/New_York")
    utc_s = np.array(sorted(hours), dtype=np.int64) * HOUR_S
    for at, local in zip(utc_s.tolist(), local_s(utc_s, zone).tolist(), strict=True):
        shown = datetime.fromtimestamp(at, zone).replace(tzinfo=UTC)
        assert epoch_s(shown) == local
