"""The morning is the shop's own, scaled; what came of it is counted, minute by minute."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from cases.mornings import Passed, pass_by
from foretide.errors import InvalidValueError
from foretide.simulate.morning import HISTORY_DAYS, Morning, minute_of, morning
from foretide.simulate.scenario import MINUTE_S


@pytest.fixture(scope="module")
def played() -> Morning:
    return morning(minutes=300)


@pytest.fixture(scope="module")
def passed(played: Morning) -> Passed:
    return pass_by(played)


def test_what_is_sent_is_the_shop_by_its_scale(played: Morning) -> None:
    assert len(played.history.values) == HISTORY_DAYS * 24 * 60
    assert len(played.sent_counts) == len(played.shop_calls) == 300
    assert abs(played.shop_calls.sum() - played.scale * played.sent_counts.sum()) < played.scale
    assert (np.abs(played.shop_calls - played.scale * played.sent_counts) < played.scale).all()
    assert (played.start.hour, played.newsletters[0].hour) == (6, 10)


def test_what_was_skipped_is_history(played: Morning) -> None:
    later = morning(minutes=100, skipped=200)
    assert later.start == played.start + timedelta(minutes=200)
    assert np.array_equal(later.history.values[-200:], played.shop_calls[:200])
    assert np.array_equal(later.shop_calls, played.shop_calls[200:])
    assert minute_of(later, later.start + timedelta(seconds=61)) == 1


@pytest.mark.parametrize(("minutes", "skipped"), [(0, 0), (1081, 0), (10, -1), (80, 1001)])
def test_a_morning_ends_before_the_night(minutes: int, skipped: int) -> None:
    with pytest.raises(InvalidValueError, match="minutes"):
        morning(minutes=minutes, skipped=skipped)


def test_instances_are_there_before_demand(passed: Passed) -> None:
    record = passed.record
    needed = record.sent_rps / record.played.capacity_rps
    hours = slice(120, 240)  # the ramp, before the newsletter
    assert (record.serving[hours] >= needed[hours]).mean() > 0.99
    assert record.actions["launch"] > 0
    assert record.actions["promote"] > 0
    ready = (record.serving + record.warm)[hours.start - 5 : hours.stop - 5]
    assert (ready >= needed[hours]).mean() > 0.99


def test_every_minute_is_paid_for_once(passed: Passed) -> None:
    record = passed.record
    own, rival = record.standings()
    counts = record.counts()
    billed = (counts.serving + counts.booting + 0.2 * counts.warm).sum()
    assert own.cost_usd == pytest.approx(billed * 0.1 * MINUTE_S / 3600)
    assert (own.is_calculated, rival.is_calculated) == (False, True)
    assert rival.cost_usd > 0
    assert len(counts.serving) == record.played.minute_count


def test_what_failed_is_what_the_caller_counted(passed: Passed) -> None:
    record = passed.record
    outcome = record.outcome()
    last = record.tallies[-1]
    assert outcome.runs[0].score.violation_fraction == last.failed / last.sent
    assert [run.policy for run in outcome.runs] == ["foretide", "hpa", "oracle"]
    assert record.served.sum() == last.served
    assert record.sent.sum() == last.sent == record.played.sent_counts.sum()


def test_a_skipped_heartbeat_was_as_the_minute_before(played: Morning) -> None:
    record = pass_by(played, minutes=20, skipped={7, 8, 9}).record
    assert set(record.serving[7:10]) == {record.serving[6]}
    assert record.beat_count == 17
    assert len(record.counts().serving) == 20


def test_a_plan_that_is_told_again_is_taken_once(played: Morning) -> None:
    passed = pass_by(played, minutes=20)
    record, before = passed.record, dict(passed.record.actions)
    record.take(passed.state, record.tallies)
    assert (record.beat_count, dict(record.actions)) == (20, before)
