"""Sessions under way: when they begin and end, and that their names are forgotten."""

from __future__ import annotations

import sys
from typing import cast

import numpy as np
import pytest

from foretide.forecast.visits import ActiveSessions, MinuteCalls, Visits


def minute(at: int, *calls: tuple[int, float, int]) -> MinuteCalls:
    """Return a minute of calls, each given as (session, second, feature)."""
    return MinuteCalls(
        minute=at,
        second=np.array([call[1] for call in calls], dtype=np.float64),
        session=np.array([call[0] for call in calls], dtype=np.uint64),
        feature=np.array([call[2] for call in calls], dtype=np.int64),
    )


def seen(active: ActiveSessions, until: int, *minutes: MinuteCalls) -> Visits:
    by_minute = {one.minute: one for one in minutes}
    visits = None
    for at in range(until + 1):
        active.turn(at)
        visits = active.visit(by_minute.get(at, minute(at)), one_in=1)
    assert visits is not None
    return visits


def test_calls_of_one_minute_are_one_visit_in_the_order_of_their_seconds() -> None:
    active = ActiveSessions(turn_min=700)
    visits = seen(active, 1, minute(1, (7, 50.0, 2), (7, 10.0, 0), (9, 5.0, 1), (7, 20.0, 1)))
    assert len(visits.stage) == 2
    assert visits.is_start.all()
    # Session 7 called feature 2 last, as the third of its calls; session 9 feature 1, its first.
    assert visits.stage.tolist() == [2 * 3 + 1, 1 * 3]
    assert visits.quarter.tolist() == [0, 3]


@pytest.mark.parametrize(("gap_s", "is_start"), [(1799, False), (1800, False), (1801, True)])
def test_a_session_ends_after_half_an_hour_of_silence(gap_s: int, *, is_start: bool) -> None:
    active = ActiveSessions(turn_min=700)
    at, second = divmod(90 + gap_s, 60)
    visits = seen(active, at, minute(1, (7, 30.0, 0)), minute(at, (7, float(second), 1)))
    assert visits.is_start.tolist() == [is_start]


def test_what_has_ended_takes_no_room() -> None:
    active = ActiveSessions(turn_min=700)
    seen(active, 40, minute(1, *((session, 1.0, 0) for session in range(1, 100))))
    assert len(active) == 0


def test_names_are_forgotten_when_the_day_turns() -> None:
    active = ActiveSessions(turn_min=5)
    visits = seen(active, 6, minute(4, (7, 1.0, 0)), minute(6, (7, 1.0, 0)))
    assert visits.is_start.tolist() == [True]
    assert not visits.is_known.any()
    assert active.known_min == 1


def test_calls_without_a_session_and_beyond_the_room_make_no_visit() -> None:
    active = ActiveSessions(turn_min=700, active_max=2)
    crowd = minute(1, (0, 1.0, 0), (5, 2.0, 0), (6, 3.0, 0), (7, 4.0, 0))
    assert len(seen(active, 1, crowd).stage) == 2
    assert len(active) == 2
    # Who is known already is still followed.
    active.turn(2)
    assert active.visit(minute(2, (6, 1.0, 1), (7, 1.0, 1)), one_in=1).is_start.tolist() == [False]


def test_one_in_eight_is_drawn_by_name_and_stays_drawn() -> None:
    names = [(session, 1.0, 0) for session in range(1, 4001)]
    first = ActiveSessions(turn_min=700)
    first.turn(1)
    drawn = first.visit(minute(1, *names), one_in=8).is_learner
    assert drawn.mean() == pytest.approx(1 / 8, abs=0.02)
    first.turn(2)
    assert (first.visit(minute(2, *names), one_in=1).is_learner == drawn).all()


def test_a_session_takes_about_150_bytes() -> None:
    active = ActiveSessions(turn_min=700)
    count = 20_000
    active.turn(1)
    names = np.random.default_rng(0).integers(1, 2**63, count).astype(np.uint64)
    active.visit(
        MinuteCalls(
            minute=1, second=np.ones(count), session=names, feature=np.zeros(count, dtype=np.int64)
        ),
        one_in=1,
    )
    table = cast("dict[int, int]", vars(active)["_kept"])
    size = sys.getsizeof(table) + sum(
        sys.getsizeof(name) + sys.getsizeof(kept) for name, kept in table.items()
    )
    assert size / count < 160
