"""What is usual: one burst or two are no habit, three at one time of the day are, a level is."""

from __future__ import annotations

import numpy as np
import pytest

from foretide.forecast.own_past import DAY_MIN, OwnPast
from foretide.model.demand import FloatArray

HORIZON_MIN = 60


def learned(values: FloatArray) -> OwnPast:
    past = OwnPast(1, HORIZON_MIN)
    for minute, value in enumerate(values):
        past.add(minute, np.array([value]))
    return past


def days(count: int, *bursts: tuple[int, int, float]) -> FloatArray:
    """Return ten calls a minute, with bursts given as (day, minutes, calls) at noon."""
    values = np.full(count * DAY_MIN + DAY_MIN // 2 - 30, 10.0)
    for day, minutes, calls in bursts:
        noon = day * DAY_MIN + DAY_MIN // 2
        values[noon : noon + minutes] = calls
    return values


def at_noon(values: FloatArray) -> float:
    usual = learned(values).usual(len(values), HORIZON_MIN)
    return float(usual[0, 30:45, 0].mean())


def test_a_burst_is_no_habit() -> None:
    assert at_noon(days(4)) == pytest.approx(10.0)
    assert at_noon(days(4, (3, 30, 200.0))) < 15.0
    assert at_noon(days(4, (2, 30, 200.0), (3, 30, 200.0))) < 15.0


def test_what_comes_every_day_is_a_habit() -> None:
    assert at_noon(days(5, *((day, 30, 200.0) for day in range(1, 5)))) > 80.0


def test_a_level_that_lasts_is_learned_in_a_day() -> None:
    values = days(4)
    values[3 * DAY_MIN :] = 40.0
    past = learned(values)
    assert past.usual(len(values), HORIZON_MIN)[0, :, 0] == pytest.approx(40.0, rel=0.3)


def test_a_minute_not_observed_changes_nothing() -> None:
    past = learned(days(2))
    before = past.means.copy()
    past.add(len(days(2)), None)
    assert (past.means == before).all()
