"""What a service is told of its demand: the same in any block size, never from the future."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.control.lookahead import Lookahead
from foretide.errors import InvalidValueError
from foretide.model.calendar import Calendar, DeclaredEvent, Outage
from foretide.model.demand import Demand, FloatArray
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective
from foretide.plan.need import Need
from foretide.plan.policy import ServicePolicy

START = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = ServicePolicy(
    service="web",
    version="v1",
    curve=linear_curve(1.0),
    knob=knob_for_objective(0.001, has_warm_pool=True),
    boot_s=300,
    has_warm_pool=True,
)


@functools.cache
def daily(days: float, step_s: int) -> Demand:
    """Return users by day, at most about 20 requests/s, with a gap on the second day."""
    rng = np.random.default_rng(11)
    count = int(days * 86_400 / step_s)
    hours = np.arange(count) * step_s / 3600
    rate_rps = 10 * (1 - 0.9 * np.cos(hours * np.pi / 12))
    values = rng.poisson(rate_rps * step_s).astype(np.float64)
    values[(hours > 30) & (hours < 31)] = np.nan
    return made(values, step_s)


def made(values: FloatArray, step_s: int) -> Demand:
    return Demand(series_id="web", start=START, step_s=step_s, values=values)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def needs(demand: Demand, minutes: range, block_minutes: int) -> list[Need | None]:
    outlook = Lookahead(POLICY, demand, block_minutes=block_minutes)
    return [outlook.need(at(minute)) for minute in minutes]


@pytest.mark.parametrize("step_s", [60, 300])
def test_the_size_of_a_block_cannot_be_seen(step_s: int) -> None:
    # from the first fit at 12 h over two refits, into the gap
    minutes = range(700, 2200) if step_s == 300 else range(2000, 2200)
    blocks = [needs(daily(2.5, step_s), minutes, size) for size in (240, 7)]
    assert blocks[0] == blocks[1]
    alone = needs(daily(2.5, step_s), minutes[:: 1 if step_s == 300 else 40], 1)
    if step_s == 300:
        assert alone == blocks[0]


def test_a_whole_day_with_its_refit_minute_by_minute() -> None:
    minutes = range(720, 720 + 1440 + 60)
    assert needs(daily(2.5, 300), minutes, 1) == needs(daily(2.5, 300), minutes, 240)


@pytest.mark.parametrize("step_s", [60, 300])
@pytest.mark.parametrize("wrong", [0.0, 5e4, np.nan])
def test_what_comes_later_changes_no_need(step_s: int, wrong: float) -> None:
    demand = daily(2.5, step_s)
    instant = 2403
    corrupted = demand.values.copy()
    corrupted[instant * 60 // step_s :] = wrong
    minutes = range(600, instant + 1)
    outlooks = [
        Lookahead(POLICY, one, block_minutes=240) for one in (demand, made(corrupted, step_s))
    ]
    for minute in minutes:
        one, other = (outlook.need(at(minute)) for outlook in outlooks)
        assert one == other
        assert outlooks[0].recent(at(minute)) == outlooks[1].recent(at(minute))
    bands = [outlook.band(at(instant)) for outlook in outlooks]
    assert bands[0] == bands[1]


def test_there_is_no_need_before_twelve_hours() -> None:
    found = needs(daily(1, 300), range(0, 730, 5), 240)
    assert found.index(next(need for need in found if need)) == 720 // 5
    assert np.isnan(Lookahead(POLICY, daily(1, 300)).band(at(0))).all()


def test_demand_that_arrives_is_taken_in() -> None:
    demand = daily(2, 300)
    outlook = Lookahead(POLICY, demand.until(at(1000)))
    for minute in range(1000, 1100, 5):
        outlook.see(demand.until(at(minute)))
        assert outlook.need(at(minute)) == needs(demand, range(1000, minute + 1, 5), 1)[-1]


def test_the_last_buckets_are_told_with_their_age() -> None:
    outlook = Lookahead(POLICY, made(np.array([60.0, 120.0, np.nan, np.nan, 300.0]), 60))
    told = {minute: outlook.recent(at(minute)) for minute in (0, 0.5, 1, 2, 2.5, 3, 4.5, 5, 8)}
    ages = {minute: one.age_s for minute, one in told.items()}
    assert ages == {0: None, 0.5: None, 1: 0, 2: 0, 2.5: 30, 3: 60, 4.5: 150, 5: 0, 8: 180}
    last = {minute: (one.last_rps, one.previous_rps) for minute, one in told.items()}
    assert last[0.5] == (None, None)
    assert last[1] == (1.0, None)
    assert last[2.5] == (2.0, 1.0)
    assert last[3] == (None, 2.0)
    assert last[5] == (5.0, None)


def test_demand_older_than_a_day_has_no_age() -> None:
    outlook = Lookahead(POLICY, made(np.array([60.0] + [np.nan] * 3000), 60))
    assert outlook.recent(at(1440)).age_s == 1439 * 60
    assert outlook.recent(at(1441)).age_s is None


def test_after_two_weeks_of_silence_the_last_fit_is_given_up() -> None:
    values = np.tile(daily(2, 300).values[-288:], 40).copy()
    values[5 * 288 : 21 * 288] = np.nan
    outlook = Lookahead(POLICY, made(values, 300), block_minutes=240)
    by_day = {day: outlook.need(at(day * 1440)) is not None for day in (1, 5, 18, 19, 21, 22, 39)}
    assert by_day == {1: True, 5: True, 18: True, 19: False, 21: False, 22: True, 39: True}


@pytest.mark.parametrize("step_s", [30, 90, 7200])
def test_buckets_that_are_no_minutes_are_refused(step_s: int) -> None:
    with pytest.raises(InvalidValueError, match="whole minutes"):
        Lookahead(POLICY, made(np.ones(10), step_s))


def event(minute: float, *, minutes: float = 120, uplift_factor: float = 3.0) -> DeclaredEvent:
    return DeclaredEvent(
        name="sale", start=at(minute), end=at(minute + minutes), uplift_factor=uplift_factor
    )


Told = list[tuple[Need | None, tuple[float, float, float]]]


def told(demand: Demand, calendar: Calendar, minutes: range, block_minutes: int) -> Told:
    outlook = Lookahead(POLICY, demand, block_minutes=block_minutes, calendar=calendar)
    return [(outlook.need(at(minute)), outlook.band(at(minute))) for minute in minutes]


def test_an_empty_calendar_leaves_every_bit() -> None:
    minutes = range(720, 2200, 5)
    plain = Lookahead(POLICY, daily(2.5, 300))
    assert told(daily(2.5, 300), Calendar(), minutes, 1) == [
        (plain.need(at(minute)), plain.band(at(minute))) for minute in minutes
    ]


def test_an_event_ahead_is_asked_for_before_it_begins() -> None:
    begins = 3 * 1440 + 720
    values = daily(4, 300).values.copy()
    values[begins // 5 : begins // 5 + 24] *= 3
    demand, calendar = made(values, 300), Calendar(events=(event(begins),))
    plain, special = Lookahead(POLICY, demand), Lookahead(POLICY, demand, calendar=calendar)
    ratios: dict[int, float] = {}
    for minute in range(begins - 60, begins + 60, 5):
        needs = [outlook.need(at(minute)) for outlook in (plain, special)]
        assert all(needs)
        ratios[minute - begins] = special.band(at(minute))[1] / plain.band(at(minute))[1]
    assert ratios[-60] == pytest.approx(1.0)
    assert ratios[-5] > 2.5
    expected = special.band(at(begins + 55))[1]
    assert expected == pytest.approx(values[(begins + 60) // 5] / 300, rel=0.15)


def test_with_a_calendar_the_size_of_a_block_cannot_be_seen_nor_the_future() -> None:
    demand = daily(3, 300)
    calendar = Calendar(
        events=(event(1500), event(3000)), outages=(Outage(start=at(2000), end=at(2060)),)
    )
    minutes = range(2000, 3200, 5)
    blocks = told(demand, calendar, minutes, 240)
    assert blocks == told(demand, calendar, minutes, 1)
    corrupted = demand.values.copy()
    corrupted[3200 // 5 :] = 5e6
    assert blocks == told(made(corrupted, 300), calendar, minutes, 240)


def test_nothing_seen_in_an_outage_moves_the_fit() -> None:
    demand = daily(3, 300)
    calendar = Calendar(outages=(Outage(start=at(2000), end=at(2300)),))
    found: list[Told] = []
    for wrong in (0.0, 1e6):
        values = demand.values.copy()
        values[400:460] = wrong
        found.append(told(made(values, 300), calendar, range(4000, 4200, 20), 1))
    bands = [[band for _, band in one] for one in found]
    assert bands[0] == bands[1]
