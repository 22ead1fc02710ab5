from __future__ import annotations

import math

import pytest

from cases.kept import START
from foretide.forecast.standing import standings, unscored
from foretide.model.accuracy import Scored, Tally


def scored(name: str, *, demand: float, loss: float, key: str = "1", days: int = 9) -> Scored:
    tally = Tally(
        bucket_count=10,
        demand=demand,
        pinball=(loss / 5,) * 5,
        absolute_error=2 * loss,
        naive_loss=2 * loss,
        expected_loss=loss,
        inside_80_count=8,
    )
    return Scored(
        series_id=name, model="fleet", key=key, forecast_count=3, day_count=days, last=START,
        tally=tally,
    )  # fmt: skip


def test_every_series_counts_once_whatever_its_size() -> None:
    small, big = scored("a/s", demand=10, loss=1), scored("a/b", demand=1e6, loss=1e5)
    (one,) = standings([small, big])
    assert one.accuracy.wql == pytest.approx(0.04)  # 2 x .1 / 5 of either
    (worse,) = standings([scored("a/s", demand=10, loss=3), big])
    assert worse.accuracy.wql == pytest.approx(0.08)
    assert worse.accuracy.skill == pytest.approx(0.5)
    assert (one.series_count, one.scored_count, one.accuracy.matured_count) == (2, 6, 20)


def test_a_series_that_was_only_zero_counts_for_coverage_alone() -> None:
    (one,) = standings([scored("a/s", demand=10, loss=1), scored("a/z", demand=0, loss=7)])
    assert one.accuracy.wql == pytest.approx(0.04)
    assert one.accuracy.coverage_80 == 0.8
    (alone,) = standings([scored("a/z", demand=0, loss=7)])
    assert math.isnan(alone.accuracy.wql)
    assert alone.accuracy.coverage_80 == 0.8


def test_few_days_are_not_judged_however_many_series_there_are() -> None:
    many = [scored(f"a/{at}", demand=10, loss=1, days=6) for at in range(50)]
    assert not standings(many)[0].is_judged
    assert standings([*many, scored("a/x", demand=10, loss=1, days=7)])[0].is_judged
    assert not unscored("1", "fleet").is_judged


def test_keys_and_forecasters_stay_apart() -> None:
    rows = standings([scored("a/s", demand=1, loss=1, key=key) for key in ("1", "2", "1")])
    assert [(one.key, one.scored_count) for one in rows] == [("1", 6), ("2", 3)]
