"""Kept forecasts are scored when their time has come: once, late, in part, and never too early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.kept import START, file, hourly, hours, kept
from foretide.control.scoring import ScoringDone, accuracy_of, matured, score_matured
from foretide.model.accuracy import Scored
from foretide.store.scores import ScoresAsked
from foretide.store.warehouse import Warehouse

DAY = timedelta(days=1)
VALUES = np.random.default_rng(1).gamma(20, 5, 24 * 30)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(tmp_path / "s.duckdb", may_create=True) as opened:
        yield opened


def scores(warehouse: Warehouse) -> list[Scored]:
    return warehouse.scores(ScoresAsked(by="horizon"))


def issue(warehouse: Warehouse, at_h: int, days: int = 2, error: float = 2.0) -> None:
    centre = VALUES[at_h : at_h + 24 * days] + error
    made = kept(centre, issued_at=START + hours(at_h), spread=3.0)
    warehouse.keep_forecasts([made], kept_at=made.forecast.issued_at)


def test_scoring_again_changes_nothing(warehouse: Warehouse) -> None:
    file(warehouse, hourly(VALUES))
    for at_h in range(24, 240, 24):
        issue(warehouse, at_h)
    first = score_matured(warehouse, START + 7 * DAY)
    once = scores(warehouse)
    assert first.forecast_count == 6
    score_matured(warehouse, START + 7 * DAY)
    assert scores(warehouse) == once
    score_matured(warehouse, START + 99 * DAY)
    whole = scores(warehouse)
    assert score_matured(warehouse, START + 99 * DAY) == ScoringDone()
    assert scores(warehouse) == whole
    assert [one.tally.bucket_count for one in whole] == [9 * 24, 9 * 24]


def test_scoring_often_equals_scoring_once(tmp_path: Path) -> None:
    found: list[list[Scored]] = []
    for name, instants in (
        ("often", [START + hours(at) for at in range(0, 24 * 12, 5)]),
        ("once", [START + 12 * DAY]),
    ):
        with Warehouse(tmp_path / f"{name}.duckdb", may_create=True) as warehouse:
            file(warehouse, hourly(VALUES))
            issue(warehouse, 48)
            issue(warehouse, 60)
            for now in instants:
                score_matured(warehouse, now)
            score_matured(warehouse, START + 12 * DAY)
            found.append(scores(warehouse))
    assert found[0] == found[1]


def test_nothing_is_scored_before_it_has_happened(warehouse: Warehouse) -> None:
    file(warehouse, hourly(VALUES))
    issue(warehouse, 48)
    assert score_matured(warehouse, START + hours(48)) == ScoringDone()
    assert score_matured(warehouse, START + hours(48.9)) == ScoringDone()
    score_matured(warehouse, START + hours(53))
    (only,) = scores(warehouse)
    assert only.tally.bucket_count == 5


def test_a_later_world_does_not_change_an_earlier_score(tmp_path: Path) -> None:
    found: list[list[Scored]] = []
    for name, factor in (("as-it-was", 1.0), ("exploded", 1e6)):
        later = VALUES.copy()
        later[100:] *= factor
        with Warehouse(tmp_path / f"{name}.duckdb", may_create=True) as warehouse:
            file(warehouse, hourly(later))
            issue(warehouse, 72)
            score_matured(warehouse, START + hours(100))
            found.append(scores(warehouse))
    assert found[0] == found[1]
    assert found[0][0].tally.bucket_count == 24


def test_demand_that_is_missing_is_not_scored_and_waits_for_its_import(
    warehouse: Warehouse,
) -> None:
    file(warehouse, hourly(VALUES[: 24 * 3]))
    issue(warehouse, 48)
    score_matured(warehouse, START + 400 * DAY)  # long past, but the import is behind
    assert [one.tally.bucket_count for one in scores(warehouse)] == [24]
    file(warehouse, hourly(VALUES[: 24 * 6]))
    score_matured(warehouse, START + 400 * DAY)
    assert [one.tally.bucket_count for one in scores(warehouse)] == [24, 24]


def test_late_demand_scores_again_only_within_the_bound(warehouse: Warehouse) -> None:
    holed = VALUES[: 24 * 3].copy()
    holed[70] = np.nan
    file(warehouse, hourly(holed))
    issue(warehouse, 48, days=1)
    score_matured(warehouse, START + 3 * DAY)  # at its very end: not final yet
    assert scores(warehouse)[0].tally.bucket_count == 23
    file(warehouse, hourly(VALUES[: 24 * 3]))
    score_matured(warehouse, START + 3 * DAY)
    before = scores(warehouse)
    assert before[0].tally.bucket_count == 24
    changed = VALUES.copy()
    changed[50:60] *= 9
    file(warehouse, hourly(VALUES[: 24 * 4]))
    score_matured(warehouse, START + 3 * DAY + hours(1))  # an hour on: final
    file(warehouse, hourly(changed[: 24 * 4]))
    score_matured(warehouse, START + 20 * DAY)
    assert scores(warehouse) == before


def test_each_app_and_step_is_scored_on_its_own_demand(warehouse: Warehouse) -> None:
    names = ["shop/cart", "shop/search", "bank/pay"]
    file(warehouse, *(hourly(VALUES * (at + 1), name) for at, name in enumerate(names)))
    made = [
        kept(VALUES[48:96] * (at + 1), name=name, issued_at=START + hours(48))
        for at, name in enumerate(names)
    ]
    warehouse.keep_forecasts(made, kept_at=START)
    assert score_matured(warehouse, START + 9 * DAY).forecast_count == 3
    found = warehouse.scores(ScoresAsked())
    assert [one.series_id for one in found] == sorted(names)
    assert all(sum(one.tally.pinball) == 0 for one in found)


def test_accuracy_reads_the_window_and_forgets_what_lies_before(warehouse: Warehouse) -> None:
    file(warehouse, hourly(VALUES))
    for day in range(3, 20):
        issue(warehouse, 24 * day, error=40.0 if day < 8 else 1.0)

    def at(now: datetime) -> list[float]:
        score_matured(warehouse, now)
        return [one.wape for one in accuracy_of(warehouse, "shop/cart", model="fleet", now=now)]

    early, late = at(START + 8 * DAY), at(START + 22 * DAY)
    assert len(early) == len(late) == 3  # all days, day 1, day 2
    assert min(early) > 10 * max(late)
    one = accuracy_of(warehouse, "shop/cart", model="fleet", now=START + 22 * DAY)[1]
    assert (one.day, one.model, one.series_id) == (1, "fleet", "shop/cart")
    assert 0 <= one.age_s <= 2 * 86_400
    assert accuracy_of(warehouse, "shop/cart", model="gbm", now=START + 22 * DAY) == []


def test_drift_shows_in_the_pinball_ratio_of_the_last_two_days(warehouse: Warehouse) -> None:
    file(warehouse, hourly(VALUES))
    for day in range(3, 20):
        issue(warehouse, 24 * day, error=30.0 if day > 16 else 0.0)
    score_matured(warehouse, START + 22 * DAY)

    def ratio(day: int) -> float:
        now = START + day * DAY
        return accuracy_of(warehouse, "shop/cart", model="fleet", now=now)[1].pinball_ratio

    assert ratio(12) < 1.25
    assert ratio(20) > 3


def test_matured_forecasts_come_with_what_came_to_be(warehouse: Warehouse) -> None:
    file(warehouse, hourly(VALUES))
    issue(warehouse, 48)
    issue(warehouse, 72)
    first, second = matured(warehouse, "shop/cart", now=START + hours(80))
    np.testing.assert_allclose(first.actual[:32], VALUES[48:80], rtol=1e-6)
    assert np.isnan(first.actual[32:]).all()
    assert np.isfinite(second.actual).sum() == 8
    assert matured(warehouse, "shop/none", now=START + hours(80)) == []
    (one,) = matured(warehouse, "shop/cart", now=START + hours(80), since=START + hours(60))
    assert one.kept.forecast.issued_at == START + hours(72)
