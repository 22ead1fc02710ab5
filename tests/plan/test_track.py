"""What came of what was said: coverage, stakes, surprises and a lasting bias."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.planner import LAW, a_policy
from foretide.plan.track import Issued, Track, compared, with_issue

POLICY = a_policy()
RATE = st.floats(0, 500)


def said(minute: int = 0, **changed: float) -> Issued:
    usual = Issued(
        for_s=minute * 60.0, low_rps=80, predicted_rps=100, upper_rps=120, surprise_rps=130,
        serving_count=12, total_count=16, reactive_count=14,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changed)


def played(rates: Sequence[float], **changed: float) -> Track:
    track = Track()
    for minute, rps in enumerate(rates):
        track = compared(
            track, said=said(minute, **changed), saying=None, rps=rps, end_s=minute * 60.0 + 60,
            step_s=60, policy=POLICY,
        )  # fmt: skip
    return track


@LAW
@given(rates=st.lists(RATE, max_size=30), serving=st.integers(0, 40), reactive=st.integers(1, 40))
def test_shares_are_shares(rates: list[float], serving: int, reactive: int) -> None:
    track = played(rates, serving_count=serving, total_count=serving, reactive_count=reactive)
    assert 0 <= track.coverage_fraction <= 1
    assert 0 <= track.wasted_fraction < 1
    assert 0 <= track.missed_fraction < 1
    assert track.wasted <= track.ahead + 1e-9
    assert track.missed <= track.withheld + 1e-9
    # a plan is above the reactive one or below it
    assert not (track.ahead and track.withheld)


def test_coverage_is_the_share_inside_the_interval() -> None:
    assert Track().coverage_fraction == 0.9
    assert played([100, 120, 80, 121]).coverage_fraction == pytest.approx(0.75, abs=1e-3)
    assert played([100] * 50).independent_count == pytest.approx(10, abs=0.1)


def test_what_was_held_ahead_is_wasted_unless_demand_takes_it() -> None:
    ahead = {"serving_count": 20, "total_count": 20, "reactive_count": 10}
    assert played([200] * 600, **ahead).wasted_fraction == 0
    assert played([90] * 600, **ahead).wasted_fraction == pytest.approx(600 / 660, abs=0.03)
    # an hour of a doubled fleet weighs as much as the belief that nothing is wasted
    assert played([90] * 60, **ahead).wasted_fraction == pytest.approx(0.5, abs=0.01)


def test_what_was_withheld_is_missed_when_demand_would_have_taken_it() -> None:
    below = {"serving_count": 5, "total_count": 5, "reactive_count": 10}
    assert played([40] * 600, **below).missed_fraction == 0
    # one event, however long, proves nothing; several do
    assert played([95] * 600, **below).missed_fraction == 0
    apart = played(([95] * 100 + [40] * 400) * 5, **below)
    assert 3 < apart.missed_event_count < 5
    assert 0.1 < apart.missed_fraction < 0.2


def test_surprises_in_a_row_are_one_until_demand_is_as_said() -> None:
    assert played([100, 131, 140]).surprised_since_s == 60
    assert played([131, 140, 130]).surprised_since_s == 0


def test_a_lasting_bias_is_noticed_and_a_noisy_one_is_not() -> None:
    high = played([200] * 120)
    assert high.bias_log == pytest.approx(math.log(1.3))
    assert 5300 < high.biased_since_s < 5600
    assert played([200, 50] * 100).biased_since_s == 0
    assert played([200] * 120 + [100] * 2).biased_since_s == 0


def test_a_minute_is_compared_with_what_was_said_of_it() -> None:
    track = Track()
    for minute in range(4):
        track = with_issue(track, said(minute + 5), step_s=60, policy=POLICY)
    assert track.due(6 * 60.0) == said(6)
    assert track.due(4 * 60.0) is None
    # nothing was said of a minute this late
    assert track.due(10 * 60.0) is None


def test_while_demand_is_silent_what_was_said_does_not_pile_up() -> None:
    track = Track()
    for minute in range(500):
        track = with_issue(track, said(minute), step_s=60, policy=POLICY)
    assert len(track.issued) <= POLICY.boot_minutes + 4


def test_a_bucket_nobody_spoke_of_changes_no_share() -> None:
    before = played([100, 200, 50])
    after = compared(before, said=None, saying=None, rps=900, end_s=9e3, step_s=60, policy=POLICY)
    assert after.coverage_fraction == before.coverage_fraction
    assert (after.wasted, after.missed) == (before.wasted, before.missed)
