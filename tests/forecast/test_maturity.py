from __future__ import annotations

from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.kept import HOUR_S, START, hourly, hours, kept
from foretide.forecast.maturity import actual_of, scores_of
from foretide.forecast.score import pinball
from foretide.model.accuracy import KEPT_LEVELS, SCORED_LEVELS, Kept, Score, Tally, accuracy_from
from foretide.model.demand import Demand


def total(scores: list[Score]) -> Tally:
    return reduce(Tally.plus, (one.tally for one in scores), Tally())


def test_a_perfect_forecast_has_no_loss_and_full_skill() -> None:
    values = np.random.default_rng(1).gamma(2, 1e6, 72)
    scores = scores_of(kept(values), hourly(values), known_until=START + hours(99))
    one = accuracy_from(total(scores), series_id="a/b", model="m", day=0, day_count=3, age_s=0.0)
    assert (one.wql, one.wape, one.mase, one.skill) == (0, 0, 0, 1)
    assert (one.coverage_50, one.coverage_80, one.coverage_95) == (1, 1, 1)
    assert one.matured_count == 72


def test_sums_are_those_of_the_definitions() -> None:
    rng = np.random.default_rng(2)
    made, actual = kept(rng.gamma(5, 10, 48), spread=4.0), rng.gamma(5, 10, 48)
    tally = total(scores_of(made, hourly(actual), known_until=START + hours(60)))
    columns = [KEPT_LEVELS.index(level) for level in SCORED_LEVELS]
    seen = actual.astype(np.float32).astype(np.float64)
    losses = pinball(made.forecast.values[:, columns], SCORED_LEVELS, seen)
    np.testing.assert_allclose(tally.pinball, losses.sum(axis=0))
    middle = made.forecast.values[:, KEPT_LEVELS.index(0.5)]
    assert tally.absolute_error == pytest.approx(np.abs(seen - middle).sum())
    assert tally.scaled_error == pytest.approx(np.abs(seen - middle).sum() / made.naive_scale)
    assert tally.naive_loss == pytest.approx(pinball(made.naive, SCORED_LEVELS, seen).sum())
    assert tally.demand == pytest.approx(seen.sum())


@settings(max_examples=60, deadline=None)
@given(known_h=st.floats(-5, 200), junk=st.floats(0, 1e12))
def test_what_is_not_known_yet_is_not_looked_at(known_h: float, junk: float) -> None:
    values = np.random.default_rng(3).gamma(2, 10, 24 * 7)
    made, until = kept(values * 1.1, spread=3.0), START + hours(known_h)
    later = values.copy()
    later[max(int(known_h), 0) :] = junk
    before = scores_of(made, hourly(values), known_until=until)
    assert before == scores_of(made, hourly(later), known_until=until)
    assert sum(one.tally.bucket_count for one in before) == min(max(int(known_h), 0), 24 * 7)


def test_a_day_is_final_a_quarter_of_an_hour_after_its_end() -> None:
    values = np.full(72, 5.0)
    made = kept(values)
    for known_h, final in ((24, 0), (24.24, 0), (24.25, 1), (48.3, 2), (100, 3)):
        scores = scores_of(made, hourly(np.full(200, 5.0)), known_until=START + hours(known_h))
        assert sum(one.is_final for one in scores) == final


def test_missing_buckets_are_left_out_and_empty_days_have_no_score() -> None:
    actual = np.full(72, 7.0)
    actual[24:48] = np.nan
    actual[50:60] = np.nan
    scores = scores_of(kept(np.full(72, 7.0)), hourly(actual), known_until=START + hours(80))
    assert [(one.day, one.tally.bucket_count) for one in scores] == [(1, 24), (3, 14)]


@pytest.mark.parametrize("offset_h", [-30, -3, 0, 5, 30])
def test_demand_that_begins_elsewhere_is_laid_beside_the_forecast(offset_h: int) -> None:
    demand = Demand(
        series_id="shop/cart",
        start=START + hours(offset_h),
        step_s=HOUR_S,
        values=np.arange(100.0),
    )
    actual = actual_of(kept(np.zeros(48)), demand, known_until=START + hours(1000))
    expected = np.arange(48.0) - offset_h
    expected[expected < 0] = np.nan
    np.testing.assert_array_equal(actual, expected)


def test_buckets_that_do_not_divide_a_day_fall_on_the_day_they_begin() -> None:
    one = kept(np.full(50, 3.0))
    odd = msgspec.structs.replace(
        one, forecast=msgspec.structs.replace(one.forecast, step_s=7 * HOUR_S)
    )
    demand = Demand(series_id="a/b", start=START, step_s=7 * HOUR_S, values=np.full(50, 3.0))
    scores = scores_of(odd, demand, known_until=START + hours(24 * 7))
    assert [one.tally.bucket_count for one in scores] == [4, 3, 4, 3, 4, 3, 3]


def test_a_right_forecast_meets_the_loss_it_gave_out() -> None:
    rng = np.random.default_rng(4)
    made = kept(np.full(24 * 7, 500.0), spread=40.0)
    draws = rng.normal(500, 40, (60, 24 * 7))
    tallies = [
        total(scores_of(made, hourly(np.maximum(row, 0)), known_until=START + hours(999)))
        for row in draws
    ]
    assert reduce(Tally.plus, tallies).pinball_ratio == pytest.approx(1, abs=0.03)
    drifted = total(scores_of(made, hourly(draws[0] * 1.3), known_until=START + hours(999)))
    assert drifted.pinball_ratio > 2


def test_coverage_of_right_intervals_is_nominal_within_chance() -> None:
    rng = np.random.default_rng(5)
    count = 24 * 7 * 20
    made = [kept(np.full(24 * 7, 500.0), spread=40.0) for _ in range(20)]
    tally = reduce(
        Tally.plus,
        (
            total(
                scores_of(one, hourly(rng.normal(500, 40, 24 * 7)), known_until=START + hours(999))
            )
            for one in made
        ),
    )
    for inside, share in (
        (tally.inside_50_count, 0.5),
        (tally.inside_80_count, 0.8),
        (tally.inside_95_count, 0.95),
        (tally.below_95_count, 0.95),
    ):
        assert abs(inside / count - share) < 4 * np.sqrt(share * (1 - share) / count)


def test_scores_of_days_add_up_to_those_of_the_whole() -> None:
    values = np.random.default_rng(6).gamma(2, 10, 24 * 3)
    made = kept(values + 3, spread=2.0)
    whole = total(scores_of(made, hourly(values), known_until=START + hours(99)))

    def part(day: int) -> Kept:
        rows = slice(24 * day, 24 * day + 24)
        forecast = msgspec.structs.replace(
            made.forecast,
            start=START + hours(24 * day),
            values=made.forecast.values[rows].copy(),
        )
        return msgspec.structs.replace(made, forecast=forecast, naive=made.naive[rows].copy())

    parts = [
        one
        for day in range(3)
        for one in scores_of(part(day), hourly(values), known_until=START + hours(99))
    ]
    sums, expected = msgspec.structs.asdict(total(parts)), msgspec.structs.asdict(whole)
    assert sums.pop("pinball") == pytest.approx(expected.pop("pinball"))
    assert sums == pytest.approx(expected)
