"""The cadence of learning: calm pays, trouble halves, and nobody serves who has not won."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.forecast.evidence import Evidence
from foretide.forecast.retrain import (
    FORCED_MAX,
    INTERVAL_MAX,
    INTERVAL_MIN,
    Cadence,
    Challenge,
    Decision,
    Judge,
    Keep,
    Reason,
    Reconform,
    Retrain,
    assess,
    settled,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CALM = Evidence(ratio=1.0, day_ratio=1.0, period_ratio=1.0, point_count=300)
BAD = msgspec.structs.replace(CALM, ratio=2.0, day_ratio=2.0, period_ratio=2.0)
WORSE = msgspec.structs.replace(CALM, ratio=1.3, period_ratio=1.3)
UNKNOWN = Evidence()


def played(
    seen: dict[float, Evidence],
    days: float,
    *,
    has_won: bool = True,
    state: Cadence | None = None,
    begin: float = 0,
) -> tuple[Cadence, list[tuple[float, Decision]]]:
    """Beat every hour; `seen` says from which day on what is seen."""
    state = state or Cadence(trained_at=START)
    found: list[tuple[float, Decision]] = []
    for hour in range(int(begin * 24), int(days * 24)):
        now = START + hour * HOUR
        evidence = [one for since, one in seen.items() if hour >= since * 24][-1]
        state, decision = assess(state, evidence, now)
        if isinstance(decision, Judge):
            state = settled(state, now, has_won=has_won)
        if not isinstance(decision, Keep):
            found.append((hour / 24, decision))
    return state, found


def days_of(found: list[tuple[float, Decision]], kind: type) -> list[float]:
    return [day for day, decision in found if isinstance(decision, kind)]


def interval(state: Cadence) -> timedelta:
    return timedelta(seconds=state.interval_s)


def test_a_calm_series_learns_at_7_and_14_days_and_then_ever_later() -> None:
    state, found = played({0: CALM}, 300)
    assert days_of(found, Challenge) == []
    dues = days_of(found, Retrain)
    assert dues[:6] == [7, 14, 24.5, 35, 50.75, 66.5]
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    assert gaps == sorted(gaps)
    assert max(gaps) == INTERVAL_MAX / DAY
    assert interval(state) == INTERVAL_MAX


def test_every_challenger_is_judged_a_day_after_it_was_trained() -> None:
    _, found = played({0: CALM, 20: BAD, 21: CALM}, 60)
    trained = sorted([*days_of(found, Retrain), *days_of(found, Challenge)])
    assert days_of(found, Judge) == [day + 1 for day in trained if day < 59]


def test_far_worse_means_now_and_half_the_interval() -> None:
    state, found = played({0: CALM, 20: BAD}, 20.5)
    assert days_of(found, Challenge) == [20]
    assert interval(state) == 10.5 * DAY / 2
    (forced,) = [one for _, one in found if isinstance(one, Challenge)]
    assert forced.reason is Reason.LOSS
    assert state.due_at == START + 20 * DAY + interval(state)


def test_one_day_far_worse_is_an_alarm_too() -> None:
    seen = msgspec.structs.replace(CALM, day_ratio=3.0, day_ratio_now=2.5)
    _, found = played({0: CALM, 3: seen}, 3.5)
    assert days_of(found, Challenge) == [3]


def test_an_alarm_replaces_a_challenger_that_only_the_calendar_asked_for() -> None:
    _, found = played({0: CALM, 7.5: BAD, 8.5: CALM}, 10)
    assert days_of(found, Retrain) == [7]
    assert days_of(found, Challenge) == [7.5]
    assert days_of(found, Judge) == [8.5]


def test_worse_for_two_days_halves_once_and_forces_nothing() -> None:
    state, found = played({0: CALM, 1: WORSE}, 3.2)
    assert found == []
    assert interval(state) == 3.5 * DAY
    state, found = played({0: CALM, 1: WORSE}, 2.9)
    assert interval(state) == 7 * DAY
    state, found = played({0: CALM, 1: WORSE, 2: CALM, 2.5: WORSE}, 4)
    assert interval(state) == 7 * DAY


def test_trouble_that_stays_asks_for_three_challengers_and_no_more() -> None:
    for has_won in (True, False):
        state, found = played({0: CALM, 20: BAD}, 40, has_won=has_won)
        assert len(days_of(found, Challenge)) == FORCED_MAX
        assert interval(state) == INTERVAL_MIN
        # the interval takes over
        assert len(days_of(found, Retrain)) >= 5


def test_a_lost_challenge_doubles_the_wait() -> None:
    _, found = played({0: BAD}, 20, has_won=False)
    forced, judged = days_of(found, Challenge), days_of(found, Judge)
    assert forced[0] == 0
    waits = [later - earlier for earlier, later in zip(judged, forced[1:], strict=False)]
    assert waits == [0.25, 0.5]


def test_what_a_challenger_could_not_mend_is_no_alarm_until_it_is_seen_again() -> None:
    over = msgspec.structs.replace(BAD, day_ratio=1.0)  # bad in the last 48 h, not in the last 24
    _, found = played({0: CALM, 20: BAD, 20.75: over, 22: CALM}, 30, has_won=False)
    assert days_of(found, Challenge) == [20]
    missed = msgspec.structs.replace(CALM, under_p=1e-6)
    _, found = played({0: CALM, 20: missed}, 28.5, has_won=False)
    assert days_of(found, Challenge) == [20]
    assert len(days_of(found, Retrain)) >= 3  # the halved interval takes over


def test_waits_never_exceed_the_interval() -> None:
    state = Cadence(trained_at=START, lost_count=9, interval_s=2 * 86_400)
    state, _ = assess(state, BAD, START)
    lost = settled(state, START + DAY, has_won=False)
    assert lost.not_before is not None
    assert lost.not_before - (START + DAY) == interval(lost) == DAY


def test_a_bout_is_over_after_a_calm_week() -> None:
    _, found = played({0: CALM, 10: BAD, 20: CALM, 29: BAD}, 40)
    forced = days_of(found, Challenge)
    assert len([day for day in forced if day < 20]) == FORCED_MAX
    assert forced[FORCED_MAX] == 29
    _, found = played({0: CALM, 10: BAD, 20: CALM, 25: BAD}, 30)
    assert len(days_of(found, Challenge)) == FORCED_MAX


def test_coverage_is_looked_at_once_a_day() -> None:
    seen = msgspec.structs.replace(CALM, under_p=0.0005)
    state, found = played({0: seen}, 0.9)
    assert [(day, one) for day, one in found] == [(0, Challenge(reason=Reason.UNDER_COVERAGE))]
    assert interval(state) == 3.5 * DAY
    _, found = played({0: CALM, 0.5: seen}, 2)
    assert days_of(found, Challenge) == [1]
    barely = msgspec.structs.replace(CALM, under_p=0.002)
    assert played({0: barely}, 6)[1] == []


def test_too_much_coverage_narrows_and_never_trains() -> None:
    seen = msgspec.structs.replace(CALM, over_p=0.0005)
    state, found = played({0: seen}, 6)
    assert {type(one) for _, one in found} == {Reconform}
    assert len(found) == 6
    assert interval(state) == 7 * DAY


def test_not_calm_at_a_due_date_starts_the_count_anew() -> None:
    shaky = msgspec.structs.replace(CALM, period_ratio=1.2)
    _, found = played({0: CALM, 10: shaky, 15: CALM}, 60)
    assert days_of(found, Retrain)[:5] == [7, 14, 21, 28, 38.5]


def test_what_is_not_known_is_no_calm_and_no_trouble() -> None:
    state, found = played({0: UNKNOWN}, 30)
    assert days_of(found, Challenge) == []
    assert days_of(found, Retrain) == [7, 14, 21, 28]
    assert interval(state) == 7 * DAY


evidences = st.builds(
    Evidence,
    ratio=st.floats(0, 5) | st.just(float("nan")),
    day_ratio=st.floats(0, 5) | st.just(float("nan")),
    period_ratio=st.floats(0, 5) | st.just(float("nan")),
    under_p=st.sampled_from([1.0, 0.5, 0.0001]),
    over_p=st.sampled_from([1.0, 0.5, 0.0001]),
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(evidences, st.integers(1, 200), st.booleans()), max_size=60),
)
def test_whatever_is_seen_the_cadence_keeps_its_bounds(
    steps: list[tuple[Evidence, int, bool]],
) -> None:
    state, now = Cadence(trained_at=START), START
    halved: list[datetime] = []
    for seen, hours, has_won in steps:
        now += hours * HOUR
        before = state
        state, decision = assess(state, seen, now)
        assert assess(before, seen, now) == (state, decision)
        assert msgspec.json.decode(msgspec.json.encode(state), type=Cadence) == state
        assert INTERVAL_MIN <= interval(state) <= INTERVAL_MAX
        if state.interval_s < before.interval_s:
            assert not halved or now - halved[-1] >= interval(before) / 2
            halved.append(now)
        if isinstance(decision, Retrain | Challenge):
            assert state.trained_at == now
            assert state.trial is not None
        if isinstance(decision, Retrain):
            assert now >= before.due_at or now >= state.due_at - interval(state)
        if isinstance(decision, Judge):
            assert now - decision.since >= DAY
            state = settled(state, now, has_won=has_won)
            assert state.trial is None
        assert state.forced_count <= FORCED_MAX
