"""A platform behind a deadline: it answers in time, or counts as silent, and nothing is lost."""

from __future__ import annotations

import threading
import time

import pytest

from cases.live import BEGIN, Kept
from foretide.control.clock import VirtualClock
from foretide.control.desk import Desk
from foretide.errors import ActionFailedError, PlatformUnavailableError
from foretide.model.fleet import Fleet
from foretide.model.plan import Action, Launch
from foretide.platforms.base import Outcome, Receipt

LAUNCH = Launch(action_id="1", service="web", instance_id="a", version="v1")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(BEGIN)


def test_a_platform_that_is_always_slow_is_heard_a_heartbeat_late(clock: VirtualClock) -> None:
    platform = Kept("web", clock)
    desk = Desk(platform, name="slow", deadline_s=0.05)
    platform.before = lambda: time.sleep(0.15)
    try:
        with pytest.raises(PlatformUnavailableError, match="did not answer within"):
            desk.observe("web")
        assert _late(desk).count
    finally:
        desk.close()


def _late(desk: Desk) -> Fleet:
    for _ in range(100):
        desk.begin()
        try:
            return desk.observe("web")
        except PlatformUnavailableError:
            threading.Event().wait(0.02)
    raise AssertionError("what came late was lost")


def test_an_action_that_failed_for_good_is_refused_not_repeated(clock: VirtualClock) -> None:
    class Unable(Kept):
        def apply(self, action: Action) -> Receipt:
            raise ActionFailedError(f"{action.action_id}: no such version")

    desk = Desk(Unable("web", clock), name="unable")
    try:
        receipt = desk.apply(Launch(action_id="1", service="web", instance_id="a", version="v9"))
    finally:
        desk.close()
    assert receipt == Receipt(action_id="1", outcome=Outcome.REFUSED, detail="1: no such version")


def test_calls_of_one_heartbeat_share_an_allowance(clock: VirtualClock) -> None:
    platform = Kept("web", clock)
    desk = Desk(platform, name="slow", deadline_s=1.0, allowance_s=0.1)
    platform.before = lambda: time.sleep(0.06)
    try:
        desk.observe("web")
        with pytest.raises(PlatformUnavailableError):
            observe_thrice(desk)
    finally:
        desk.close()


def observe_thrice(desk: Desk) -> None:
    for _ in range(3):
        desk.observe("web")


def test_an_action_that_was_answered_late_is_not_asked_for_again(clock: VirtualClock) -> None:
    platform, release = Kept("web", clock), threading.Event()
    desk = Desk(platform, name="slow", deadline_s=0.05)
    platform.before = lambda: (release.wait(10), None)[1]
    try:
        with pytest.raises(PlatformUnavailableError, match="did not answer within"):
            desk.apply(LAUNCH)
        with pytest.raises(PlatformUnavailableError, match="has not answered for"):
            desk.observe("web")
        release.set()
        assert _answered(desk).outcome is Outcome.ACCEPTED
        assert [action.action_id for action in platform.asked] == ["1"]
    finally:
        release.set()
        desk.close()


def _answered(desk: Desk) -> Receipt:
    for _ in range(100):
        try:
            return desk.apply(LAUNCH)
        except PlatformUnavailableError:
            threading.Event().wait(0.02)
    raise AssertionError("what came late was lost")
