"""A trace played minute by minute by the product's own tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.model.demand import Demand
from foretide.model.plan import Branch, Reason
from foretide.plan.capacity import served_rps
from foretide.simulate.play import Moment, Play, policy_for
from foretide.simulate.scenario import Scenario
from foretide.store.journal import MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Scenario(objective=0.01, warm_price_fraction=0.2, boot_s=290)
CAPACITY_RPS = 0.5


def demand(step_s: int = 300, days: float = 1.5) -> Demand:
    hours = np.arange(int(days * 86_400 / step_s)) * step_s / 3600
    values = 4 * step_s * (1 - 0.9 * np.cos(hours * np.pi / 12))
    return Demand(series_id="shop/search", start=START, step_s=step_s, values=values)


@pytest.fixture(scope="module")
def played() -> tuple[Play, list[Moment], MemoryJournal]:
    journal = MemoryJournal()
    play = Play(demand(), scenario=RULES, capacity_rps=CAPACITY_RPS, journal=journal)
    return play, list(play.moments()), journal


Played = tuple[Play, list[Moment], MemoryJournal]


def test_every_minute_is_played_once_and_in_order(played: Played) -> None:
    play, moments, journal = played
    assert play.minute_count == len(moments) == len(journal.entries) == 2160
    assert [m.minute for m in moments] == list(range(2160))
    assert [m.at for m in moments[:2]] == [START, START + timedelta(minutes=1)]
    assert [entry.plan for entry in journal.entries] == [m.plan for m in moments]


def test_counts_are_the_moments_told(played: Played) -> None:
    play, moments, _ = played
    counts = play.counts()
    told = np.array([[m.serving, m.warm, m.booting] for m in moments]).T
    np.testing.assert_array_equal(told, [counts.serving, counts.warm, counts.booting])


def test_a_plan_is_reached_once_what_boots_is_ready(played: Played) -> None:
    _, moments, _ = played
    for moment in moments:
        there = moment.serving + moment.warm + moment.booting
        assert there == moment.plan.serving_count + moment.plan.warm_count
        assert moment.serving <= moment.plan.serving_count


def test_it_is_the_reactive_formula_until_there_is_a_forecast(played: Played) -> None:
    _, moments, _ = played
    reasons = [Reason.NO_HISTORY in m.plan.decision.reasons for m in moments]
    assert reasons == [True] * 720 + [False] * 1440


def test_a_calm_day_is_served_whole(played: Played) -> None:
    play, _, _ = played
    rps = np.repeat(demand().values / 300, 5)
    short = rps[720:] - CAPACITY_RPS * play.counts().serving[720:]
    assert np.maximum(short, 0).sum() <= RULES.objective * rps[720:].sum()


def test_the_band_of_a_minute_was_issued_one_boot_before_it(played: Played) -> None:
    play, _, journal = played
    band = play.band(0)
    assert len(band.low_rps) == 2160
    assert np.isnan(band.median_rps[: 720 + 5]).all()
    assert np.isfinite(band.median_rps[725:]).all()
    for minute in (725, 1000, 2000):
        told = journal.entries[minute - 5].plan.decision.predicted_rps
        assert band.median_rps[minute] == pytest.approx(told, rel=1e-3)
    assert (band.low_rps[725:] <= band.median_rps[725:]).all()
    assert (band.median_rps[725:] <= band.high_rps[725:]).all()
    assert len(play.band(100).low_rps) == 2060


def test_a_play_can_be_watched_half_way() -> None:
    play = Play(demand(), scenario=RULES, capacity_rps=0.5, journal=MemoryJournal())
    moments = play.moments()
    for _ in range(10):
        next(moments)
    serving = play.counts().serving
    assert (serving[:10] > 0).all()
    assert not serving[10:].any()


def test_the_policy_is_the_one_the_scenario_describes() -> None:
    made = policy_for("shop/search", RULES, 2.0)
    assert (made.service, made.boot_minutes, made.has_warm_pool) == ("shop/search", 5, True)
    assert served_rps(made.curve, 7) == pytest.approx(14.0)
    assert not policy_for("shop/search", Scenario(), 2.0).has_warm_pool


def test_no_history_means_nothing_is_removed() -> None:
    silent = Demand(series_id="s", start=START, step_s=60, values=np.full(100, np.nan))
    play = Play(silent, scenario=RULES, capacity_rps=1.0, journal=MemoryJournal())
    for moment in play.moments():
        assert moment.serving == 1
        assert moment.plan.decision.branch is Branch.HOLD
