"""What becomes of an instance: launched, promoted, parked, drained; failed, hung, crashed."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from cases.local import (
    act,
    launch,
    local_platform,
    process_of,
    running,
    settled,
    states,
    until,
)
from cases.packages import Option
from foretide.model.fleet import InstanceState
from foretide.model.plan import Drain, Park, Promote, Resize, Terminate, Update
from foretide.platforms.base import Outcome
from foretide.platforms.local.platform import LocalPlatform

S = InstanceState


class Made:
    """Makes platforms of a test and leaves nothing of them behind."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, list[LocalPlatform]()

    def __call__(self, *, manifest: str = "", **options: Option) -> LocalPlatform:
        return self.of({"v1": options}, manifest=manifest)

    def of(self, versions: dict[str, dict[str, Option]], *, manifest: str = "") -> LocalPlatform:
        made = local_platform(self._folder, versions=versions, manifest=manifest)
        self._made.append(made)
        return made

    def close(self) -> None:
        for platform in self._made:
            platform.down()
            assert running(platform) == ()


@pytest.fixture
def made(tmp_path: Path) -> Generator[Made]:
    makes = Made(tmp_path)
    yield makes
    makes.close()


def answer(platform: LocalPlatform, name: str, *, within_s: float = 5) -> str:
    record = msgspec.json.decode((platform.root / "instances" / f"{name}.json").read_bytes())
    with urllib.request.urlopen(f"http://127.0.0.1:{record['port']}/", timeout=within_s) as told:
        return told.read().decode()


def test_it_serves_with_its_own_name_and_is_told_of_its_root(made: Made) -> None:
    platform = made()
    platform.apply(launch("a"))
    settled(platform)
    assert answer(platform, "a") == "a"
    assert platform.observe("web").instances[0].node_id == "here"
    assert platform.lead_times("web").boot_count == 1


def test_a_warm_one_is_stopped_and_a_promoted_one_answers_at_once(made: Made) -> None:
    platform = made()
    platform.apply(launch("a", is_warm=True))
    settled(platform)
    with pytest.raises(TimeoutError):
        answer(platform, "a", within_s=0.2)
    assert platform.apply(act(Promote, "a")).outcome is Outcome.ACCEPTED
    assert states(platform) == {"a": S.SERVING}  # without any waiting
    assert answer(platform, "a") == "a"
    told = platform.lead_times("web")
    assert told.wake_count == 1
    assert told.wake_p50_s is not None
    assert told.wake_p50_s < 0.1
    until(lambda: platform.lead_times("web").full_count == 1)


def test_a_parked_one_that_is_promoted_meanwhile_serves(made: Made) -> None:
    platform = made()
    platform.apply(launch("a"))
    settled(platform)
    for turn in range(20):
        platform.apply(act(Park, "a", str(turn)))
        assert platform.apply(act(Promote, "a", str(turn))).outcome is not Outcome.REFUSED
        assert states(platform) == {"a": S.SERVING}
    settled(platform)
    assert answer(platform, "a") == "a"


@pytest.mark.parametrize("crash", ["start", "ready"])
def test_a_launch_that_crashes_is_told_with_its_log_and_leaves_the_fleet(
    made: Made, crash: str
) -> None:
    platform = made.of({"v1": {}, "v2": {"crash": crash}})
    platform.apply(launch("good"))
    settled(platform)
    platform.changed.clear()
    assert platform.apply(launch("bad", version="v2")).outcome is Outcome.ACCEPTED
    assert platform.changed.wait(10)
    assert states(platform) == {"good": S.SERVING}
    (failure,) = platform.failures("web")
    assert failure.instance_id == "bad"
    assert failure.text.startswith("bad ended while booting with exit code ")
    assert "crashed as asked" in failure.log[-1]
    until(lambda: running(platform) == ("good",))


def test_a_version_that_fails_waits_and_says_why(made: Made) -> None:
    platform = made.of({"v1": {}, "v2": {"crash": "start"}})
    platform.apply(launch("bad", version="v2"))
    assert platform.changed.wait(10)
    receipt = platform.apply(launch("again", version="v2"))
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.detail.startswith("version v2 failed to start once and waits 1 s: bad ended")
    assert receipt.detail.endswith("cannot start: crashed as asked")
    assert platform.apply(launch("good")).outcome is Outcome.ACCEPTED
    # the wait over, it may try again, and then waits twice as long
    until(lambda: platform.apply(launch("b", version="v2", ask=now())).detail == "")
    until(lambda: len(platform.failures("web")) == 2)
    assert "twice" in receipt.detail or "failed to start 2 times in a row and waits 2 s" in (
        platform.apply(launch("c", version="v2")).detail
    )


def now() -> str:
    return str(time.monotonic())


def test_one_that_is_never_ready_is_ended(made: Made) -> None:
    platform = made(never_ready=True, manifest='[ready]\npath = "/ready"\ntimeout_s = 0.3\n')
    platform.apply(launch("a"))
    assert platform.changed.wait(10)
    (failure,) = platform.failures("web")
    assert failure.text.startswith("a was not ready within 0.3 s: GET /ready on port ")
    assert failure.log[-1] == "will never be ready, as asked"
    until(lambda: running(platform) == ())
    assert states(platform) == {}


def test_a_package_that_is_not_there_is_refused_by_name(made: Made) -> None:
    receipt = made().apply(launch("a", version="v9"))
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.detail == "web: version v9 is not installed; there is v1"


def test_a_crash_while_serving_is_noticed_at_once(made: Made) -> None:
    platform = made(workers=2)
    platform.apply(launch("a"))
    platform.apply(launch("b"))
    settled(platform)
    platform.changed.clear()
    begun_s = time.perf_counter()
    os.kill(process_of(platform, "a"), signal.SIGKILL)
    assert platform.changed.wait(5)
    took_s = time.perf_counter() - begun_s
    assert states(platform) == {"b": S.SERVING}
    assert took_s < 0.1
    assert platform.failures("web")[-1].text == "a ended while serving by signal 9"
    # its workers, which nobody is the parent of any more, go too
    until(lambda: set(running(platform)) == {"b"})
    assert platform.apply(launch("c")).outcome is Outcome.ACCEPTED  # nobody waits for that


def test_one_that_dies_while_warm_is_noticed(made: Made) -> None:
    platform = made()
    platform.apply(launch("a", is_warm=True))
    settled(platform)
    platform.changed.clear()
    os.kill(process_of(platform, "a"), signal.SIGKILL)
    assert platform.changed.wait(5)
    assert states(platform) == {}
    assert platform.apply(act(Promote, "a")).detail == "a is gone"


def test_one_that_hangs_is_ended(made: Made) -> None:
    live = '[live]\npath = "/live"\nevery_s = 0.05\ntimeout_s = 0.1\nfailures = 2\n'
    platform = made(manifest=live)
    platform.apply(launch("a"))
    platform.apply(launch("b"))
    settled(platform)
    platform.changed.clear()
    os.kill(process_of(platform, "a"), signal.SIGSTOP)  # hangs: connected to, answers nothing
    assert platform.changed.wait(5)
    assert states(platform) == {"b": S.SERVING}
    assert platform.failures("web")[-1].text == "a failed 2 times in a row to answer GET /live"
    until(lambda: running(platform) == ("b",))


def test_a_warm_one_is_not_asked_whether_it_lives(made: Made) -> None:
    live = '[live]\npath = "/live"\nevery_s = 0.02\ntimeout_s = 0.02\nfailures = 1\n'
    platform = made(manifest=live)
    platform.apply(launch("a", is_warm=True))
    settled(platform)
    platform.changed.clear()
    assert not platform.changed.wait(0.3)
    assert states(platform) == {"a": S.WARM}


def test_one_that_does_not_go_when_told_is_killed(made: Made) -> None:
    platform = made(ignore_term=True, manifest="[drain]\ntimeout_s = 1\ngrace_s = 0.2\n")
    platform.apply(launch("a"))
    settled(platform)
    platform.apply(act(Drain, "a"))
    assert states(platform) == {"a": S.DRAINING}
    until(lambda: states(platform) == {})
    assert running(platform) == ()
    assert platform.failures("web") == ()


def test_a_drain_lets_the_program_finish(made: Made) -> None:
    platform = made(drain_s=0.4)
    platform.apply(launch("a"))
    settled(platform)
    begun_s = time.perf_counter()
    platform.apply(act(Drain, "a"))
    settled(platform)
    assert states(platform) == {}
    assert time.perf_counter() - begun_s > 0.4
    assert (platform.root / "logs" / "a.log").read_text().endswith("ended\n")


def test_a_frozen_one_that_is_ended_hears_of_it(made: Made) -> None:
    platform = made()
    platform.apply(launch("a", is_warm=True))
    settled(platform)
    platform.apply(act(Terminate, "a"))
    assert states(platform) == {}
    until(lambda: running(platform) == ())
    assert (platform.root / "logs" / "a.log").read_text().endswith("ended\n")
    until(lambda: not list((platform.root / "instances").iterdir()))


def test_one_that_is_called_off_while_it_boots_leaves_nothing(made: Made) -> None:
    platform = made(start_s=5)
    platform.apply(launch("a"))
    until(lambda: running(platform) == ("a",))
    platform.apply(act(Terminate, "a"))
    until(lambda: running(platform) == ())
    assert platform.failures("web") == ()


def test_an_update_in_place_keeps_name_and_node(made: Made) -> None:
    platform = made.of({"v1": {}, "v2": {}})
    platform.apply(launch("a"))
    settled(platform)
    before = process_of(platform, "a")
    asked = Update(action_id="u", service="web", instance_id="a", version="v2", method="in_place")
    assert platform.apply(asked).outcome is Outcome.ACCEPTED
    seen = {platform.observe("web").instances[0].state}
    until(lambda: seen.add(platform.observe("web").instances[0].state) or S.SERVING in seen)
    (after,) = platform.observe("web").instances
    assert (after.version, after.state) == ("v2", S.SERVING)
    assert process_of(platform, "a") != before
    assert len(running(platform)) == 1


def test_a_replacement_is_refused_with_what_to_do(made: Made) -> None:
    platform = made()
    platform.apply(launch("a"))
    settled(platform)
    asked = Update(action_id="u", service="web", instance_id="a", version="v2", method="replace")
    assert platform.apply(asked).detail == (
        "a replacement is a launch of the new version and a drain of this one"
    )


def test_a_resize_is_done_in_place_or_refused_with_the_reason(made: Made) -> None:
    platform = made()
    platform.apply(launch("a"))
    settled(platform)
    asked = Resize(action_id="r", service="web", instance_id="a", cpu_cores=0.5, memory_mib=64)
    receipt = platform.apply(asked)
    assert (receipt.outcome is Outcome.ACCEPTED) or receipt.detail
    assert states(platform) == {"a": S.SERVING}


def test_a_name_that_is_no_name_is_refused(made: Made) -> None:
    platform = made()
    receipt = platform.apply(launch("../a"))
    assert receipt.outcome is Outcome.REFUSED
    assert "instance_id must be" in receipt.detail
    assert not (platform.root / "a.json").exists()


def test_what_no_node_has_room_for_is_refused_with_the_numbers(made: Made) -> None:
    platform = made(manifest="[needs]\ncpu_cores = 4000\n")
    assert "no node has room: here " in platform.apply(launch("a")).detail
    assert running(platform) == ()


def test_fifteen_launches_at_once_do_not_hold_up_who_asks(made: Made) -> None:
    platform = made()
    begun_s = time.perf_counter()
    for number in range(15):
        platform.apply(launch(f"a{number}"))
    asked_s = time.perf_counter() - begun_s
    settled(platform)
    assert len(states(platform)) == 15
    assert asked_s < 0.5
