"""A control plane that is killed leaves its instances running; the next goes on with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from cases.local import (
    act,
    launch,
    local_platform,
    process_of,
    reopened,
    running,
    settled,
    states,
    until,
)
from cases.packages import Option
from foretide.control.clock import WallClock
from foretide.errors import InputError
from foretide.model.fleet import InstanceState
from foretide.model.plan import Action, Drain, Park, Promote, Terminate
from foretide.platforms.base import Outcome
from foretide.platforms.local import process
from foretide.platforms.local.down import ended
from foretide.platforms.local.platform import LocalPlatform
from foretide.platforms.local.receipts import Receipts

S = InstanceState
CASES = Path(__file__).parents[2] / "cases"


class ControlPlane:
    """A control plane in a process of its own."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, CASES / "control_plane.py", "apply", root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, action: Action) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(action).decode() + "\n")
        self._process.stdin.flush()
        return self._line()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def root(tmp_path: Path) -> Generator[Path]:
    yield tmp_path / "root"
    ended(tmp_path / "root")


def begun(root: Path, *, manifest: str = "", **options: Option) -> ControlPlane:
    local_platform(root.parent, versions={"v1": options}, manifest=manifest).close()
    return ControlPlane(root)


def wait_for_record(root: Path, name: str, state: InstanceState) -> None:
    path = root / "instances" / f"{name}.json"
    until(lambda: path.exists() and json.loads(path.read_bytes())["state"] == state)


def test_what_served_serves_on_and_what_was_warm_is_warm(root: Path) -> None:
    before = begun(root)
    for action in (launch("a"), launch("b", is_warm=True)):
        assert before.ask(action) == Outcome.ACCEPTED
    wait_for_record(root, "a", S.SERVING)
    wait_for_record(root, "b", S.WARM)
    before.kill()
    with reopened(root) as platform:
        assert states(platform) == {"a": S.SERVING, "b": S.WARM}  # at once, no probing needed
        assert sorted(running(platform)) == ["a", "b"]
        assert platform.apply(launch("a")).outcome is Outcome.ALREADY_DONE
        assert platform.apply(act(Promote, "b")).outcome is Outcome.ACCEPTED
        assert states(platform) == {"a": S.SERVING, "b": S.SERVING}


def test_a_boot_goes_on(root: Path) -> None:
    before = begun(root, start_s=1.5)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.BOOTING)
    until(lambda: json.loads((root / "instances" / "a.json").read_bytes()).get("identity"))
    before.kill()
    with reopened(root) as platform:
        assert states(platform) == {"a": S.BOOTING}
        first = process_of(platform, "a")
        settled(platform)
        assert states(platform) == {"a": S.SERVING}
        assert running(platform) == ("a",)
        assert process_of(platform, "a") == first


def test_a_drain_goes_on(root: Path) -> None:
    before = begun(root, drain_s=1)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.SERVING)
    before.ask(act(Drain, "a"))
    before.kill()
    with reopened(root) as platform:
        assert states(platform) == {"a": S.DRAINING}
        settled(platform)
        assert states(platform) == {}
        assert running(platform) == ()
        assert platform.failures("web") == ()


def test_an_end_goes_on(root: Path) -> None:
    before = begun(root, ignore_term=True, manifest="[drain]\ngrace_s = 0.5\n")
    before.ask(launch("a", is_warm=True))
    wait_for_record(root, "a", S.WARM)
    before.ask(act(Terminate, "a"))
    before.kill()
    with reopened(root) as platform:
        assert states(platform) == {}
        until(lambda: running(platform) == ())


def test_what_was_asked_and_not_begun_is_done(root: Path) -> None:
    """Killed after the receipt was begun: for each action its effect is there afterwards."""
    before = begun(root)
    for name, is_warm in (("a", True), ("b", False), ("c", False), ("d", True)):
        before.ask(launch(name, is_warm=is_warm))
        wait_for_record(root, name, S.WARM if is_warm else S.SERVING)
    before.kill()
    receipts = Receipts(root / "receipts.jsonl")
    for action in (
        act(Promote, "a"), act(Park, "b"), act(Drain, "c"), act(Terminate, "d"), launch("e"),
    ):  # fmt: skip
        receipts.begin(action)
    receipts.close()
    with reopened(root) as platform:
        settled(platform)
        assert states(platform) == {"a": S.SERVING, "b": S.WARM, "e": S.SERVING}
        assert platform.apply(act(Promote, "a")).outcome is Outcome.ALREADY_DONE
        until(lambda: sorted(running(platform)) == ["a", "b", "e"])


def test_a_process_without_a_record_is_found_by_its_launch(root: Path) -> None:
    """Killed between starting a process and writing down which it is."""
    before = begun(root)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.SERVING)
    before.kill()
    path = root / "instances" / "a.json"
    record = json.loads(path.read_bytes())
    del record["identity"]
    path.write_text(json.dumps(record | {"state": "booting"}))
    with reopened(root) as platform:
        settled(platform)
        assert states(platform) == {"a": S.SERVING}
        assert running(platform) == ("a",)
    path.unlink()
    with reopened(root) as platform:  # not even a record, only the receipt
        settled(platform)
        assert states(platform) == {"a": S.SERVING}
        assert running(platform) == ("a",)


def test_a_process_of_which_nothing_is_known_is_ended(root: Path) -> None:
    begun(root).kill()
    process.start(
        process.Program(
            command=("/bin/sh", "-c", "sleep 60 & wait"),
            folder=root,
            log=root / "x.log",
            root_id=(root / "id").read_text().strip(),
            instance_id="stray",
        )
    )
    with reopened(root) as platform:
        assert states(platform) == {}
        assert any("stray ran without anything being known" in note for note in platform.notes())
        until(lambda: running(platform) == ())


def test_what_ended_while_nobody_watched_is_told(root: Path) -> None:
    before = begun(root, workers=2)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.SERVING)
    before.kill()
    who = json.loads((root / "instances" / "a.json").read_bytes())["identity"]["pid"]
    os.kill(who, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{who}").exists() or " Z " in stat_of(who))
    with reopened(root) as platform:
        assert platform.changed.is_set()
        assert states(platform) == {}
        assert platform.failures("web")[-1].text == "a ended while nobody watched"
        until(lambda: running(platform) == ())


def stat_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""


def test_a_crash_after_adoption_is_noticed_too(root: Path) -> None:
    before = begun(root)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.SERVING)
    before.kill()
    with reopened(root) as platform:
        begun_s = time.perf_counter()
        os.kill(process_of(platform, "a"), signal.SIGKILL)  # not our child
        assert platform.changed.wait(5)
        assert time.perf_counter() - begun_s < 0.1
        assert states(platform) == {}


def test_lead_times_are_kept(root: Path) -> None:
    before = begun(root)
    before.ask(launch("a"))
    wait_for_record(root, "a", S.SERVING)
    until((root / "leads.json").exists)
    before.kill()
    with reopened(root) as platform:
        assert platform.lead_times("web").boot_count == 1


def test_a_tidy_end_leaves_instances_running_and_down_does_not(root: Path) -> None:
    first = local_platform(root.parent)
    first.apply(launch("a"))
    settled(first)
    first.close()
    first.close()  # twice is once
    assert running(first) == ("a",)
    second = reopened(root)
    with pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
        LocalPlatform(root, services={}, clock=WallClock())
    assert second.down() == ("a",)
    assert second.down() == ()
    assert running(second) == ()
    assert not list((root / "instances").iterdir())
    third = reopened(root)
    assert states(third) == {}
    third.close()


def test_a_frozen_one_and_one_that_ignores_its_end_are_down_too(root: Path) -> None:
    first = local_platform(root.parent, versions={"v1": {"ignore_term": True, "workers": 2}})
    first.apply(launch("a", is_warm=True))
    first.apply(launch("b"))
    settled(first)
    first.close()
    assert set(ended(root)) == {"a", "b"}
    assert ended(root) == ()
    assert running(first) == ()
