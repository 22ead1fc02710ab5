"""Predictive scaling as a rival: an hourly forecast that only adds."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.cloud_predictive import cloud_predictive_counts
from foretide.simulate.rivals.target_tracking import target_tracking_counts
from foretide.simulate.scenario import Scenario

DAY = 1440
START = datetime(2026, 3, 2, tzinfo=UTC)
RULES = Scenario(boot_s=300)


def played(demand: FloatArray, start: datetime = START, target: float = 0.5) -> Counts:
    return cloud_predictive_counts(
        demand, capacity_rps=1.0, scenario=RULES, start=start, target=target
    )


def with_noon(days: int) -> FloatArray:
    """Return 2 all day long, and 10 from 12:00 to 13:00."""
    demand = np.full(days * DAY, 2.0)
    for day in range(days):
        demand[day * DAY + 720 : day * DAY + 780] = 10.0
    return demand


def test_a_daily_peak_is_met_an_hour_ahead_from_the_second_day_on() -> None:
    counts = played(with_noon(2))
    by_day = (counts.serving + counts.booting).reshape(2, DAY)
    assert by_day[0, 659:719].tolist() == [4] * 60  # nobody knows yet
    assert by_day[1, 659] == 4
    assert by_day[1, 660:780].tolist() == [20] * 120  # 10 at .5, from 11:00 on
    assert counts.serving[DAY + 665] == 20


def test_it_leaves_removals_to_target_tracking() -> None:
    counts = played(with_noon(2))
    tracked = target_tracking_counts(with_noon(2), capacity_rps=1.0, scenario=RULES, target=0.5)
    after = slice(DAY + 780, DAY + 840)
    # the floor falls at 13:00; the low alarm needs 15 minutes below 90 % of the target, seen at
    # 13:15, as it does without any forecast
    assert counts.serving[after].tolist() == [20] * 15 + [4] * 45
    assert tracked.serving[after].tolist() == [20] * 15 + [4] * 45


def test_hours_are_those_of_the_clock() -> None:
    # the same demand, told to begin at 00:30: its hours are cut in the middle of the peak, whose
    # halves are means of 6
    counts = played(with_noon(2), START.replace(minute=30))
    at = DAY + 720 - 30 - 60  # 11:00 on that clock
    assert (counts.serving + counts.booting)[at - 1 : at + 1].tolist() == [4, 12]


def test_the_forecast_is_renewed_every_six_hours_and_follows_the_level() -> None:
    # Demand is 10, and .1 from 00:00 of the third day on, which target tracking would follow down
    # to 1. The forecast of 06:00 has seen 6 of 24 hours at .01: a level of .7525, taken half-way,
    # which is its root: 10 x .867 / .5 takes 18. At 12:00 it is the root of .505.
    demand = np.full(3 * DAY, 10.0)
    demand[2 * DAY :] = 0.1
    counts = played(demand)
    asked = (counts.serving + counts.booting)[2 * DAY :]
    assert asked[[359, 360, 719, 720]].tolist() == [20, 18, 18, 15]


def test_without_a_day_of_history_it_is_target_tracking() -> None:
    demand = with_noon(1)
    tracked = target_tracking_counts(demand, capacity_rps=1.0, scenario=RULES, target=0.5)
    np.testing.assert_array_equal(played(demand).serving, tracked.serving)


def test_hours_nobody_saw_are_not_taken_for_quiet_ones() -> None:
    demand = with_noon(3)
    demand[DAY + 600 : DAY + 900] = math.nan  # the second day's peak was not observed
    counts = played(demand)
    assert (counts.serving + counts.booting)[2 * DAY + 660] == 20


def test_a_target_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="target must be > 0"):
        played(np.ones(3), target=0)
