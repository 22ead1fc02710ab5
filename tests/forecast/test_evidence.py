"""What matured is weighed against what was usual, and a perfect model is not condemned."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.forecast.calibration import calibrated
from foretide.forecast.evidence import Evidence, common_evidence, evidence_of, tail_probability
from foretide.forecast.levels import normal_quantiles
from foretide.forecast.tally import LEVELS, Matured, Tally, add_matured, empty_tally, hours_of_week
from foretide.model.demand import FloatArray

UTC = ZoneInfo("UTC")
FIRST = 500_000
QUANTILES = normal_quantiles(LEVELS).astype(np.float64)


def matured(strays: FloatArray, *, first_hour: int = FIRST) -> Matured:
    """Return hourly points of a model that forecasts 100 give or take 10."""
    count = len(strays)
    ts_s = (first_hour + np.arange(count, dtype=np.int64)) * 3600
    return Matured(
        issued_s=ts_s - ts_s % 86_400,
        ts_s=ts_s,
        actual=100 + 10 * strays,
        quantiles=np.tile(100 + 10 * QUANTILES, (count, 1)),
    )


def tally_of(strays: FloatArray, *, first_hour: int = FIRST) -> Tally:
    tally = empty_tally(len(strays), first_hour=first_hour, hours=strays.shape[1])
    for row, one in enumerate(strays):
        add_matured(tally, row, matured(one, first_hour=first_hour))
    return tally


def seen_after(calibration: FloatArray, later: FloatArray) -> list[Evidence]:
    usual = calibrated(tally_of(calibration), UTC)
    first = FIRST + calibration.shape[1]
    now = first + later.shape[1]
    since = np.full(len(later), first, dtype=np.int64)
    tally = tally_of(later, first_hour=first)
    return evidence_of(tally, usual, since_hour=since, now_hour=now, zone=UTC)


def strays(series: int, days: int, *, seed: int, correlation: float = 0.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    fresh = rng.normal(size=(series, days * 24))
    for hour in range(1, fresh.shape[1]):
        fresh[:, hour] = correlation * fresh[:, hour - 1] + (
            np.sqrt(1 - correlation**2) * fresh[:, hour]
        )
    return fresh


def test_points_are_counted_in_their_hour_and_only_a_day_ahead() -> None:
    tally = empty_tally(1, first_hour=10, hours=3)
    hour = 3600
    add_matured(
        tally,
        0,
        Matured(
            issued_s=np.array([9, 9, 9, 12, 12]) * hour,
            ts_s=np.array([10, 10 + 24, 11, 12, 13]) * hour,
            actual=np.array([5.0, 5.0, math.nan, 40.0, 1.0]),
            quantiles=np.tile([2.0, 10.0, 20.0], (5, 1)),
        ),
    )
    assert tally.points.tolist() == [[1, 0, 1]]
    assert tally.missed.tolist() == [[0, 0, 1]]
    # mean over the levels of the pinball loss of 5 against 2, 10 and 20
    assert tally.loss[0, 0] == pytest.approx((0.3 + 2.5 + 1.5) / 3)


def test_points_without_their_quantiles_are_refused() -> None:
    one = matured(np.zeros(3))
    with pytest.raises(InvalidValueError, match="quantiles must be points x 3"):
        add_matured(
            empty_tally(1, first_hour=FIRST, hours=3),
            0,
            msgspec.structs.replace(one, quantiles=one.quantiles[:, :2]),
        )


def test_weeks_follow_the_wall_clock() -> None:
    hours = hours_of_week(24 * 4, 3, UTC)  # the epoch's first Monday
    assert hours.tolist() == [0, 1, 2]
    assert hours_of_week(24 * 4, 1, ZoneInfo("Asia/Kolkata")).tolist() == [5]


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_a_perfect_model_is_not_condemned(correlation: float) -> None:
    # by any of thirteen looks in two weeks, however much its errors come in runs
    days, series = 14, 150
    history = strays(series, 21 + days, seed=3, correlation=correlation)
    usual, later = history[:, : 21 * 24], history[:, 21 * 24 :]
    looks = [seen_after(usual, later[:, : until * 24]) for until in range(2, days + 1)]
    alarmed = [
        any(one.ratio > one.ratio_now or one.day_ratio > one.day_ratio_now for one in seen)
        for seen in zip(*looks, strict=True)
    ]
    uncovered = [any(one.under_p < 0.001 for one in seen) for seen in zip(*looks, strict=True)]
    weeks = series * days / 7
    assert sum(alarmed) <= weeks / 100
    assert sum(uncovered) <= weeks / 100


def test_a_model_that_fails_is_seen_in_a_day() -> None:
    history = strays(50, 22, seed=4, correlation=0.3)
    later = 5 * history[:, 21 * 24 :]
    assert all(
        one.day_ratio > one.day_ratio_now for one in seen_after(history[:, : 21 * 24], later)
    )


def test_intervals_that_hold_too_little_and_too_much_are_told_apart() -> None:
    history = strays(40, 35, seed=5)
    narrow = seen_after(history[:, : 21 * 24], 2 * history[:, 21 * 24 :])
    wide = seen_after(history[:, : 21 * 24], 0.3 * history[:, 21 * 24 :])
    assert all(one.under_p < 0.001 < one.over_p for one in narrow)
    assert all(one.over_p < 0.001 < one.under_p for one in wide)


def test_one_burst_is_no_alarm() -> None:
    history = strays(1, 23, seed=6)
    history[0, -30] = 1000.0
    (one,) = seen_after(history[:, : 21 * 24], history[:, 21 * 24 :])
    assert one.ratio < one.ratio_now
    assert one.day_ratio < one.day_ratio_now


def test_nothing_known_says_nothing() -> None:
    blank = np.full((2, 21 * 24), np.nan)
    for one in seen_after(blank, strays(2, 3, seed=7)):
        assert math.isnan(one.ratio)
        assert one.under_p == 1.0
    for one in seen_after(strays(2, 21, seed=8), np.full((2, 48), np.nan)):
        assert math.isnan(one.ratio)
        assert one.point_count == 0


def test_what_came_before_the_model_was_adopted_does_not_count() -> None:
    history = strays(1, 23, seed=9)
    usual = calibrated(tally_of(history[:, : 21 * 24]), UTC)
    first = FIRST + 21 * 24
    later = history[:, 21 * 24 :]
    worst = later.copy()
    worst[:, :24] = 50.0
    since = np.array([first + 24], dtype=np.int64)
    (one,), (other,) = (
        evidence_of(
            tally_of(part, first_hour=first), usual, since_hour=since, now_hour=first + 48, zone=UTC
        )
        for part in (later, worst)
    )
    assert one == other


def test_the_future_is_not_looked_at() -> None:
    history = strays(3, 25, seed=10)
    usual = calibrated(tally_of(history[:, : 21 * 24]), UTC)
    first, later = FIRST + 21 * 24, history[:, 21 * 24 :].copy()

    def seen(part: FloatArray) -> list[Evidence]:
        tally, since = tally_of(part, first_hour=first), np.full(3, first, dtype=np.int64)
        return evidence_of(tally, usual, since_hour=since, now_hour=first + 50, zone=UTC)

    before = seen(later)
    later[:, 50:] = 1e9
    assert seen(later) == before


def test_the_common_evidence_is_what_half_of_them_say() -> None:
    calm, bad = Evidence(ratio=1.0, point_count=300), Evidence(ratio=3.0, point_count=300)
    assert common_evidence([calm, calm, bad]).ratio == 1.0
    assert common_evidence([calm, bad, bad]).ratio == 3.0
    assert math.isnan(common_evidence([Evidence(), Evidence()]).ratio)


def test_the_tail_of_a_binomial() -> None:
    assert tail_probability(0, 10, 0.2) == 1.0
    assert tail_probability(10, 10, 0.2) == pytest.approx(0.2**10)
    assert tail_probability(3, 10, 0.2) == pytest.approx(0.3222004736)
    assert tail_probability(11, 10, 0.2) == 0.0
    assert tail_probability(336, 336, 0.8) > 0
